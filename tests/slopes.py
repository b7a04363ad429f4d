"""Slopes for tests: records of displacement of which it is known how they go on."""

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.voight import moved_since_onset

Floats = NDArray[np.float64]

HOUR_US = 3_600_000_000
BEGAN_US = 1_700_000_000_000_000
BINS = 300


def hours(bins: int = BINS) -> Floats:
    """Bins an hour apart; the last one at hour 0, when it is asked."""
    return np.arange(1.0 - bins, 1.0)


def instants(at_h: Floats) -> NDArray[np.int64]:
    return BEGAN_US + np.rint(at_h * HOUR_US).astype(np.int64)


def failing(
    at_h: Floats,
    *,
    fails_h: float,
    lasts_h: float = 150.0,
    alpha: float = 2.0,
    velocity: float = 0.5,
    noise: float = 0.1,
    seed: int = 1,
) -> Floats:
    """Creep at a velocity (mm/h), from the onset on by Voight's law until the failure."""
    since_h = at_h - (fails_h - lasts_h)
    left = np.clip(1.0 - since_h / lasts_h, 1e-9, 1.0)
    moved = np.minimum(since_h, 0.0) + lasts_h * moved_since_onset(left, alpha)
    return velocity * moved + noise * np.random.default_rng(seed).standard_normal(len(at_h))


def noisy(moved: Floats, noise: float = 0.1, seed: int = 2) -> Floats:
    return moved + noise * np.random.default_rng(seed).standard_normal(moved.shape)
