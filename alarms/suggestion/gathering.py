"""A group's stored readings, thinned out as they come, so that years of them fit into memory."""

from collections.abc import AsyncIterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.backtest.history import StoredHistory, Stretch
from alarms.suggestion.quiet import History
from telemetry.plan import GroupPlan
from telemetry.quality import is_bad
from telemetry.scan import JudgedScans

KEPT_MAX: Final = 60_000  # Scans; of up to 128 channels, that is 60 MB.
GAP_PERIODS: Final = 3  # What lies further apart is not successive.

Floats = NDArray[np.float64]


class Thinned:
    """Every n-th scan of a group; n doubles when there are too many."""

    def __init__(self, group: GroupPlan, kept_max: int = KEPT_MAX) -> None:
        self._group = group
        self._kept_max = kept_max
        self._every = 1
        self._seen = 0
        self._last: tuple[int, Floats] | None = None
        self._at_us = np.empty(0, np.int64)
        self._value = np.empty((0, group.slot_count))
        self._step = np.empty((0, group.slot_count))
        self._good = np.zeros(group.slot_count, np.int64)
        self._bad = np.zeros(group.slot_count, np.int64)

    def take(self, scans: JudgedScans) -> None:
        """Take more scans, which ascend."""
        value = np.where(is_bad(scans.quality), np.nan, scans.value)
        good = np.isfinite(value)
        self._good += good.sum(axis=0)
        self._bad += (~good).sum(axis=0)
        step = self._steps(scans.judged_us, value)
        chosen = np.flatnonzero((self._seen + np.arange(len(value))) % self._every == 0)
        self._seen += len(value)
        self._at_us = np.concatenate([self._at_us, scans.judged_us[chosen]])
        self._value = np.concatenate([self._value, value[chosen]])
        self._step = np.concatenate([self._step, step[chosen]])
        while len(self._at_us) > self._kept_max:
            self._every *= 2
            self._at_us, self._value = self._at_us[::2], self._value[::2]
            self._step = self._step[::2]

    def history(self, slot: int) -> History:
        """Return what was kept of a slot, and what was counted of it."""
        there = np.isfinite(self._value[:, slot])
        at_us = self._at_us[there]
        return History(
            at_h=(at_us - at_us[:1]) / 3.6e9,
            value=self._value[there, slot],
            step=self._step[there, slot],
            good=int(self._good[slot]),
            bad=int(self._bad[slot]),
        )

    @property
    def span_us(self) -> tuple[int, int] | None:
        """From when until when there are scans; None when there are none."""
        return (int(self._at_us[0]), int(self._at_us[-1])) if len(self._at_us) else None

    def _steps(self, at_us: NDArray[np.int64], value: Floats) -> Floats:
        before_us = np.concatenate([[at_us[0] if self._last is None else self._last[0]], at_us])
        nothing = np.full((1, value.shape[1]), np.nan)
        before = nothing if self._last is None else self._last[1][np.newaxis]
        step = np.diff(np.concatenate([before, value]), axis=0)
        step[np.diff(before_us) > GAP_PERIODS * self._group.period_us] = np.nan
        self._last = int(at_us[-1]), value[-1].copy()
        return step


async def gathered(
    history: StoredHistory, group: GroupPlan
) -> AsyncIterator[tuple[Stretch, Thinned]]:
    """Gather a group's scans, stretch by stretch; the last one told is the whole."""
    thinned = Thinned(group)
    async for stretch in history.stretches():
        for one in stretch.scans:
            if one.group == group.index:
                thinned.take(one)
        yield stretch, thinned
