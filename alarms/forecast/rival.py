"""The rival: motion that accelerates and does not fail.

Steady creep up to an onset, then either any jump of the velocity and any constant acceleration, or
a velocity that grows with the square of the time. So answer bursts of rain through the stores of
the ground, seasons and excavations; nothing of it ends in a failure. It has as many free numbers
as the creep law, and only where it fits clearly worse has a slope shown more than acceleration.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ONSETS = np.arange(0.0, 0.95, 0.1)
RIDGE = 1e-7  # Keeps motions solvable that have a number too many.


@lru_cache(maxsize=8)
def _shapes(blocks: int) -> tuple[Floats, Floats]:
    """The parts of each motion [motion, part, block], and their products by pairs."""
    place = (np.arange(blocks) + 0.5) / blocks
    since = np.maximum(place - ONSETS[:, np.newaxis], 0.0)
    flat = np.broadcast_to(np.ones(blocks), since.shape)
    steady = np.broadcast_to(place, since.shape)
    jumps = np.stack([flat, steady, since, since**2], axis=1)
    grows = np.stack([flat, steady, since**3, np.zeros_like(since)], axis=1)
    parts = np.concatenate([jumps, grows])
    return parts, parts[:, :, np.newaxis] * parts[:, np.newaxis]


def rival_misfit(mean: Floats, weight: Floats) -> Floats:
    """Smallest weighted sum of squares [channel] that motion without a failure leaves."""
    channels, blocks = mean.shape
    parts, products = _shapes(blocks)
    motions, count = parts.shape[:2]
    total = weight.sum(axis=1)
    centred = mean - ((weight * mean).sum(axis=1) / total)[:, np.newaxis]
    matrix = (weight @ products.reshape(-1, blocks).T).reshape(channels, motions, count, count)
    matrix = matrix + RIDGE * (total / blocks)[:, None, None, None] * np.eye(count)
    right = ((weight * centred) @ parts.reshape(-1, blocks).T).reshape(channels, motions, count)
    solved = np.linalg.solve(matrix, right[..., np.newaxis])[..., 0]
    explained = (solved * right).sum(axis=2).max(axis=1)
    return np.asarray(np.maximum((weight * centred**2).sum(axis=1) - explained, 0.0))
