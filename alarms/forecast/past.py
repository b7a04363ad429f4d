"""Has this slope been as fast before? The largest velocity before acceleration began."""

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.blocks import blocks_of, sums_of

Floats = NDArray[np.float64]


def velocity_ratio(
    value: Floats,  # [channel, bin] the whole record
    *,
    bins: int,  # in a block
    short: int,  # blocks over which a velocity is measured
    begins: NDArray[np.int64],  # [channel] bins before the end at which acceleration began
) -> Floats:
    """The velocity now over the largest before the onset [channel]; infinite where none is known.

    Both are measured over ``short`` blocks, whatever their direction.
    """
    count = value.shape[1] // bins
    blocks = blocks_of(sums_of(value), bins=bins, count=count)
    mean = np.where(blocks.share > 0.0, blocks.mean, np.nan)
    if count <= short:
        return np.full(len(value), np.inf)
    moved = np.abs(mean[:, short:] - mean[:, :-short])
    last = np.take_along_axis(moved, _last_known(moved), axis=1)[:, 0]
    ends_before = bins * (count - 1 - np.arange(short, count))  # Bins from a velocity's end to now.
    earlier = np.isfinite(moved) & (ends_before[np.newaxis] >= begins[:, np.newaxis])
    most = np.max(np.where(earlier, moved, 0.0), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(most > 0.0, last / most, np.inf)


def _last_known(moved: Floats) -> NDArray[np.int64]:
    known = np.isfinite(moved)
    steps = np.arange(moved.shape[1])
    return np.asarray(np.max(np.where(known, steps, 0), axis=1, keepdims=True))
