"""Rate of movement: how fast does each channel move, over an hour, a day and a week at once?

The rate is the slope of a least-squares line through the window's means at their real instants.
A difference over a fixed step would use two of n means: its variance is n/6 times that of the
slope where noise is white (28 times in a week of hours), and one bad mean at either end is the
whole answer. The price is that a jump inside the window is smeared in the same way.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.trends.blocks import blocks
from alarms.trends.means import HOUR_US, hours

DAY_US: Final = 24 * HOUR_US


class RateVerdict(IntEnum):
    """Whether a rate is known, and why not."""

    TOO_LITTLE_DATA = 0  # Fewer means than asked for.
    TOO_OLD = 1  # The newest mean is too far before the window's end to say what is now.
    TOO_SHORT = 2  # The means don't span the window: a week is not told from its last day.
    TOO_WIDE_A_GAP = 3  # A hole in the middle, across which nobody knows the way.
    KNOWN = 4


@dataclass(frozen=True, slots=True)
class RateParameters:
    """Over what rates are taken, and what a window must hold for that."""

    # Minutes to tell a slide, a day without its cycle, a week for creep: `domain.md` C.2.
    windows_us: tuple[int, ...] = (HOUR_US, DAY_US, 7 * DAY_US)
    means_min: int = 4  # Below that a line fits whatever noise does.
    span_min: float = 0.75  # Of the window, from the first mean to the last.
    gap_max: float = 0.5  # Of the window, between neighbouring means.
    age_max: float = 0.2  # Of the window, from the last mean to the window's end.


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Rates of all channels over all windows; NaN where the verdict is not KNOWN."""

    rate_per_h: NDArray[np.float64]  # [window, channel] in the channel's unit
    error_per_h: NDArray[np.float64]  # [window, channel] standard error, if noise were white
    count: NDArray[np.int64]  # [window, channel] means in the window
    verdict: NDArray[np.int8]  # [window, channel] a RateVerdict


def rates(
    value: NDArray[np.float64],  # [channel, bin] NaN where a bin holds nothing
    at_us: NDArray[np.int64],  # [bin] the middle of each bin, ascending
    until_us: int,  # the end of all windows, usually the end of the last bin
    parameters: RateParameters = RateParameters(),
) -> Rates:
    """Fit a line over each window that ends at `until_us`, for all channels at once.

    A window of w µs holds the bins whose middle is in (until - w, until]. Ordinary least squares
    (Gauss 1809); the error is s/sqrt(Sxx) with n - 2 degrees of freedom, and too small where
    neighbouring means are correlated.

    >>> at_us = np.arange(12) * 300_000_000  # every five minutes
    >>> found = rates(np.arange(12.0)[np.newaxis], at_us, 3_600_000_000)
    >>> found.rate_per_h[:, 0].round(9).tolist(), found.verdict[:, 0].tolist()
    ([12.0, nan, nan], [4, 2, 2])
    """
    found = [
        [
            _over(value[rows], at_us, until_us, window_us, parameters)
            for rows in blocks(len(value), value.shape[1])
        ]
        for window_us in parameters.windows_us
    ]
    columns = ([np.concatenate(part) for part in zip(*one, strict=True)] for one in found)
    rate, error, count, verdict = (np.stack(one) for one in zip(*columns, strict=True))
    return Rates(rate, error, count, verdict)


def _over(
    value: NDArray[np.float64],
    at_us: NDArray[np.int64],
    until_us: int,
    window_us: int,
    parameters: RateParameters,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int8]]:
    first, last = np.searchsorted(at_us, [until_us - window_us, until_us], side="right")
    inside, at_h = value[:, first:last], hours(at_us[first:last])
    slope, error, count = slopes(inside, at_h)
    # Instants as whole numbers, so that "half a window" is half a window. A mean stands for its
    # bin: from its middle to the bin's ends nothing is missing.
    since_us = (at_us[first:last] - until_us).astype(np.float64)
    width_us = float(np.min(np.diff(at_us))) if len(at_us) > 1 else 0.0
    begins_us, ends_us, step_us = _extent(np.isfinite(inside), since_us)
    verdict = np.select(
        [
            count < max(parameters.means_min, 2),
            -ends_us - width_us / 2 > parameters.age_max * window_us,
            ends_us - begins_us + width_us < parameters.span_min * window_us,
            step_us - width_us > parameters.gap_max * window_us,
        ],
        [
            RateVerdict.TOO_LITTLE_DATA,
            RateVerdict.TOO_OLD,
            RateVerdict.TOO_SHORT,
            RateVerdict.TOO_WIDE_A_GAP,
        ],
        RateVerdict.KNOWN,
    ).astype(np.int8)
    known = verdict == RateVerdict.KNOWN
    return np.where(known, slope, np.nan), np.where(known, error, np.nan), count, verdict


def slopes(
    value: NDArray[np.float64],  # [channel, bin] NaN where a bin holds nothing
    at_h: NDArray[np.float64],  # [bin] hours
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return each channel's least-squares slope per hour, its standard error, and how many means.

    NaN where there are not two means (slope), or not three (error).
    """
    has = np.isfinite(value)
    count = np.count_nonzero(has, axis=1)
    share = has / np.maximum(count, 1)[:, np.newaxis]
    known = np.where(has, value, 0.0)
    # Both centred on the channel's own means, so that nothing is lost to large levels or dates.
    # (A product of matrices would round otherwise in other company.)
    x = np.where(has, at_h - np.sum(share * at_h, axis=1)[:, np.newaxis], 0.0)
    y = np.where(has, known - np.sum(known * share, axis=1)[:, np.newaxis], 0.0)
    sxx, sxy, syy = np.sum(x * x, axis=1), np.sum(x * y, axis=1), np.sum(y * y, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(count >= 2, sxy / sxx, np.nan)
        left = np.maximum(syy - slope * sxy, 0.0)
        error = np.where(count >= 3, np.sqrt(left / (np.maximum(count, 3) - 2) / sxx), np.nan)
    return slope, error, count


def _extent(
    has: NDArray[np.bool_], at_us: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return when each channel's first and last means are, and the widest step between two."""
    newest_us = np.maximum.accumulate(np.where(has, at_us, -np.inf), axis=1)
    begins_us = np.min(np.where(has, at_us, np.inf), axis=1, initial=np.inf)
    ends_us = np.max(newest_us, axis=1, initial=-np.inf)
    follows = has[:, 1:] & np.isfinite(newest_us[:, :-1])
    step_us = np.where(follows, at_us[1:] - newest_us[:, :-1], 0.0)
    return begins_us, ends_us, np.max(step_us, axis=1, initial=0.0)
