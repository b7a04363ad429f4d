"""When may people go back in after a blast or a large event: the decay of its aftershocks.

Omori's law as Utsu wrote it (1961, Geophys. Mag. 30:521): n(t) = K / (t + c)^p events an hour.
Mines use it for re-entry (Vallejos & McKinnon 2010, Int. J. Rock Mech. 47:38): the time after which
the expected rate is below a rate that is usual.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EVENTS_MIN: Final = 20
P_GRID: Final = np.linspace(0.4, 2.5, 85)
C_GRID_H: Final = np.geomspace(1e-3, 10.0, 81)


@dataclass(frozen=True, slots=True)
class Omori:
    """A fitted decay."""

    productivity: float  # K
    c_h: float
    p: float
    events: int

    def rate_per_h(self, hours: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected events an hour so long after the main event."""
        return self.productivity / (hours + self.c_h) ** self.p

    def reentry_h(self, usual_per_h: float) -> float:
        """Return how long after the main event the expected rate is the usual one again."""
        assert usual_per_h > 0.0
        return float(max(0.0, (self.productivity / usual_per_h) ** (1.0 / self.p) - self.c_h))


def fit_omori(
    hours: NDArray[np.float64],  # [aftershock] since the main event, above 0
    until_h: float,  # To where the catalogue goes.
    events_min: int = EVENTS_MIN,
) -> Omori | None:
    """Fit by maximum likelihood (Ogata 1983, J. Phys. Earth 31:115); None with too few events.

    The likelihood is looked up on a grid of p and c, K follows from both, and the best place is
    refined by two finer grids around it.
    """
    events = hours[(hours > 0.0) & (hours <= until_h)]
    if len(events) < events_min:
        return None
    p, c = P_GRID, C_GRID_H
    best_p, best_c = 1.0, 0.1
    for _ in range(3):
        value = _likelihood(events, until_h, p, c)
        row, column = divmod(int(np.argmax(value)), value.shape[1])
        best_p, best_c = float(p[row]), float(c[column])
        p = np.linspace(p[max(row - 1, 0)], p[min(row + 1, len(p) - 1)], 21)
        c = np.geomspace(c[max(column - 1, 0)], c[min(column + 1, len(c) - 1)], 21)
    expected = _integral(until_h, np.array([best_p]), np.array([best_c]))[0, 0]
    return Omori(float(len(events) / expected), best_c, best_p, len(events))


def _likelihood(
    events: NDArray[np.float64], until_h: float, p: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:  # [p, c]
    """The log-likelihood with the best K for each p and c, up to a constant."""
    decay = np.sum(np.log(events[:, np.newaxis] + c), axis=0)
    count = len(events)
    productivity = count / _integral(until_h, p, c)
    value: NDArray[np.float64] = count * np.log(productivity) - p[:, np.newaxis] * decay
    return value


def _integral(
    until_h: float, p: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:  # [p, c]
    """The integral of (t + c)^-p from 0 to the end; p = 1 is a logarithm."""
    power = 1.0 - p[:, np.newaxis]
    flat = np.abs(power) < 1e-9
    power = np.where(flat, 1.0, power)
    curved = ((until_h + c) ** power - c**power) / power
    return np.where(flat, np.log((until_h + c) / c), curved)
