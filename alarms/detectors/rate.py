"""Rate of change: how fast has each channel moved, per hour, over about a window?

Instead of a window of readings each rule keeps two of them, its *anchors*: an old one, at
least a window ago, from which the rate is measured, and a young one that will take its place.
The rate is therefore an average over one to two windows (and one scan period, where the
window is no multiple of it), in constant memory.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NEVER_US = -(2**62)  # Far enough to be no instant, near enough that differences fit int64.
HOUR_US = 3_600_000_000
OLD, YOUNG = 0, 1


class Anchors(NamedTuple):
    """The two readings that each rule keeps; NEVER_US where there is none."""

    old_us: NDArray[np.int64]  # [rule]
    old_value: NDArray[np.float64]  # [rule]
    young_us: NDArray[np.int64]  # [rule]
    young_value: NDArray[np.float64]  # [rule]


def rate_per_hour(
    at_us: NDArray[np.int64],  # [rule]
    value: NDArray[np.float64],  # [rule] none of them NaN
    anchors: Anchors,
    *,
    window_us: NDArray[np.int64],  # [rule]
    gap_us: NDArray[np.int64],  # [rule] an old anchor further back than this tells nothing
) -> tuple[NDArray[np.float64], Anchors]:
    """Return each rule's rate (NaN until a window has passed) and its anchors from now on.

    Mostly nothing changes about anchors, and then they are returned as they came: what is done
    for all rules at every scan is little.
    """
    old_us, old_value, young_us, young_value = anchors
    has_young = young_us != NEVER_US
    ripe = at_us - young_us >= window_us  # Also where there is none: never is long ago.
    if ripe.any():
        ripe &= has_young
        old_us = np.where(ripe, young_us, old_us)
        old_value = np.where(ripe, young_value, old_value)
    span_us = at_us - old_us
    restart = span_us > gap_us
    if restart.any():
        old_us, old_value = np.where(restart, at_us, old_us), np.where(restart, value, old_value)
        span_us = at_us - old_us

    known = span_us >= window_us
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        rate = (value - old_value) * (HOUR_US / span_us)
    if not known.all():
        rate[~known] = np.nan

    kept = has_young
    if ripe.any() or restart.any():
        kept = has_young & ~(ripe | restart)
    if not kept.all():
        young_us = np.where(kept, young_us, np.where(known, at_us, NEVER_US))
        young_value = np.where(kept, young_value, np.where(known, value, 0.0))
    return rate, Anchors(old_us, old_value, young_us, young_value)
