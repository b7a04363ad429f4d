"""Are there more events, or is there more energy, than usual?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """What fell into bins of time."""

    count: NDArray[np.int64]  # [bin]
    energy_j: NDArray[np.float64]  # [bin]
    moment_nm: NDArray[np.float64]  # [bin]


def rates_of(
    at_us: NDArray[np.int64],  # [event]
    energy_j: NDArray[np.float64],  # [event] NaN where unknown
    moment_nm: NDArray[np.float64],  # [event] NaN where unknown
    edges_us: NDArray[np.int64],  # [bin + 1] ascending; a bin begins at its edge
) -> Rates:
    """Count events and add their energy and moment up, bin by bin (shifts, days)."""
    bins = len(edges_us) - 1
    place = np.searchsorted(edges_us, at_us, side="right") - 1
    inside = (place >= 0) & (at_us < edges_us[-1])
    place = place[inside]
    return Rates(
        count=np.bincount(place, minlength=bins),
        energy_j=_added(place, energy_j[inside], bins),
        moment_nm=_added(place, moment_nm[inside], bins),
    )


def _added(place: NDArray[np.int64], amount: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    return np.bincount(place, np.nan_to_num(amount), minlength=bins).astype(np.float64)


def z_of_rate(
    count: NDArray[np.int64],  # [...] events of now
    hours: float,
    usual_count: NDArray[np.int64],  # [...] events of the time that now is compared with
    usual_hours: float,
) -> NDArray[np.float64]:
    """Return by how many standard deviations the rate of now is above the usual one.

    z = (r1 - r2) / sqrt(r1 / T1 + r2 / T2), the variance of a count being the count itself
    (Matthews & Reasenberg 1988, Pure Appl. Geophys. 126:357). NaN where neither has any event.

    >>> z_of_rate(np.array([30]), 24.0, np.array([240]), 240.0).round(3).tolist()
    [1.054]
    """
    now, usual = count / hours, usual_count / usual_hours
    variance = now / hours + usual / usual_hours
    some = variance > 0.0
    return np.where(some, (now - usual) / np.sqrt(np.where(some, variance, 1.0)), np.nan)
