"""Confirmation: do so many of the last readings violate a level (n of m)?

The last readings of a level are the bits of one number, the newest lowest.
"""

import numpy as np
from numpy.typing import NDArray

from alarms.detectors.limits import LEVELS

COUNTS = np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)


def confirmed_level(
    violated: NDArray[np.int8],  # [rule] the level that the newest reading violates
    confirmed_before: NDArray[np.int8],  # [rule] the level that was confirmed before it
    *,
    recent: NDArray[np.uint16],  # [level, rule]
    after_gap: NDArray[np.bool_],  # [rule] the readings before are too old to count
    at_least: NDArray[np.uint8],  # [rule]
    of_last: NDArray[np.uint8],  # [rule] 16 at most
) -> tuple[NDArray[np.int8], NDArray[np.uint16]]:
    """Return the confirmed level of each rule, and the recent readings from now on.

    Across a gap nothing is counted, but what was confirmed is not forgotten either: silence clears
    no alarm, so it stands as if all readings before had violated it.
    """
    every = ((1 << of_last.astype(np.uint32)) - 1).astype(np.uint16)
    instead = np.where(confirmed_before >= LEVELS, every, np.uint16(0))
    known = np.where(after_gap, instead, recent)
    recent = ((known << np.uint16(1)) | (violated >= LEVELS)).astype(np.uint16) & every
    confirms = COUNTS[recent] >= at_least
    return np.max(np.where(confirms, LEVELS, np.int8(0)), axis=0), recent


def newest(recent: NDArray[np.uint16]) -> NDArray[np.int8]:  # [rule]
    """Return the level that the newest reading has violated."""
    level: NDArray[np.int8] = np.max(np.where(recent & np.uint16(1), LEVELS, np.int8(0)), axis=0)
    return level
