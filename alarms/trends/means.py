"""Means over a regular grid of time: what the slow methods get to see of the bins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.trends.binned import PART_BITS, PART_MASK, Bins

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True, eq=False)
class BinnedMeans:
    """Means of successive bins of equal width; a bin without a good reading holds NaN."""

    width_us: int
    at_us: NDArray[np.int64]  # [bin] the middle of each bin, without gaps and ascending
    value: NDArray[np.float64]  # [channel, bin] the mean of its good readings
    count: NDArray[np.int64]  # [channel, bin] how many those are
    low: NDArray[np.float64]  # [channel, bin] the smallest of them
    high: NDArray[np.float64]  # [channel, bin] the largest of them


def hours(at_us: NDArray[np.int64]) -> NDArray[np.float64]:  # [bin]
    """Turn instants into hours since the first of them.

    >>> hours(np.array([1_751_328_000_000_000, 1_751_329_800_000_000])).tolist()
    [0.0, 0.5]
    """
    return (at_us - at_us[:1]) / HOUR_US


def means(bins: Bins, until_us: int, *, count_min: int = 1) -> BinnedMeans:
    """Return the means of the bins that have ended by an instant, oldest first.

    There are as many as are held, the last of them just before `until_us`: after a silence the
    window goes on with time. (Fewer, if newer bins have pushed some of them out.)

    The mean of a bin that is still filling belongs to no fixed instant: of a channel that moves
    it would tell another rate than there is. So `until_us` is event time that all scans have
    passed, such as that of a tick; bins after the newest reading are there, and hold NaN. A bin
    with fewer good readings than `count_min` holds NaN too.
    """
    last = until_us // bins.width_us - 1
    first = max(bins.newest, last) - bins.length + 1
    numbers = np.arange(first, last + 1)
    held = numbers <= bins.newest
    columns = numbers % bins.length
    count = np.where(held, bins.count[:, columns], 0)
    enough = count >= max(count_min, 1)
    total = bins.whole[:, columns] + np.ldexp(bins.parts[:, columns], -PART_BITS)
    value = np.full(count.shape, np.nan)
    np.divide(total, count, out=value, where=enough)
    return BinnedMeans(
        width_us=bins.width_us,
        at_us=numbers * bins.width_us + bins.width_us // 2,
        value=value,
        count=count,
        low=np.where(enough, bins.low[:, columns], np.nan),
        high=np.where(enough, bins.high[:, columns], np.nan),
    )


def coarser(bins: Bins, factor: int) -> Bins:
    """Join each `factor` bins to one, exactly; what the ring holds of the oldest in part is left.

    So one set of bins serves several methods: ten minutes for a rate over an hour, days for a
    season. The answer is the same as if readings had been added to the wide bins at once.
    """
    newest = bins.newest // factor
    oldest = -(-bins.oldest // factor)
    wide = Bins.empty(
        channels=len(bins.count),
        width_us=bins.width_us * factor,
        length=max(newest - oldest + 1, 1),
    )
    if bins.newest < 0 or newest < oldest:
        return wide
    wide.newest = newest
    numbers = np.arange(oldest * factor, bins.newest + 1)
    columns, begins = numbers % bins.length, np.arange(0, len(numbers), factor)
    where = np.arange(oldest, newest + 1) % wide.length
    parts = np.add.reduceat(bins.parts[:, columns], begins, axis=1)
    whole = np.add.reduceat(bins.whole[:, columns], begins, axis=1)
    wide.count[:, where] = np.add.reduceat(bins.count[:, columns], begins, axis=1)
    wide.whole[:, where] = whole + (parts >> PART_BITS)
    wide.parts[:, where] = parts & PART_MASK
    wide.low[:, where] = np.minimum.reduceat(bins.low[:, columns], begins, axis=1)
    wide.high[:, where] = np.maximum.reduceat(bins.high[:, columns], begins, axis=1)
    return wide
