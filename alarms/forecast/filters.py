"""Filters of velocities: moving average and exponential smoothing, as of every instant.

Carlà et al. (2017, Landslides 14:517) fit inverse velocities of a short (3) and a long (7) simple
moving average: the short one follows, the long one calms, and their difference is a measure of
doubt. Both look back only, so that a filtered value never knows the future.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHORT: Final = 3
LONG: Final = 7
SMOOTHING: Final = 0.5


def moving_average(value: Floats, count: int) -> Floats:
    """Mean of the last ``count`` values [channel, step]; NaN where one of them is missing.

    >>> moving_average(np.array([[1.0, 2.0, 6.0, np.nan, 4.0]]), 2)
    array([[nan, 1.5, 4. , nan, nan]])
    """
    if count < 1:
        raise ValueError(f"A moving average needs at least one value, not {count}.")
    result = np.full(value.shape, np.nan)
    if value.shape[1] >= count:
        windows = np.lib.stride_tricks.sliding_window_view(value, count, axis=1)
        result[:, count - 1 :] = windows.mean(axis=2)
    return result


def exponential(value: Floats, share: float = SMOOTHING) -> Floats:
    """Exponentially smoothed values [channel, step]: ``share`` of the new, the rest of the old.

    It begins with the first value there is; where a value is missing it answers NaN and goes on
    from what it had.

    >>> exponential(np.array([[np.nan, 4.0, 8.0, np.nan, 2.0]]))
    array([[nan,  4.,  6., nan,  4.]])
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"The share of the new value is in (0, 1], not {share}.")
    result = np.full(value.shape, np.nan)
    held = np.full(len(value), np.nan)
    for step in range(value.shape[1]):  # Over instants, each for all channels.
        new = value[:, step]
        held = np.where(np.isnan(held), new, held)
        smoothed = share * new + (1.0 - share) * held
        result[:, step] = smoothed
        held = np.where(np.isnan(new), held, smoothed)
    return result
