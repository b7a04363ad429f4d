"""Slopes that fail, by Voight's law, as instruments see them up to an instant before."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.proving.slope_instruments import SLOPE_INSTRUMENTS, SlopeInstrument, as_read

Floats = NDArray[np.float64]

ALPHAS: Final = (1.5, 1.75, 2.0, 2.25, 2.5)
# From the onset of acceleration to the failure, in readings.
READINGS_TO_FAILURE: Final = (40, 400)
STEADY_SHARE: Final = (0.1, 1.0)  # How long the slope crept steadily before, as a part of it.
ONSET_TRAVEL_MM: Final = (15.0, 500.0)  # How far it would have gone by then at the old velocity.
BINS: Final = 840  # The longest of them, and no more than a forecast is shown.


@dataclass(frozen=True, eq=False, slots=True)
class FailingSlopes:
    """Slopes read by one kind of instrument, all of them asked about at their last bin."""

    instrument: SlopeInstrument
    at_h: Floats  # [bin] 0 at the instant of asking
    value: Floats  # [slope, bin] mm, NaN where nothing was read
    fails_h: Floats  # [slope] after the instant of asking
    alpha: Floats  # [slope]
    lasts_h: Floats  # [slope] from onset to failure


def failing_slopes(
    seed: int, count: int, progress: float, *, of_record: bool = False
) -> list[FailingSlopes]:
    """Draw slopes and stop each at a part of its way from the onset to the failure.

    ``of_record``: at a part of the way from the beginning of its record instead.
    """
    streams = np.random.default_rng(seed).spawn(len(SLOPE_INSTRUMENTS))
    shares = np.full(len(SLOPE_INSTRUMENTS), count // len(SLOPE_INSTRUMENTS))
    shares[: count % len(SLOPE_INSTRUMENTS)] += 1
    return [
        _of_one_kind(instrument, int(share), progress, of_record, stream)
        for instrument, share, stream in zip(SLOPE_INSTRUMENTS, shares, streams, strict=True)
    ]


def _of_one_kind(
    instrument: SlopeInstrument,
    count: int,
    progress: float,
    of_record: bool,
    chance: np.random.Generator,
) -> FailingSlopes:
    alpha = chance.choice(ALPHAS, count)
    lasts_h = _log_uniform(chance, READINGS_TO_FAILURE, count) * instrument.interval_h
    steady_h = lasts_h * chance.uniform(*STEADY_SHARE, count)
    velocity = _log_uniform(chance, ONSET_TRAVEL_MM, count) / lasts_h
    fails_h = (1.0 - progress) * (lasts_h + (steady_h if of_record else 0.0))
    at_h = np.arange(1.0 - BINS, 1.0) * instrument.interval_h
    since_onset_h = at_h + (lasts_h - fails_h)[:, np.newaxis]
    moved = displacement(
        since_onset_h, velocity=velocity[:, None], alpha=alpha[:, None], lasts_h=lasts_h[:, None]
    )
    moved = np.where(since_onset_h >= -steady_h[:, np.newaxis], moved, np.nan)
    sign = chance.choice((-1.0, 1.0), (count, 1))
    value = as_read(sign * moved, at_h, instrument, chance)
    return FailingSlopes(instrument, at_h, value, fails_h, alpha, lasts_h)


def displacement(
    since_onset_h: Floats, *, velocity: Floats, alpha: Floats, lasts_h: Floats
) -> Floats:
    """Displacement of a slope that creeps steadily, and from the onset on by dv/dt = A v^α.

    The velocity is ``velocity`` at the onset and infinite ``lasts_h`` later.
    """
    left = np.clip(1.0 - since_onset_h / lasts_h, 1e-9, 1.0)
    power = 1.0 / (alpha - 1.0)
    bends = np.abs(power - 1.0) > 1e-9
    exponent = np.where(bends, 1.0 - power, 1.0)
    moved = np.where(bends, (1.0 - left**exponent) / exponent, -np.log(left))
    return velocity * (np.minimum(since_onset_h, 0.0) + lasts_h * moved)


def _log_uniform(chance: np.random.Generator, bounds: tuple[float, float], count: int) -> Floats:
    return np.exp(chance.uniform(np.log(bounds[0]), np.log(bounds[1]), count))
