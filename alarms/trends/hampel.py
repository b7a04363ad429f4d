"""Hampel's identifier: which values stand out from those just before them?

It looks back only, so that a value is judged when it comes and never again. Median and median
deviation are not moved by what they have to find; a real step is told as an outlier until half
of the window is beyond it.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.trends.blocks import blocks
from alarms.trends.theil_sen import medians

WINDOWS_AT_ONCE: Final = 1 << 18  # Times the window's length: some ten MiB.
NORMAL_MAD: Final = 1.4826  # 1 / Φ⁻¹(3/4): makes the median deviation of normal noise its σ.


class HampelVerdict(IntEnum):
    """What a value is, beside those before it."""

    UNKNOWN = 0  # Missing itself, too few before it, or none of them ever differs.
    GOOD = 1
    OUTLIER = 2


@dataclass(frozen=True, slots=True)
class HampelParameters:
    """How far back is looked, and what stands out."""

    window: int = 11  # Bins, the judged one included; `domain.md` C.1: 7–13.
    k: float = 3.0  # Spreads from the median.
    means_min: int = 5  # In a window, the judged one included.


@dataclass(frozen=True, slots=True, eq=False)
class Hampel:
    """The judgement of each value, and what it was compared with."""

    verdict: NDArray[np.int8]  # [channel, bin] a HampelVerdict
    median: NDArray[np.float64]  # [channel, bin] of the window that ends here
    spread: NDArray[np.float64]  # [channel, bin] 1.4826·MAD, at least the resolution


def hampel(
    value: NDArray[np.float64],  # [channel, bin] NaN where a bin holds nothing
    resolution: NDArray[np.float64],  # [channel] the instrument's smallest step, 0 if unknown
    parameters: HampelParameters = HampelParameters(),
) -> Hampel:
    """Judge each value by the window that ends with it (Hampel 1974; Davies & Gather 1993).

    An outlier is further than k·S from the median, S = max(1.4826·MAD, resolution): a level that
    repeats for days and then moves by one step is no outlier. Where S is 0, because nothing
    varies and no resolution is known, whatever differs is UNKNOWN. To go on where an earlier call
    ended, hand the last window - 1 bins in again.

    >>> row = np.array([[5.0, 5.1, 5.0, 5.2, 5.1, 9.9, 5.1]])
    >>> hampel(row, np.array([0.1])).verdict.tolist()
    [[0, 0, 0, 0, 1, 2, 1]]
    """
    value = np.where(np.isfinite(value), value, np.nan)
    window = parameters.window
    padded = np.concatenate([np.full((len(value), window), np.nan), value], axis=1)
    views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, 1:]
    median, deviation = np.full(value.shape, np.nan), np.full(value.shape, np.nan)
    for rows in blocks(len(value), value.shape[1], WINDOWS_AT_ONCE):
        windows = views[rows].reshape(-1, window)
        middle = medians(windows)
        median[rows] = middle.reshape(value[rows].shape)
        around = np.abs(windows - middle[:, np.newaxis])
        deviation[rows] = medians(around).reshape(value[rows].shape)
    known = np.count_nonzero(~np.isnan(views), axis=2)
    spread = np.maximum(NORMAL_MAD * deviation, np.nan_to_num(resolution)[:, np.newaxis])
    away = np.abs(value - median)
    judged = ~np.isnan(value) & (known >= parameters.means_min) & ((spread > 0) | (away == 0))
    # Exactly k steps of a coarse instrument are not beyond k steps, whatever rounding makes of it.
    rounding = 4 * np.finfo(np.float64).eps * np.abs(value)
    beyond = away > parameters.k * spread + rounding
    verdict = np.where(beyond, HampelVerdict.OUTLIER, HampelVerdict.GOOD)
    verdict = np.where(judged, verdict, HampelVerdict.UNKNOWN)
    return Hampel(verdict.astype(np.int8), median, spread)
