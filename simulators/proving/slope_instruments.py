"""What an instrument makes of a slope's movement: noise with a memory, resolution, gaps."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MISSING_SHARE: Final = 0.03  # Of all readings, one by one.
OUTAGES: Final = 2  # Besides, a record has so many outages,
OUTAGE_SHARE_MAX: Final = 0.06  # each at most this part of it, some of no length.
DAY_H: Final = 24.0


@dataclass(frozen=True, slots=True)
class SlopeInstrument:
    """How one kind of instrument reads a displacement; one reading makes a bin."""

    name: str
    interval_h: float
    noise_mm: float  # Standard deviation of one reading, all of it together.
    memory: float  # Correlation of the noise of neighbouring readings.
    thermal_mm: float  # Largest amplitude of a daily cycle.
    resolution_mm: float


# Noise and resolution as domain tables of the field give them: radar 0.1 to 1 mm, wire crackmeter
# 0.1 mm, total station 1 mm, satellite positions 2.5 mm with multipath's memory, survey by hand.
SLOPE_INSTRUMENTS: Final = (
    SlopeInstrument("radar", 1 / 6, 0.3, 0.3, 0.3, 0.01),
    SlopeInstrument("crackmeter", 1.0, 0.1, 0.0, 0.2, 0.1),
    SlopeInstrument("gnss", 1.0, 2.5, 0.5, 0.5, 0.1),
    SlopeInstrument("total station", 4.0, 1.0, 0.0, 0.5, 0.1),
    SlopeInstrument("survey", 24.0, 2.0, 0.0, 0.0, 1.0),
)


def as_read(
    moved_mm: Floats,  # [slope, bin] NaN where the record has not begun
    at_h: Floats,  # [bin]
    instrument: SlopeInstrument,
    chance: np.random.Generator,
) -> Floats:  # [slope, bin] NaN where nothing was read
    """Read a true displacement with an instrument, gaps included."""
    slopes, bins = moved_mm.shape
    noise = chance.standard_normal((slopes, bins)) * instrument.noise_mm
    fresh = np.sqrt(1.0 - instrument.memory**2)
    for k in range(1, bins):
        noise[:, k] = instrument.memory * noise[:, k - 1] + fresh * noise[:, k]
    amplitude = chance.uniform(0.0, instrument.thermal_mm, (slopes, 1))
    phase = chance.uniform(0.0, 2.0 * np.pi, (slopes, 1))
    thermal = amplitude * np.sin(2.0 * np.pi * at_h / DAY_H + phase)
    read = moved_mm + noise + thermal
    read = np.round(read / instrument.resolution_mm) * instrument.resolution_mm
    missing = chance.random((slopes, bins)) < MISSING_SHARE
    place = np.arange(bins)
    own = np.isfinite(moved_mm).sum(axis=1, keepdims=True)
    for _ in range(OUTAGES):
        begins = bins - own + np.floor(chance.random((slopes, 1)) * own)
        length = np.floor(chance.random((slopes, 1)) * own * OUTAGE_SHARE_MAX)
        missing |= (place >= begins) & (place < begins + length)
    return np.where(missing, np.nan, read)
