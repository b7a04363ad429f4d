"""How large was an event: moment magnitude, and from which magnitude on a catalogue is complete."""

import numpy as np
from numpy.typing import NDArray

CORRECTION = 0.2  # Maximum curvature finds too little (Woessner & Wiemer 2005, BSSA 95:684).


def moment_magnitude(moment_nm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mw = (2/3)·log10(M0) - 6.067 (Hanks & Kanamori 1979, J. Geophys. Res. 84:2348; M0 in N·m).

    >>> moment_magnitude(np.array([1e12])).round(3).tolist()
    [1.933]
    """
    return (2.0 / 3.0) * (np.log10(moment_nm) - 9.1)


def completeness(
    magnitude: NDArray[np.float64],  # [event]
    *,
    bin_width: float,  # The step that magnitudes are given in.
    correction: float = CORRECTION,
) -> float:
    """Find the magnitude from which on nothing is missed: the fullest bin, plus a correction.

    Maximum curvature (Wiemer & Wyss 2000, BSSA 90:859). Of bins that are equally full the largest
    magnitude counts. NaN without events.
    """
    if not len(magnitude):
        return float("nan")
    bins = np.rint(magnitude / bin_width).astype(np.int64)
    first = int(bins.min())
    counts = np.bincount(bins - first)
    fullest = len(counts) - 1 - int(np.argmax(counts[::-1]))
    return float(np.round((first + fullest) * bin_width + correction, 10))
