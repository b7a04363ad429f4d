"""EWMA: has the smoothed mean of a channel left what is usual?

Deviations are in standard deviations of a reading, with the sign of the limit. The smoothed mean
is compared with the spread that it has itself after so many readings (Roberts 1959, Technometrics
1:239; the exact limits of the NIST/SEMATECH handbook, 6.3.2.4), so that nothing needs to warm up.
"""

import numpy as np
from numpy.typing import NDArray


def ewma(
    deviation: NDArray[np.float64],  # [rule] none of them NaN
    *,
    smoothed: NDArray[np.float64],  # [rule] 0 at the beginning
    fading: NDArray[np.float64],  # [rule] (1 - weight)^(2 i), after i readings; 1 at the beginning
    weight: NDArray[np.float64],  # [rule] of the newest reading, 0 < weight <= 1
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each smoothed mean is off, in its own standard deviations, and the new state.

    >>> off, smoothed, fading = ewma(np.array([2.0]), smoothed=np.zeros(1), fading=np.ones(1),
    ...                              weight=np.array([0.25]))
    >>> float(off[0]), float(smoothed[0])
    (2.0, 0.5)
    """
    smoothed = smoothed + weight * (deviation - smoothed)
    fading = fading * (1.0 - weight) ** 2
    spread = np.sqrt(weight / (2.0 - weight) * (1.0 - fading))
    return smoothed / spread, smoothed, fading
