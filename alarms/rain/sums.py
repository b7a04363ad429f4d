"""How much rain has fallen in the last hours and days?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Rain over windows that end with each bin."""

    total_mm: NDArray[np.float64]  # [gauge, bin] of what is known: at least so much has fallen
    known: NDArray[np.float64]  # [gauge, bin] the share of the window that is known, 0 to 1


def rolling_sums(rain_mm: NDArray[np.float64], bins: int) -> Sums:
    """Add up the last `bins` bins at every bin; what lies before the first bin is not known.

    >>> sums = rolling_sums(np.array([[1.0, 2.0, np.nan, 4.0]]), 2)
    >>> sums.total_mm.tolist(), sums.known.tolist()
    ([[1.0, 3.0, 2.0, 4.0]], [[0.5, 1.0, 0.5, 0.5]])
    """
    assert bins > 0
    there = ~np.isnan(rain_mm)
    return Sums(
        total_mm=np.maximum(_windows(np.where(there, rain_mm, 0.0), bins), 0.0),
        known=_windows(there.astype(np.float64), bins) / bins,
    )


def _windows(amount: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    added = np.cumsum(amount, axis=1)
    before = np.zeros_like(added)
    before[:, bins:] = added[:, :-bins]
    return added - before
