"""Page-Hinkley: has the mean shifted from what it was so far, whatever that was?

The test of Hinkley 1971 (Biometrika 58:509): m_t adds up x_i - mean_i - slack, where mean_i is
the mean of the first i readings, and m_t - min m is compared with a bound. That difference
is a sum that never falls below 0, so the minimum itself need not be kept.
"""

import numpy as np
from numpy.typing import NDArray


def page_hinkley(
    reading: NDArray[np.float64],  # [rule] in standard deviations, with the sign of the limit
    *,
    count: NDArray[np.float64],  # [rule] readings so far
    mean: NDArray[np.float64],  # [rule] theirs
    total: NDArray[np.float64],  # [rule] 0 at the beginning
    slack: NDArray[np.float64],  # [rule]
    most: NDArray[np.float64],  # [rule] the sum grows no further: see `alarms.detectors.cusum`
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Take one reading of each rule in; return the sums, the counts and the means from now on.

    >>> total, count, mean = page_hinkley(np.array([3.0]), count=np.array([1.0]),
    ...     mean=np.array([1.0]), total=np.zeros(1), slack=np.array([0.5]), most=np.array([50.0]))
    >>> float(total[0]), float(count[0]), float(mean[0])
    (0.5, 2.0, 2.0)
    """
    count = count + 1.0
    mean = mean + (reading - mean) / count
    return np.clip(total + (reading - mean - slack), 0.0, most), count, mean
