"""Theil–Sen: which slope has each channel, when some of its means are simply wrong?

The slope is the median of the slopes between all pairs of means, so that up to 29 % of them may
be anything. Its interval comes from Kendall's S, whose spread is known without assuming a
distribution. A pair across a gap counts like any other: the slope uses real instants.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.trends.blocks import blocks
from alarms.trends.means import hours

PAIRS_AT_ONCE: Final = 1 << 21  # 16 MiB of slopes, in a cache or nearly; more rows wait.
MEANS_MAX: Final = 2048  # One row of pairs then just fits; a longer window wants wider bins.
RANKS_MAX: Final = 12  # Up to here partitioning is faster than sorting.


class TrendVerdict(IntEnum):
    """Which way a channel goes, as far as its means can tell."""

    TOO_LITTLE_DATA = 0
    NO_TREND = 1  # None that stands out: not the same as none.
    RISING = 2
    FALLING = 3


@dataclass(frozen=True, slots=True)
class SenParameters:
    """How sure an interval has to be, and how many means it takes."""

    confidence: float = 0.95
    means_min: int = 10  # Kendall 1975: from 10 on the normal distribution of S will do.


@dataclass(frozen=True, slots=True, eq=False)
class SenLines:
    """One line per channel, through hour 0 = the first bin; NaN where there is too little data."""

    slope_per_h: NDArray[np.float64]  # [channel] in the channel's unit
    low_per_h: NDArray[np.float64]  # [channel] the interval of the slope
    high_per_h: NDArray[np.float64]  # [channel]
    intercept: NDArray[np.float64]  # [channel] in the channel's unit
    count: NDArray[np.int64]  # [channel] means that the line is drawn from
    verdict: NDArray[np.int8]  # [channel] a TrendVerdict: rising where all of the interval is


def sen_lines(
    value: NDArray[np.float64],  # [channel, bin] NaN where a bin holds nothing
    at_us: NDArray[np.int64],  # [bin]
    parameters: SenParameters = SenParameters(),
) -> SenLines:
    """Draw each channel's Theil–Sen line, with the interval of Sen.

    Slope: median over i < j of (x_j - x_i) / (t_j - t_i); intercept: median(x) - slope·median(t)
    (Theil 1950, Conover 1980). Interval: the slopes of ranks (N ± z·sqrt(Var S)) / 2 of N pairs,
    with ties (Sen 1968, J. Am. Stat. Assoc. 63). It assumes independent means: where they are
    correlated it is too narrow.

    >>> at_us = np.arange(10) * 3_600_000_000
    >>> x = np.array([[1.0, 2, 3, 4, 5, 60, 7, 8, 9, 10]])
    >>> line = sen_lines(x, at_us)
    >>> line.slope_per_h.tolist(), line.intercept.tolist(), TrendVerdict(line.verdict[0]).name
    ([1.0], [1.5], 'RISING')
    """
    value = np.where(np.isfinite(value), value, np.nan)
    at_h, count = hours(at_us), np.count_nonzero(np.isfinite(value), axis=1)
    enough = count >= max(parameters.means_min, 2)
    lines = np.full((3, len(value)), np.nan)
    lines[:, enough] = _median_and_interval(value[enough], at_h, parameters.confidence)
    slope, low, high = lines
    middle_h = np.where(np.isfinite(value), at_h, np.nan)
    return SenLines(
        slope_per_h=slope,
        low_per_h=low,
        high_per_h=high,
        intercept=medians(value) - slope * medians(middle_h),
        count=count,
        verdict=np.select(
            [~enough, low > 0, high < 0],
            [TrendVerdict.TOO_LITTLE_DATA, TrendVerdict.RISING, TrendVerdict.FALLING],
            TrendVerdict.NO_TREND,
        ).astype(np.int8),
    )


def sen_slopes(
    value: NDArray[np.float64],  # [channel, bin] NaN where a bin holds nothing
    at_h: NDArray[np.float64],  # [bin]
) -> NDArray[np.float64]:  # [channel] per hour, NaN below two means
    """Return the median slopes alone."""
    slope: NDArray[np.float64] = _median_and_interval(value, at_h, 0.5)[0]
    return slope


def medians(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each row's numbers; NaN where it has none.

    >>> medians(np.array([[3.0, np.nan, 1.0], [np.nan, np.nan, np.nan]])).tolist()
    [2.0, nan]
    """
    ascending = np.sort(value, axis=1)  # NaN is sorted to the end.
    count = np.count_nonzero(~np.isnan(value), axis=1)
    below = _ranked(ascending, np.maximum(count - 1, 0) // 2)
    above = _ranked(ascending, count // 2 * (count > 1))
    return np.asarray((below + above) / 2)


def kendall_variance(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the variance of Kendall's S of each row, less what its ties take.

    [n(n-1)(2n+5) - Σ t(t-1)(2t+5)] / 18 over groups of t equal values (Kendall 1975).

    >>> kendall_variance(np.array([[1.0, 3, 2, 4, 5]])).round(3).tolist()
    [16.667]
    """
    ascending = np.sort(value, axis=1)
    n = np.count_nonzero(~np.isnan(value), axis=1)
    begins = np.ones(ascending.shape, dtype=np.bool_)
    begins[:, 1:] = ascending[:, 1:] != ascending[:, :-1]  # Each NaN is a group of its own.
    first = np.flatnonzero(begins)
    ties = np.diff(first, append=begins.size)
    terms = np.bincount(
        first // max(value.shape[1], 1),
        weights=ties * (ties - 1.0) * (2.0 * ties + 5.0),
        minlength=len(value),
    )
    variance: NDArray[np.float64] = (n * (n - 1.0) * (2.0 * n + 5.0) - terms) / 18.0
    return variance


def pair_blocks(rows: int, bins: int) -> Iterator[slice]:
    """Cut rows so that their pairs fit into memory; refuse windows whose pairs do not."""
    if bins > MEANS_MAX:
        raise ValueError(f"{bins} bins make too many pairs, {MEANS_MAX} may be: use wider bins")
    return blocks(rows, bins * (bins - 1) // 2, PAIRS_AT_ONCE)


def _median_and_interval(
    value: NDArray[np.float64], at_h: NDArray[np.float64], confidence: float
) -> NDArray[np.float64]:  # [slope, low, high][channel]
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    found = np.full((3, len(value)), np.nan)
    for rows in pair_blocks(*value.shape):
        n = np.count_nonzero(~np.isnan(value[rows]), axis=1)
        pairs = n * (n - 1) // 2
        half = z * np.sqrt(kendall_variance(value[rows]))
        last = np.maximum(pairs - 1, 0)
        ranks = np.stack(
            [
                last // 2,
                pairs // 2,
                np.clip(np.round((pairs - half) / 2).astype(np.int64) - 1, 0, last),
                np.clip(np.round((pairs + half) / 2).astype(np.int64), 0, last),
            ]
        )
        ordered = _ordered_at(_pair_slopes(value[rows], at_h), ranks)
        below, above, found[1, rows], found[2, rows] = (_ranked(ordered, rank) for rank in ranks)
        found[0, rows] = (below + above) / 2
    return found


def _ordered_at(value: NDArray[np.float64], ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Put each row in order, at these ranks at least; complete rows share them, and save half."""
    wanted = np.unique(ranks)
    if not value.shape[1] or len(wanted) > RANKS_MAX:
        return np.sort(value, axis=1)
    return np.partition(value, wanted, axis=1)


def _pair_slopes(
    value: NDArray[np.float64], at_h: NDArray[np.float64]
) -> NDArray[np.float64]:  # [channel, pair], NaN where one of the two is missing
    bins = value.shape[1]
    slopes = np.empty((len(value), bins * (bins - 1) // 2))
    begin = 0
    for lag in range(1, bins):
        end = begin + bins - lag
        np.subtract(value[:, lag:], value[:, :-lag], out=slopes[:, begin:end])
        slopes[:, begin:end] /= at_h[lag:] - at_h[:-lag]
        begin = end
    return slopes


def _ranked(ascending: NDArray[np.float64], rank: NDArray[np.int64]) -> NDArray[np.float64]:
    if not ascending.shape[1]:
        return np.full(len(ascending), np.nan)
    return np.take_along_axis(ascending, rank[:, np.newaxis], axis=1)[:, 0]
