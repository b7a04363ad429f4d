"""Blocks: the newest stretch of a record as a few means, and how far each can be trusted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAD_TO_SIGMA = 1.4826  # Of the normal distribution.
SECOND_DIFFERENCE = 6.0**0.5  # Standard deviation of x₁ - 2x₂ + x₃ for unit noise.


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """Means of successive bins, the last block ending with the last bin."""

    bins: int  # Bins in a block.
    mean: Floats  # [channel, block] 0 where nothing was measured
    share: Floats  # [channel, block] of its bins that hold a value

    def of(self, channels: NDArray[np.int64]) -> "Blocks":
        """The same blocks, of some channels."""
        return Blocks(self.bins, self.mean[channels], self.share[channels])


@dataclass(frozen=True, eq=False, slots=True)
class Sums:
    """Running sums along a record, from which blocks of any size are cut at once."""

    first: Floats  # [channel] any value of the record, taken off before summing
    total: Floats  # [channel, bin + 1]
    count: NDArray[np.int64]  # [channel, bin + 1]


def sums_of(value: Floats) -> Sums:
    """Sum a record [channel, bin] from its beginning; NaN counts for nothing."""
    held = np.isfinite(value)
    first = value[np.arange(len(value)), held.argmax(axis=1)]
    first = np.nan_to_num(first)
    zero = np.zeros((len(value), 1))
    off = np.where(held, value - first[:, np.newaxis], 0.0)
    return Sums(
        first=first,
        total=np.concatenate([zero, np.cumsum(off, axis=1)], axis=1),
        count=np.concatenate([zero.astype(np.int64), np.cumsum(held, axis=1)], axis=1),
    )


def blocks_of(sums: Sums, *, bins: int, count: int) -> Blocks:
    """Cut the newest ``count`` blocks of ``bins`` bins; what the record does not reach is empty.

    >>> record = np.array([[1.0, 2.0, np.nan, 5.0, 7.0]])
    >>> blocks_of(sums_of(record), bins=2, count=3).mean
    array([[1., 2., 6.]])
    """
    edges = sums.total.shape[1] - 1 - bins * np.arange(count, -1, -1)
    number = np.diff(sums.count[:, np.maximum(edges, 0)], axis=1)
    total = np.diff(sums.total[:, np.maximum(edges, 0)], axis=1)
    mean = total / np.maximum(number, 1) + sums.first[:, np.newaxis]
    return Blocks(bins, np.where(number > 0, mean, 0.0), number / bins)


def bin_noise(value: Floats, resolution: Floats | float) -> Floats:
    """Noise of a bin [channel]: from second differences, which no steady movement enters.

    Never below what rounding to the resolution makes of a true value. NaN resolution: none known.
    """
    with np.errstate(invalid="ignore"):
        bend = np.abs(value[:, 2:] - 2.0 * value[:, 1:-1] + value[:, :-2])
    return np.asarray(np.fmax(_sigma_of(bend), np.nan_to_num(resolution) / 12.0**0.5))


def block_noise(blocks: Blocks, noise: Floats) -> Floats:
    """Noise of a full block [channel]: as seen from block to block, or from bins if that is more.

    Noise with a memory, and the cycle of a day, survive averaging; blocks show it, bins do not.
    The newest blocks are left out: there it is movement that bends the record.
    """
    mean, share = blocks.mean, blocks.share
    whole = (share[:, 2:] > 0.0) & (share[:, 1:-1] > 0.0) & (share[:, :-2] > 0.0)
    bend = np.where(whole, np.abs(mean[:, 2:] - 2.0 * mean[:, 1:-1] + mean[:, :-2]), np.nan)
    return np.asarray(np.fmax(_sigma_of(bend[:, :-4]), noise / blocks.bins**0.5))


def _sigma_of(bend: Floats) -> Floats:
    """Robust standard deviation behind second differences; 0 where there are none."""
    count = np.isfinite(bend).sum(axis=1)
    ordered = np.sort(bend, axis=1)  # NaN goes to the end.
    rows = np.arange(len(bend))
    if bend.shape[1] == 0:
        return np.zeros(len(bend))
    low = ordered[rows, np.maximum((count - 1) // 2, 0)]
    high = ordered[rows, np.minimum(count // 2, bend.shape[1] - 1)]
    median = np.where(count > 0, (low + high) / 2.0, 0.0)
    return MAD_TO_SIGMA * np.nan_to_num(median) / SECOND_DIFFERENCE
