"""Energy index and apparent volume: does rock soften, though it goes on to deform?

Mendecki 1997, Seismic Monitoring in Mines: events of a volume whose energy index falls while the
cumulative apparent volume rises come before large failures. The convention of the usual energy
(slope and intercept) and of the rigidity is part of the result, because figures of different
conventions can't be compared.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EVENTS_MIN: Final = 20


@dataclass(frozen=True, slots=True)
class UsualEnergy:
    """log10 E = slope · log10 M0 + intercept, by least squares over a background; J and N·m."""

    slope: float
    intercept: float
    events: int


def usual_energy(
    energy_j: NDArray[np.float64], moment_nm: NDArray[np.float64]
) -> UsualEnergy | None:
    """Fit the usual energy of a moment; None with too few events, or events of one size."""
    known = (energy_j > 0.0) & (moment_nm > 0.0)
    x, y = np.log10(moment_nm[known]), np.log10(energy_j[known])
    if len(x) < EVENTS_MIN or np.ptp(x) == 0.0:
        return None
    slope = float(np.sum((x - x.mean()) * (y - y.mean())) / np.sum((x - x.mean()) ** 2))
    return UsualEnergy(slope, float(y.mean() - slope * x.mean()), len(x))


def energy_index(
    energy_j: NDArray[np.float64], moment_nm: NDArray[np.float64], usual: UsualEnergy
) -> NDArray[np.float64]:
    """Return each event's energy over the usual energy of its moment; NaN where one is unknown."""
    known = (energy_j > 0.0) & (moment_nm > 0.0)
    expected = usual.slope * np.log10(np.where(known, moment_nm, 1.0)) + usual.intercept
    index = np.where(known, energy_j, 1.0) / 10.0**expected
    return np.where(known, index, np.nan)


def apparent_volume_m3(
    energy_j: NDArray[np.float64],
    moment_nm: NDArray[np.float64],
    *,
    rigidity_pa: float,
) -> NDArray[np.float64]:
    """V_A = M0² / (2 μ E), the rock that an event deforms inelastically; NaN where unknown."""
    known = (energy_j > 0.0) & (moment_nm > 0.0)
    volume = np.square(moment_nm) / (2.0 * rigidity_pa * np.where(known, energy_j, 1.0))
    return np.where(known, volume, np.nan)


def moving_median(value: NDArray[np.float64], events: int) -> NDArray[np.float64]:
    """Return the median of the last `events` known values; NaN until there are so many."""
    known = np.flatnonzero(~np.isnan(value))
    shown = np.full(len(value), np.nan)
    if len(known) >= events:
        windows = np.lib.stride_tricks.sliding_window_view(value[known], events)
        at_known = np.full(len(known), np.nan)
        at_known[events - 1 :] = np.median(windows, axis=1)
        # An event whose index is unknown shows the newest known one.
        newest = np.searchsorted(known, np.arange(len(value)), side="right") - 1
        shown = np.where(newest >= 0, at_known[np.maximum(newest, 0)], np.nan)
    return shown
