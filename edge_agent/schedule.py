"""When a group is scanned: at multiples of its period since 1970, whatever happened before.

Scan k has a nominal instant, and the scan carries that. A schedule never drifts, because
nothing is added to "now"; what cannot be taken near its instant is skipped, not moved.
"""

from dataclasses import dataclass
from typing import Final

# Scans that were missed and are written down as such; a hole longer than that stays a hole. With
# three in a row the centre would raise an alarm that the device can't be read.
MISSED_MAX: Final = 2


@dataclass(frozen=True, slots=True)
class Due:
    """The scan to take next, and how many had to be skipped to get there."""

    at_us: int
    skipped: int


def first_instant_after(at_us: int, period_us: int) -> int:
    """Find the first multiple of the period that is strictly later.

    >>> first_instant_after(60, 30), first_instant_after(61, 30)
    (90, 90)
    """
    return (at_us // period_us + 1) * period_us


def due_scan(next_us: int, period_us: int, now_us: int) -> Due:
    """Decide which scan to wait for or take now, given the one that comes next by plan.

    A scan may begin until half a period after its instant; later it would show the state of
    the following one. When the wall clock has been set back, the plan follows it: otherwise
    an edge whose clock loses an hour would be silent for an hour.
    """
    if next_us - now_us > 2 * period_us:
        return Due(first_instant_after(now_us, period_us), 0)
    late_us = now_us - next_us - period_us // 2
    if late_us <= 0:
        return Due(next_us, 0)
    skipped = -(-late_us // period_us)
    return Due(next_us + skipped * period_us, skipped)


def missed_instants(due: Due, period_us: int) -> list[int]:
    """List the newest instants among those that were skipped, in order; a few at most.

    >>> missed_instants(Due(100, 5), 10)
    [80, 90]
    """
    return [due.at_us - n * period_us for n in range(min(due.skipped, MISSED_MAX), 0, -1)]


def is_too_late(at_us: int, period_us: int, now_us: int) -> bool:
    """Tell whether what is read now is no longer the state at the instant."""
    return now_us - at_us > period_us // 2


@dataclass(slots=True)
class Backoff:
    """How long to leave a thing alone that fails again and again; time is an argument."""

    least_s: float
    most_s: float
    failures: int = 0
    not_before_s: float = float("-inf")

    def failed(self, at_s: float) -> None:
        """Wait twice as long as the last time; the first failure is forgiven at once."""
        self.failures += 1
        if self.failures > 1:
            # The exponent is bounded, because 2.0 ** 2000 is an error.
            pause_s = self.least_s * 2.0 ** min(self.failures - 2, 30)
            self.not_before_s = at_s + min(pause_s, self.most_s)

    def succeeded(self) -> None:
        """Forget all failures."""
        self.failures = 0
        self.not_before_s = float("-inf")

    def allows(self, at_s: float) -> bool:
        """Tell whether it is time to try."""
        return at_s >= self.not_before_s
