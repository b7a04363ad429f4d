"""Drift: does an instrument slowly part from one beside it that should say the same?

Two instruments at one place share what the ground does; their difference is what they do
themselves. If that difference has a trend, one of them drifts. Which of the two, only a third
can tell.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from alarms.trends.mann_kendall import MannKendallParameters, mann_kendall
from alarms.trends.means import hours
from alarms.trends.theil_sen import SenParameters, TrendVerdict, sen_lines


class DriftVerdict(IntEnum):
    """What the difference of a pair does."""

    TOO_LITTLE_DATA = 0
    AGREES = 1  # No trend that is both beyond chance and beyond what is tolerated.
    DRIFTS_UP = 2  # The first rises against the second.
    DRIFTS_DOWN = 3


@dataclass(frozen=True, slots=True)
class DriftParameters:
    """How sure a drift has to be, and how many common means it takes."""

    alpha: float = 0.01
    means_min: int = 30  # `domain.md` C.2, the smallest window of Theil–Sen.


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """The trend of each pair's difference; NaN where there is too little data."""

    rate_per_h: NDArray[np.float64]  # [pair] Sen's slope of first minus second
    low_per_h: NDArray[np.float64]  # [pair] its interval, if noise were white
    high_per_h: NDArray[np.float64]  # [pair]
    parted: NDArray[np.float64]  # [pair] by how much, from the first to the last common mean
    p: NDArray[np.float64]  # [pair] of Mann–Kendall with Hamed and Rao's correction
    count: NDArray[np.int64]  # [pair] bins in which both have a mean
    verdict: NDArray[np.int8]  # [pair] a DriftVerdict


def drift(
    value: NDArray[np.float64],  # [channel, bin] NaN where a bin holds nothing
    at_us: NDArray[np.int64],  # [bin]
    pairs: NDArray[np.int64],  # [pair, 2] channels that should say the same
    tolerance: NDArray[np.float64],  # [pair] by how much a pair may part within the window
    parameters: DriftParameters = DriftParameters(),
) -> Drift:
    """Look for a trend in the difference of each pair.

    A drift needs both: Mann–Kendall with Hamed–Rao sees a trend, and the pair has parted by more
    than it may, because with enough data anything is significant.

    >>> at_us = np.arange(40) * 3_600_000_000
    >>> tide = np.sin(np.arange(40.0))
    >>> value = np.stack([tide + 0.01 * np.arange(40), tide])
    >>> found = drift(value, at_us, np.array([[0, 1]]), np.array([0.2]))
    >>> found.rate_per_h.round(6).tolist(), DriftVerdict(found.verdict[0]).name
    ([0.01], 'DRIFTS_UP')
    """
    difference = value[pairs[:, 0]] - value[pairs[:, 1]]
    difference = np.where(np.isfinite(difference), difference, np.nan)
    line = sen_lines(
        difference,
        at_us,
        SenParameters(confidence=1 - parameters.alpha, means_min=parameters.means_min),
    )
    test = mann_kendall(
        difference, MannKendallParameters(alpha=parameters.alpha, means_min=parameters.means_min)
    )
    at_h = np.where(np.isfinite(difference), hours(at_us), np.nan)
    begins_h = np.min(at_h, axis=1, initial=np.inf, where=~np.isnan(at_h))
    ends_h = np.max(at_h, axis=1, initial=-np.inf, where=~np.isnan(at_h))
    parted = line.slope_per_h * np.where(ends_h >= begins_h, ends_h - begins_h, np.nan)
    unknown = test.verdict == TrendVerdict.TOO_LITTLE_DATA
    parts = np.abs(parted) > tolerance
    rises, falls = test.verdict == TrendVerdict.RISING, test.verdict == TrendVerdict.FALLING
    return Drift(
        rate_per_h=line.slope_per_h,
        low_per_h=line.low_per_h,
        high_per_h=line.high_per_h,
        parted=parted,
        p=test.p,
        count=line.count,
        verdict=np.select(
            [unknown, rises & parts, falls & parts],
            [DriftVerdict.TOO_LITTLE_DATA, DriftVerdict.DRIFTS_UP, DriftVerdict.DRIFTS_DOWN],
            DriftVerdict.AGREES,
        ).astype(np.int8),
    )


def suspects(
    pairs: NDArray[np.int64],  # [pair, 2]
    verdict: NDArray[np.int8],  # [pair] a DriftVerdict
    channels: int,
) -> NDArray[np.bool_]:  # [channel]
    """Tell which channels drift the same way against two others or more, and agree with none.

    Of a pair alone nobody can say which one it is; of three that should say the same, one can.

    >>> pairs = np.array([[0, 1], [0, 2], [1, 2]])
    >>> up, agrees = DriftVerdict.DRIFTS_UP, DriftVerdict.AGREES
    >>> suspects(pairs, np.array([up, up, agrees], dtype=np.int8), 3).tolist()
    [True, False, False]
    """
    way = np.select(
        [verdict == DriftVerdict.DRIFTS_UP, verdict == DriftVerdict.DRIFTS_DOWN], [1, -1]
    )
    known = verdict != DriftVerdict.TOO_LITTLE_DATA
    partners, ways = np.zeros(channels, dtype=np.int64), np.zeros(channels, dtype=np.int64)
    for side, sign in ((0, 1), (1, -1)):
        np.add.at(partners, pairs[known, side], 1)
        np.add.at(ways, pairs[known, side], sign * way[known])
    return np.asarray((partners >= 2) & (np.abs(ways) == partners))
