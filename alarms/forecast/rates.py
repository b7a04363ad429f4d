"""Rates since the onset: the few velocities that a person is shown, and that lines go through.

Velocities are differences of means over equal stretches from the onset of acceleration until now,
counted in the direction in which the slope goes: an instrument that looks along a line of sight
sees the same failure with either sign, and a fit through signed velocities would cross zero.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.blocks import Blocks

Floats = NDArray[np.float64]
RATES = 9
STRETCHES = RATES + 1


@dataclass(frozen=True, eq=False, slots=True)
class Rates:
    """Velocities at instants, for each channel; in windows and per window."""

    at: Floats  # [channel, rate] place in the window; NaN where a stretch is empty
    velocity: Floats  # [channel, rate] in the direction of movement
    noise: Floats  # [channel, rate] standard deviation


def rates_since(
    blocks: Blocks,
    onset: Floats,  # [channel] place in the window, from 0 to 1
    direction: Floats,  # [channel] 1 or -1
    noise: Floats,  # [channel] of a full block
) -> Rates:
    """Mean velocity between successive stretches since the onset."""
    count = blocks.mean.shape[1]
    part = np.linspace(0.0, 1.0, STRETCHES + 1)
    edge = np.rint(count * (onset[:, np.newaxis] + (1.0 - onset[:, np.newaxis]) * part))
    edges = edge.astype(np.int64)
    place = (np.arange(count) + 0.5) / count

    share = _between(blocks.share, edges)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = _between(blocks.share * blocks.mean, edges) / share
        at = _between(blocks.share * place, edges) / share
        span = np.diff(at, axis=1)
        velocity = direction[:, np.newaxis] * np.diff(mean, axis=1) / span
        spread = noise[:, np.newaxis] * np.sqrt(1.0 / share[:, 1:] + 1.0 / share[:, :-1]) / span
    return Rates((at[:, 1:] + at[:, :-1]) / 2.0, velocity, spread)


def _between(value: Floats, edges: NDArray[np.int64]) -> Floats:
    """Sums over the blocks from one edge to the next."""
    total = np.concatenate([np.zeros((len(value), 1)), np.cumsum(value, axis=1)], axis=1)
    return np.diff(np.take_along_axis(total, edges, axis=1), axis=1)
