"""Outliers: does a reading stand apart from those just before it?

The identifier of Hampel (1974, J. Am. Stat. Assoc. 69:383; Davies & Gather 1993, ibid. 88:782) over
a window that ends with the reading: further from the median than k times 1.4826 MAD. What stands
apart on the same side again and again is no outlier but a new course, and is believed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW_MAX = 15
ROUNDING = 1e-9  # Three steps of the resolution are not more than three steps.
NORMAL_SCALE = 1.4826  # Of a normal distribution: standard deviation over MAD.


class OutlierState(NamedTuple):
    """The last readings of each screened channel."""

    window: NDArray[np.float64]  # [WINDOW_MAX, channel] the newest first, NaN where none
    newest_us: NDArray[np.int64]  # [channel]
    side: NDArray[np.int8]  # [channel] -1 or 1 where the last reading stood apart
    apart: NDArray[np.int8]  # [channel] how many in a row did, on that side


def screen_outliers(
    at_us: NDArray[np.int64],  # [channel]
    value: NDArray[np.float64],  # [channel] none of them NaN
    before: OutlierState,
    *,
    readings: NDArray[np.int64],  # [channel] of the window, this one included
    sigmas: NDArray[np.float64],  # [channel]
    least_sigma: NDArray[np.float64],  # [channel] the resolution, where MAD is nothing
    believed_after: NDArray[np.int8],  # [channel]
    gap_us: NDArray[np.int64],  # [channel] after a longer gap the window begins anew
) -> tuple[NDArray[np.bool_], OutlierState]:
    """Tell which readings stand apart, and the state from now on; no window, no outlier."""
    anew = at_us - before.newest_us > gap_us
    kept = np.where(anew, np.nan, before.window[:-1])
    window = np.concatenate([value[np.newaxis], kept])
    within = np.where(np.arange(WINDOW_MAX)[:, np.newaxis] < readings, window, np.nan)
    full = (~np.isnan(within)).sum(axis=0) == readings
    median = _median(within, readings, full)
    spread = NORMAL_SCALE * _median(np.abs(within - median), readings, full)
    off = value - median
    far = full & (np.abs(off) > sigmas * np.maximum(spread, least_sigma) * (1.0 + ROUNDING))
    side = np.where(far, np.sign(off), 0).astype(np.int8)
    again = far & (side == before.side) & ~anew
    apart = np.where(far, np.where(again, before.apart + 1, 1), 0).astype(np.int8)
    return far & (apart < believed_after), OutlierState(
        window=window, newest_us=at_us, side=side, apart=np.minimum(apart, np.int8(100))
    )


def _median(
    within: NDArray[np.float64], readings: NDArray[np.int64], full: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The median of each channel's own window; NaN, which sorts last, is outside of it."""
    ordered = np.sort(within, axis=0)
    place = np.where(full, (readings - 1) // 2, 0)
    channel = np.arange(within.shape[1])
    upper = np.where(full, readings // 2, 0)
    middle: NDArray[np.float64] = (ordered[place, channel] + ordered[upper, channel]) / 2.0
    return middle
