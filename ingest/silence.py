"""Which scan groups have fallen silent, and which need not be waited for?

Both are about lines, so both are measured in real time, which a scenario's rate scales. Time in
which the centre was down is nobody's silence: hearing begins when the centre starts, and for an
edge that has not come back by the time the centre has settled, then.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SILENT_PERIODS = 3.0
SILENT_AT_LEAST_S = 5.0  # Real: a fast demonstration must not call a slow computer a dead edge.
GRACE_PERIODS = 2.0
GRACE_AT_LEAST_S = 3.0
SETTLING_MAX_S = 30.0  # After a start, at most this long is waited for streams that were known.
LOOK_COUNTS_S = 1.0  # Between two looks at the inbox no more time than this counts as listening.


@dataclass(slots=True, eq=False)
class Hearing:
    """When each group was last heard, on the real monotonic clock."""

    heard_s: NDArray[np.float64]  # [group] real seconds
    period_s: NDArray[np.float64]  # [group] scenario seconds
    measured: NDArray[np.bool_]  # [group] False for calculated groups, which are never silent
    listened_s: float  # The newest look at what has come.
    counted_s: NDArray[np.float64]  # [group] from when on silence counts; grace does not ask

    @classmethod
    def begin(
        cls, *, period_s: NDArray[np.float64], measured: NDArray[np.bool_], now_s: float
    ) -> "Hearing":
        """Start listening: every group counts as heard now."""
        begun = np.full(len(period_s), now_s)
        return cls(begun, period_s, measured, now_s, begun.copy())

    def restart(self, now_s: float) -> None:
        """Count every group as heard now."""
        self.heard_s[:] = now_s

    def listen(self, now_s: float) -> None:
        """Note a look at what has come; time in which nobody looked is nobody's silence.

        While the database is away, or this process stands still, edges can't be heard.
        """
        missed_s = max(0.0, now_s - self.listened_s - LOOK_COUNTS_S)
        self.heard_s += missed_s
        self.counted_s += missed_s
        self.listened_s = max(self.listened_s, now_s)

    def hear(self, group: int, at_s: float) -> None:
        """Note that a scan of a group has come; it may have waited for this look for a while."""
        self.heard_s[group] = max(self.heard_s[group], at_s)

    def count_silence_from(self, group: int, now_s: float) -> None:
        """Count no time before now as a group's silence."""
        self.counted_s[group] = now_s

    def silent(self, now_s: float, rate: float) -> NDArray[np.bool_]:
        """Tell which measured groups have been silent for three periods, and at least 5 s."""
        allowed = np.maximum(SILENT_PERIODS * self.period_s / rate, SILENT_AT_LEAST_S)
        since_s = np.maximum(self.heard_s, self.counted_s)
        return self.measured & (now_s - since_s > allowed)

    def excused(self, now_s: float, rate: float) -> NDArray[np.bool_]:
        """Tell which groups a tick need not wait for: two periods of grace have ended."""
        allowed = np.maximum(GRACE_PERIODS * self.period_s / rate, GRACE_AT_LEAST_S)
        return self.measured & (now_s - self.heard_s > allowed)


def has_settled(
    *, started_s: float, now_s: float, known: set[tuple[str, str]], back: set[tuple[str, str]]
) -> bool:
    """Tell whether all edges known before the start are back, or have been waited for enough."""
    return known <= back or now_s - started_s >= SETTLING_MAX_S
