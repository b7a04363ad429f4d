"""Frozen instruments: has a channel shown the same for longer than is natural?

How long is natural, only the site knows: a pond repeats a level of whole centimetres for a day.
Time during which nothing was read is no sign of frost.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alarms.detectors.rate import NEVER_US

READINGS_MIN = 3  # Two equal readings, a day apart, freeze nothing.


class FrozenState(NamedTuple):
    """What each screened channel shows, and since when."""

    since_us: NDArray[np.int64]  # [channel]
    newest_us: NDArray[np.int64]  # [channel] NEVER_US before the first reading
    shown: NDArray[np.float64]  # [channel] the first of the readings that are the same
    repeats: NDArray[np.int64]  # [channel] how many they are


def screen_frozen(
    at_us: NDArray[np.int64],  # [channel]
    value: NDArray[np.float64],  # [channel] none of them NaN
    before: FrozenState,
    *,
    after_us: NDArray[np.int64],  # [channel]
    gap_us: NDArray[np.int64],  # [channel] readings further apart than this are not joined
    tolerance: NDArray[np.float64],  # [channel] what is as near as this is the same
) -> tuple[NDArray[np.bool_], FrozenState]:
    """Tell which readings are frozen, and the state from now on."""
    follows = (before.newest_us != NEVER_US) & (at_us - before.newest_us <= gap_us)
    same = follows & (np.abs(value - before.shown) <= tolerance)
    after = FrozenState(
        since_us=np.where(same, before.since_us, at_us),
        newest_us=at_us,
        shown=np.where(same, before.shown, value),
        repeats=np.where(same, before.repeats + 1, 1),
    )
    lasted = (at_us - after.since_us >= after_us) & (after.repeats >= READINGS_MIN)
    return same & lasted, after
