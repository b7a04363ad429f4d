"""When a device that stamps its scans tells each of them, and under which stamp.

A polled device has no say in this. A logger that writes files, or publishes messages, has a clock
of its own and a line of its own, and both can be wrong: see the faults of a scenario.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from simulators.scenario import Fault


@dataclass(frozen=True, slots=True, order=True)
class Telling:
    """One scan, told once."""

    told_us: int  # When.
    step: int  # Which: a multiple of the period since 1970.
    stamp_us: int  # What the device says about when it was taken.


def tellings_of(
    steps: Iterable[int], *, period_us: int, began_us: int, faults: Sequence[Fault] = ()
) -> list[Telling]:
    """Say of each step when it is told and under which stamp, in the order of telling.

    >>> [one.stamp_us for one in tellings_of([4, 5], period_us=10, began_us=0)]
    [40, 50]
    """
    return sorted(_telling(step, period_us, began_us, faults) for step in steps)


def _telling(step: int, period_us: int, began_us: int, faults: Sequence[Fault]) -> Telling:
    told_us = stamp_us = step * period_us
    for fault in faults:
        since_us = step * period_us - began_us - round(fault.begins_s * 1e6)
        if not 0 <= since_us < fault.lasts_s * 1e6:
            continue
        by_us = round((fault.by_s or 0.0) * 1e6)
        if fault.kind == "clock_back":
            stamp_us -= by_us
        elif fault.kind == "late":
            told_us += by_us
        elif fault.kind == "repeated_stamps" and step % 2:
            stamp_us -= period_us
        elif fault.kind == "out_of_order" and step % 2 == 0:
            told_us += period_us + period_us // 2  # After the one that follows it.
    return Telling(told_us, step, stamp_us)
