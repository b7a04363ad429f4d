"""Between which values each channel went, piece by piece of a span: what a chart needs of years."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.plan import SitePlan
from telemetry.quality import is_bad
from telemetry.scan import JudgedScans

PIECES: Final = 800
NUMBERS_MAX: Final = 50_000_000  # Of both sides and all channels together: 200 MB.
PIECES_MIN: Final = 60


class Envelope:
    """Lowest and highest good value of each channel in each piece of a span."""

    def __init__(self, plan: SitePlan, from_us: int, to_us: int) -> None:
        channels = max(1, len(plan.channels))
        self.pieces = max(PIECES_MIN, min(PIECES, NUMBERS_MAX // (2 * channels)))
        self.from_us, self.to_us = from_us, to_us
        self._row = {one.key: one.index for one in plan.channels}
        shape = (len(plan.channels), self.pieces)
        self._low = np.full(shape, np.nan, np.float32)
        self._high = np.full(shape, np.nan, np.float32)

    def take(self, plan: SitePlan, scans: JudgedScans) -> None:
        """Take a group's scans in, which ascend; the plan may be of another version."""
        inside = (scans.judged_us >= self.from_us) & (scans.judged_us < self.to_us)
        if not inside.any():
            return
        chosen = [one for one in plan.groups[scans.group].channels if one.key in self._row]
        rows = np.array([self._row[one.key] for one in chosen], np.int64)
        slots = np.array([one.slot for one in chosen], np.int64)
        passed_us = scans.judged_us[inside] - self.from_us
        piece = passed_us * self.pieces // (self.to_us - self.from_us)
        value = np.where(is_bad(scans.quality), np.nan, scans.value)[inside][:, slots]
        begins = np.flatnonzero(np.concatenate([[True], np.diff(piece) != 0]))
        low = np.fmin.reduceat(value, begins, axis=0).T
        high = np.fmax.reduceat(value, begins, axis=0).T
        at = np.ix_(rows, piece[begins])
        self._low[at] = np.fmin(self._low[at], low)
        self._high[at] = np.fmax(self._high[at], high)

    def of(self, channel: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a channel's lowest and highest values, [piece] each; NaN where there is none."""
        row = self._row[channel]
        return self._low[row], self._high[row]
