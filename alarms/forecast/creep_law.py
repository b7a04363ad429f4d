"""Creep that turns tertiary, as a grid of curves: steady up to an onset, then Voight's law.

A window of a record is scaled to [0, 1]. On it a curve is told by three numbers: the onset of
acceleration, the time left until the failure, and Voight's α. Everything else about the
displacement is linear (where it starts, and how fast it went before the onset), so that the best
fit of *every* curve of the grid is found in closed form, for all channels in one matrix product.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.settings import ForecastSettings
from alarms.forecast.voight import moved_since_onset

Floats = NDArray[np.float64]

ONSETS = np.linspace(0.0, 0.88, 9)
LEFT = np.exp(np.linspace(np.log(0.004), np.log(4.0), 61))  # Windows until the failure.
# Evenly in the logarithm of the power 1/(α-1) by which the velocity grows; α from 1.35 to 3.2,
# and 2 among them.
POWERS = np.exp(0.04 * np.arange(26.0, -21.0, -1.0))
ALPHAS = 1.0 + 1.0 / POWERS
POINTS_PER_BLOCK = 7  # A block's mean is taken over so many points of a curve.
SHAPE = (len(ONSETS), len(LEFT), len(ALPHAS))


@dataclass(frozen=True, eq=False, slots=True)
class CreepGrid:
    """Curves of the grid in the middle of blocks, and how believable each is beforehand."""

    curve: Floats  # [curve, block] from 0 to 1 over the window
    squared: Floats  # [curve, block]
    log_prior: Floats  # [curve]

    def coarse(self) -> "CreepGrid":
        """Every second onset, third time left and sixth α: some 800 curves."""
        every = np.zeros(SHAPE, np.bool_)
        every[::2, ::3, ::6] = True
        some = every.reshape(-1)
        return CreepGrid(self.curve[some], self.squared[some], self.log_prior[some])


@dataclass(frozen=True, eq=False, slots=True)
class CurveFit:
    """The fit of every curve to every channel."""

    misfit: Floats  # [channel, curve] weighted sum of squares
    factor: Floats  # [channel, curve] displacement that the curve stands for; its sign counts


@lru_cache(maxsize=8)
def coarse_grid(settings: ForecastSettings) -> CreepGrid:
    """The coarse part of `creep_grid`."""
    return creep_grid(settings).coarse()


@lru_cache(maxsize=8)
def creep_grid(settings: ForecastSettings) -> CreepGrid:
    """The curves for windows of so many blocks.

    Time left is believed evenly in its logarithm (no scale is special), onsets evenly, α normally
    about Voight's value.
    """
    blocks = settings.blocks
    points = (np.arange(POINTS_PER_BLOCK) + 0.5) / POINTS_PER_BLOCK
    place = (np.arange(blocks)[:, np.newaxis] + points) / blocks
    onset = ONSETS[:, np.newaxis, np.newaxis, np.newaxis, np.newaxis]
    lasts = 1.0 + LEFT[:, np.newaxis, np.newaxis, np.newaxis] - onset
    alpha = ALPHAS[:, np.newaxis, np.newaxis]
    left = np.minimum(1.0 - (place - onset) / lasts, 1.0)
    moved = np.minimum(place - onset, 0.0) + lasts * moved_since_onset(left, alpha)
    mean = moved.mean(axis=-1).reshape(-1, blocks)
    curve = (mean - mean[:, :1]) / (mean[:, -1:] - mean[:, :1])
    # The grid is even in log(1/(α-1)): a density over α takes the factor α - 1.
    spread = (ALPHAS - settings.alpha_mean) / settings.alpha_spread
    prior = np.broadcast_to(np.log(ALPHAS - 1.0) - 0.5 * spread**2, SHAPE)
    return CreepGrid(curve, curve**2, prior.reshape(-1))


def fit_curves(grid: CreepGrid, mean: Floats, weight: Floats) -> CurveFit:
    """Fit every curve to every channel [channel, block], weights being inverse variances."""
    total = weight.sum(axis=1, keepdims=True)
    centred = mean - (weight * mean).sum(axis=1, keepdims=True) / total
    weighted = weight * centred
    first, second = weight @ grid.curve.T, weight @ grid.squared.T
    shared = weighted @ grid.curve.T
    spread = np.maximum(second - first**2 / total, 1e-12 * total)
    factor = shared / spread
    misfit = (weighted * centred).sum(axis=1, keepdims=True) - factor * shared
    return CurveFit(np.maximum(misfit, 0.0), factor)
