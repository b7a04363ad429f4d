"""Slopes that creep and do not fail: steadily, ever slower, with the season, in bursts of rain."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.proving.slope_instruments import SLOPE_INSTRUMENTS, SlopeInstrument, as_read

Floats = NDArray[np.float64]

WATCHED_H: Final = 90 * 24.0
BEFORE_H: Final = 30 * 24.0  # What is known of a slope when the watch begins.
YEAR_H: Final = 365.25 * 24.0
FINE_H: Final = 1.0  # Rain and its bursts are followed on a grid of their own.


@dataclass(frozen=True, eq=False, slots=True)
class StableSlopes:
    """Slopes of every kind, read by one kind of instrument."""

    instrument: SlopeInstrument
    kind: list[str]  # [slope]
    at_h: Floats  # [bin] 0 where the watch begins
    value: Floats  # [slope, bin] mm


def stable_slopes(seed: int, count: int, watched_h: float = WATCHED_H) -> list[StableSlopes]:
    """Draw slopes: every kind of creep with every instrument, read hourly at most."""
    hourly = [replace(i, interval_h=max(i.interval_h, FINE_H)) for i in SLOPE_INSTRUMENTS]
    streams = np.random.default_rng(seed).spawn(len(hourly))
    shares = np.full(len(hourly), count // len(hourly))
    shares[: count % len(hourly)] += 1
    return [
        _read_by(instrument, int(share), watched_h, stream)
        for instrument, share, stream in zip(hourly, shares, streams, strict=True)
    ]


def _read_by(
    instrument: SlopeInstrument, count: int, watched_h: float, chance: np.random.Generator
) -> StableSlopes:
    fine_h = np.arange(-BEFORE_H, watched_h + FINE_H / 2, FINE_H)
    step = round(instrument.interval_h / FINE_H)
    names = [name for k, name in zip(range(count), cycle(CREEPS), strict=False)]
    moved = np.empty((count, len(fine_h)))
    for name, creep in CREEPS.items():
        of_kind = np.array([one == name for one in names], np.bool_)
        moved[of_kind] = np.cumsum(creep(chance, fine_h, int(of_kind.sum())), axis=1) * FINE_H
    sign = chance.choice((-1.0, 1.0), (count, 1))
    at_h = fine_h[::step]
    value = as_read(sign * moved[:, ::step], at_h, instrument, chance)
    return StableSlopes(instrument, names, at_h, value)


def _base(chance: np.random.Generator, count: int) -> Floats:
    """Velocities from 0.02 to 20 mm a day, in mm/h; one slope in ten does not move at all."""
    per_day = np.exp(chance.uniform(np.log(0.02), np.log(20.0), (count, 1)))
    return np.where(chance.random((count, 1)) < 0.1, 0.0, per_day) / 24.0


def _steady(chance: np.random.Generator, at_h: Floats, count: int) -> Floats:
    return _base(chance, count) * np.ones_like(at_h)


def _decelerating(chance: np.random.Generator, at_h: Floats, count: int) -> Floats:
    """Ever slower after a disturbance some time in the record, such as an excavation."""
    fast = _base(chance, count) * chance.uniform(2.0, 20.0, (count, 1))
    began_h = chance.uniform(at_h[0], at_h[-1] / 2.0, (count, 1))
    slows_h = np.exp(chance.uniform(np.log(24.0), np.log(720.0), (count, 1)))
    since_h = np.maximum(at_h - began_h, 0.0)
    return np.where(at_h >= began_h, fast / (1.0 + since_h / slows_h), fast / 20.0)


def _seasonal(chance: np.random.Generator, at_h: Floats, count: int) -> Floats:
    """With the year (snow melt, monsoon): between nearly still and twice the mean."""
    swing = chance.uniform(0.3, 0.95, (count, 1))
    phase = chance.uniform(0.0, 2.0 * np.pi, (count, 1))
    return _base(chance, count) * (1.0 + swing * np.sin(2.0 * np.pi * at_h / YEAR_H + phase))


def _rain_driven(chance: np.random.Generator, at_h: Floats, count: int) -> Floats:
    """Bursts after rain: the water table rises through two stores, and the slope with it.

    Storms come every 4 to 20 days and last 3 to 48 hours; the velocity rises for hours to days to
    a multiple of what it was, in proportion to the power 1 to 3 of the rise of the water table.
    """
    every_h = chance.uniform(4.0, 20.0, (count, 1)) * 24.0
    rain = np.zeros((count, len(at_h)))
    storms = chance.poisson((at_h[-1] - at_h[0]) / every_h[:, 0])
    for slope, number in enumerate(storms):
        begins = chance.integers(0, len(at_h), number)
        lasts = chance.integers(3, 49, number)
        depth = chance.gamma(1.2, 20.0, number)
        for b, n, d in zip(begins, lasts, depth, strict=True):
            rain[slope, b : b + n] += d / n
    water = rain
    for bounds in ((2.0, 36.0), (24.0, 240.0)):
        stays_h = np.exp(chance.uniform(np.log(bounds[0]), np.log(bounds[1]), (count, 1)))
        water = _store(water, stays_h)
    water = water / np.maximum(water.max(axis=1, keepdims=True), 1e-12)
    most = np.exp(chance.uniform(np.log(2.0), np.log(20.0), (count, 1)))
    power = chance.uniform(1.0, 3.0, (count, 1))
    return np.asarray(_base(chance, count) * (1.0 + (most - 1.0) * water**power))


def _store(inflow: Floats, stays_h: Floats) -> Floats:
    """What a linear reservoir gives on, hour by hour."""
    share = 1.0 - np.exp(-FINE_H / stays_h[:, 0])
    outflow = np.zeros_like(inflow)
    held = np.zeros(len(inflow))
    for k in range(inflow.shape[1]):
        held = held + inflow[:, k]
        outflow[:, k] = held * share
        held = held - outflow[:, k]
    return outflow


CREEPS: Final[dict[str, Callable[[np.random.Generator, Floats, int], Floats]]] = {
    "steady": _steady,
    "decelerating": _decelerating,
    "seasonal": _seasonal,
    "rain-driven": _rain_driven,
}
