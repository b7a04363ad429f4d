"""EWMA: has the smoothed mean of a channel left what is usual?

Deviations are in standard deviations of a reading, with the sign of the limit. The smoothed mean
is compared with the spread that it has itself after so many readings (Roberts 1959, Technometrics
1:239; the exact limits of the NIST/SEMATECH handbook, 6.3.2.4), so that nothing needs to warm up.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alarms.row_ranges import taken


class Weights(NamedTuple):
    """The weight of the newest reading, and what follows from it."""

    newest: NDArray[np.float64]  # [rule] 0 < weight <= 1
    fade: NDArray[np.float64]  # [rule] (1 - weight)²
    variance: NDArray[np.float64]  # [rule] of the smoothed mean in the end: weight / (2 - weight)

    @classmethod
    def of(cls, weight: NDArray[np.float64]) -> "Weights":
        """Compute what follows from weights."""
        return cls(weight, (1.0 - weight) ** 2, weight / (2.0 - weight))

    def at(self, rows: NDArray[np.int64] | slice) -> "Weights":
        """Choose some of them."""
        return Weights(*(taken(column, rows) for column in self))


def ewma(
    deviation: NDArray[np.float64],  # [rule] none of them NaN
    *,
    smoothed: NDArray[np.float64],  # [rule] 0 at the beginning
    fading: NDArray[np.float64],  # [rule] (1 - weight)^(2 i), after i readings; 1 at the beginning
    weights: Weights,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each smoothed mean is off, in its own standard deviations, and the new state.

    >>> off, smoothed, fading = ewma(np.array([2.0]), smoothed=np.zeros(1), fading=np.ones(1),
    ...                              weights=Weights.of(np.array([0.25])))
    >>> float(off[0]), float(smoothed[0])
    (2.0, 0.5)
    """
    smoothed = smoothed + weights.newest * (deviation - smoothed)
    fading = fading * weights.fade
    spread = np.sqrt(weights.variance * (1.0 - fading))
    return smoothed / spread, smoothed, fading
