"""Mann–Kendall: does a channel rise or fall at all, whatever the shape of its way?

S counts pairs of means that rise, less those that fall. Under no trend its spread is known, if
means are independent; ground moves slowly, so they are not, and plain Mann–Kendall then sees
trends that are none. Two answers to that: Hamed–Rao widens the spread by the autocorrelation of
ranks, pre-whitening takes the correlation out of the means first and leaves the trend in.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import erfc, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from alarms.trends.autocorrelation import autocorrelation, lag_one, ranks
from alarms.trends.blocks import blocks
from alarms.trends.theil_sen import (
    TrendVerdict,
    kendall_variance,
    medians,
    pair_blocks,
    sen_slopes,
)


class Correlation(StrEnum):
    """What is done about neighbouring means that resemble each other."""

    IGNORED = "ignored"
    HAMED_RAO = "hamed_rao"
    PRE_WHITENED = "pre_whitened"


@dataclass(frozen=True, slots=True)
class MannKendallParameters:
    """How rarely a trend may be seen where none is, and how correlation is met."""

    alpha: float = 0.01  # Two-sided; `domain.md` C.2.
    correlation: Correlation = Correlation.HAMED_RAO
    # Hamed and Rao take every lag that stands out, and let negative ones narrow the spread. Of a
    # hundred lags five stand out by chance, and false trends then double even in white noise; so
    # we stop at the first that does not, and only widen.
    all_lags: bool = False
    means_min: int = 10  # Kendall 1975: from 10 on the normal distribution of S will do.


@dataclass(frozen=True, slots=True, eq=False)
class MannKendall:
    """The test of each channel; NaN where there is too little data."""

    s: NDArray[np.float64]  # [channel] rising pairs less falling ones
    variance: NDArray[np.float64]  # [channel] of S under no trend, corrected as asked for
    z: NDArray[np.float64]  # [channel]
    p: NDArray[np.float64]  # [channel] two-sided
    tau: NDArray[np.float64]  # [channel] S as a share of all pairs, -1 … 1
    count: NDArray[np.int64]  # [channel] means
    verdict: NDArray[np.int8]  # [channel] a TrendVerdict


def mann_kendall(
    value: NDArray[np.float64],  # [channel, bin] NaN where a bin holds nothing
    parameters: MannKendallParameters = MannKendallParameters(),
) -> MannKendall:
    """Test each channel for a monotonic trend (Mann 1945; Kendall 1975).

    Z = (S ∓ 1) / sqrt(Var S), Var with ties. HAMED_RAO multiplies Var by n/n* from the
    significant autocorrelations of the ranks of the detrended means (Hamed & Rao 1998,
    J. Hydrol. 204), here never by less than 1.
    PRE_WHITENED tests the means less Sen's trend and lag-1 correlation, with the trend put back
    (Yue et al. 2002, Hydrol. Process. 16). Lags are of time: a gap is no neighbourhood.

    >>> found = mann_kendall(np.array([[1.0, 3, 2, 4, 5]]), MannKendallParameters(
    ...     correlation=Correlation.IGNORED, means_min=5))
    >>> found.s.tolist(), found.variance.round(3).tolist(), found.z.round(4).tolist()
    ([8.0], [16.667], [1.7146])
    """
    value = np.where(np.isfinite(value), value, np.nan)
    numbers = np.concatenate(
        [_tested(value[rows], parameters) for rows in blocks(len(value), value.shape[1])], axis=1
    )
    s, variance, z, p, tau = numbers
    beyond = NormalDist().inv_cdf(1 - parameters.alpha / 2)
    verdict = np.select(
        [np.isnan(z), z > beyond, z < -beyond],
        [TrendVerdict.TOO_LITTLE_DATA, TrendVerdict.RISING, TrendVerdict.FALLING],
        TrendVerdict.NO_TREND,
    ).astype(np.int8)
    count = np.count_nonzero(np.isfinite(value), axis=1)
    return MannKendall(s, variance, z, p, tau, count, verdict)


def _tested(
    value: NDArray[np.float64], parameters: MannKendallParameters
) -> NDArray[np.float64]:  # [s, variance, z, p, tau][channel]
    enough = np.count_nonzero(np.isfinite(value), axis=1) >= max(parameters.means_min, 3)
    tested = value[enough]
    if parameters.correlation is Correlation.PRE_WHITENED:
        tested = pre_whitened(tested)
    n = np.count_nonzero(np.isfinite(tested), axis=1)
    s, variance = kendall_s(tested), kendall_variance(tested)
    if parameters.correlation is Correlation.HAMED_RAO:
        variance = variance * variance_ratio(tested, all_lags=parameters.all_lags)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(s == 0, 0.0, (s - np.sign(s)) / np.sqrt(variance))
        numbers = np.stack([s, variance, z, _two_sided(z), 2 * s / (n * (n - 1.0))])
    # Whitening loses both sides of every gap: what is left may be too little after all.
    numbers[:, n < max(parameters.means_min - 1, 3)] = np.nan
    found = np.full((5, len(value)), np.nan)
    found[:, enough] = numbers
    return found


def kendall_s(value: NDArray[np.float64]) -> NDArray[np.float64]:  # [channel]
    """Count the pairs of each row that rise, less those that fall; NaN is in no pair."""
    s = np.zeros(len(value))
    for rows in pair_blocks(*value.shape):
        some = np.ascontiguousarray(value[rows].T)  # [bin, channel]: counts run down columns.
        for lag in range(1, len(some)):
            later, earlier = some[lag:], some[:-lag]
            s[rows] += np.count_nonzero(later > earlier, axis=0)
            s[rows] -= np.count_nonzero(later < earlier, axis=0)
    return s


def pre_whitened(value: NDArray[np.float64]) -> NDArray[np.float64]:  # [channel, bin - 1]
    """Take lag-1 correlation out of each row and leave its trend in; NaN beside every gap."""
    level, trend = _without_trend(value)
    whitened = level[:, 1:] - lag_one(level)[:, np.newaxis] * level[:, :-1] + trend[:, :-1]
    return _rounded(whitened, value)


def variance_ratio(
    value: NDArray[np.float64], *, all_lags: bool, alpha: float = 0.05
) -> NDArray[np.float64]:
    """Return Hamed and Rao's n/n* of each row: by how much correlation widens the spread of S.

    With all lags it may narrow it too, and where it is not even positive it is 1.
    """
    n = np.count_nonzero(np.isfinite(value), axis=1)[:, np.newaxis].astype(np.float64)
    lag = np.arange(1, value.shape[1])
    found = autocorrelation(ranks(_without_trend(value)[0]))[:, 1:]
    stands_out = np.abs(found) > NormalDist().inv_cdf(1 - alpha / 2) / np.sqrt(n)
    if not all_lags:
        stands_out = np.logical_and.accumulate(stands_out, axis=1)
    weight = np.where(lag < n, (n - lag) * (n - lag - 1) * (n - lag - 2), 0.0)
    total = np.sum(np.where(stands_out, weight * found, 0.0), axis=1)
    ratio = 1 + 2 * total / (n * (n - 1) * (n - 2))[:, 0]
    return np.where(ratio > 0, ratio, 1.0) if all_lags else np.maximum(ratio, 1.0)


def _without_trend(
    value: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split each row in what remains, about 0, and Sen's trend.

    What remains is rounded to what numbers of this size can tell, so that a straight line leaves
    nothing, and two means on Sen's line tie.
    """
    bin_number = np.arange(1.0, value.shape[1] + 1)
    trend = sen_slopes(value, bin_number)[:, np.newaxis] * bin_number
    level = value - trend
    level = level - medians(level)[:, np.newaxis]
    return _rounded(level, value), trend


def _rounded(number: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to what can be told of numbers as large as the values that they come from."""
    largest = np.max(np.abs(np.nan_to_num(value)), axis=1, initial=0.0, keepdims=True)
    grain = np.where(largest > 0, largest, 1.0) * 2.0**-48
    return np.asarray(np.round(number / grain) * grain)


def _two_sided(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal distribution's two tails beyond z, by the erfc of math: NumPy has none."""
    return np.asarray(np.frompyfunc(erfc, 1, 1)(np.abs(z) / sqrt(2)), dtype=np.float64)
