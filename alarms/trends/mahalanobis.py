"""Mahalanobis: are several residuals together unusual, though none is alone?

Residuals of one dam go together: after rain all rise a little. Three that rise a little while a
fourth falls a little may be new, and no limit of a single channel sees it. The distance measures
residuals in the directions, and by the spreads, that they had when all was well.
"""

from dataclasses import dataclass
from enum import IntEnum
from math import erfc, gamma
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.trends.least_squares import Floats

BINS_PER_CHANNEL_MIN: Final = 10  # Below that a covariance is mostly chance.


class DistanceVerdict(IntEnum):
    """Whether residuals are unusual together."""

    TOO_LITTLE_DATA = 0  # Fewer than two residuals, or no reference to compare them with.
    WITHIN = 1
    BEYOND = 2


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """How residuals of a group of channels behaved while all was well."""

    mean: Floats  # [channel]
    covariance: Floats  # [channel, channel] NaN where there was too little to learn it from
    count: int  # bins in which all channels had a residual


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """How far each bin is from the reference; NaN where the verdict is TOO_LITTLE_DATA."""

    squared: Floats  # [bin] the squared distance; in the reference about the number of channels
    p: Floats  # [bin] how often one this far would be, if nothing had changed
    share: Floats  # [channel, bin] what each channel adds; may be negative; sums up to `squared`
    count: NDArray[np.int64]  # [bin] channels that have a residual
    verdict: NDArray[np.int8]  # [bin] a DistanceVerdict


def reference(residual: Floats) -> Reference:  # of [channel, bin], NaN where missing
    """Learn mean and covariance from the bins in which all channels have a residual."""
    channels = len(residual)
    whole = residual[:, np.isfinite(residual).all(axis=0)]
    count = whole.shape[1]
    if not channels or count < BINS_PER_CHANNEL_MIN * channels:
        unknown = np.full((channels, channels), np.nan)
        return Reference(np.full(channels, np.nan), unknown, count)
    covariance = np.atleast_2d(np.cov(whole))
    spread = np.sqrt(np.diag(covariance))
    scale = np.where(spread > 0, spread, 1.0)
    # Two that always say the same can't be weighed against each other.
    if np.linalg.eigvalsh(covariance / np.outer(scale, scale))[0] < 1e-9:
        covariance = np.full_like(covariance, np.nan)
    return Reference(np.mean(whole, axis=1), covariance, count)


def distances(
    residual: Floats,  # [channel, bin] NaN where missing
    learnt: Reference,
    alpha: float = 0.01,
) -> Distances:
    """Measure each bin: (r - m)ᵀ S⁻¹ (r - m), chi-squared with one degree per channel present.

    Mahalanobis 1936. A missing residual leaves its row and column out, so that those that are
    there are judged as if it had never been. With n reference bins the distance is some
    channels/n too large; ten bins per channel are the least.

    >>> quiet = np.random.default_rng(1).normal(0, 1, (2, 500))
    >>> quiet[1] += 3 * quiet[0]
    >>> found = distances(np.array([[1.5, 1.5], [4.5, -4.5]]), reference(quiet))
    >>> [DistanceVerdict(one).name for one in found.verdict]
    ['WITHIN', 'BEYOND']
    """
    has = np.isfinite(residual)
    count = np.count_nonzero(has, axis=0)
    judged = (count >= 2) & bool(np.isfinite(learnt.covariance).all())
    away = np.where(has, residual - learnt.mean[:, np.newaxis], 0.0).T[judged]
    present = has.T[judged]
    both = present[:, :, np.newaxis] & present[:, np.newaxis, :]
    # Of what is missing only a 1 on the diagonal remains, against a distance of 0.
    covariance = np.where(both, learnt.covariance, 0.0)
    covariance += ~present[:, :, np.newaxis] * np.eye(len(residual))
    weighed = np.linalg.solve(covariance, away[:, :, np.newaxis])[:, :, 0]
    share = np.full(residual.shape, np.nan)
    share[:, judged] = (away * weighed).T
    squared = np.where(judged, np.sum(share, axis=0), np.nan)
    p = np.full(len(squared), np.nan)
    for degrees in np.unique(count[judged]):
        some = judged & (count == degrees)
        p[some] = chi_squared_tail(squared[some], int(degrees))
    verdict = np.select(
        [~judged, p < alpha],
        [DistanceVerdict.TOO_LITTLE_DATA, DistanceVerdict.BEYOND],
        DistanceVerdict.WITHIN,
    )
    return Distances(squared, p, share, count, verdict.astype(np.int8))


def chi_squared_tail(squared: Floats, degrees: int) -> Floats:
    """Return how often chi-squared with whole degrees of freedom is larger: a finite sum.

    >>> chi_squared_tail(np.array([5.991464547107979]), 2).round(9).tolist()
    [0.05]
    """
    half = np.maximum(squared, 0.0) / 2
    odd = degrees % 2
    tail = np.asarray(np.frompyfunc(erfc, 1, 1)(np.sqrt(half)), np.float64) if odd else 0.0
    powers = np.arange(degrees // 2) + (0.5 if odd else 0.0)
    terms = [half**power / gamma(power + 1) for power in powers.tolist()]
    return np.asarray(tail + np.exp(-half) * np.sum(terms, axis=0), dtype=np.float64)
