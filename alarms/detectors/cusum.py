"""CUSUM: do deviations in one direction add up, though none is large?

The one-sided sum of Page 1954 (Biometrika 41:100), in standard deviations of a reading. It finds
a shift of twice the slack soonest of all tests with as few false alarms.
"""

import numpy as np
from numpy.typing import NDArray


def cusum(
    deviation: NDArray[np.float64],  # [rule] with the sign of the limit; none of them NaN
    *,
    total: NDArray[np.float64],  # [rule] 0 at the beginning
    slack: NDArray[np.float64],  # [rule] what every reading may deviate for nothing
    most: NDArray[np.float64],  # [rule] the sum grows no further
) -> NDArray[np.float64]:
    """Add one reading to each rule's sum, which is what bounds are compared with.

    The sum is bounded above, because what lasted for a month would otherwise take a month to be
    forgotten; below the bound, which has to lie above all levels, nothing changes.

    >>> [float(cusum(np.array([x]), total=np.array([1.0]), slack=np.array([0.5]),
    ...              most=np.array([10.0]))[0]) for x in (2.0, -2.0, 50.0)]
    [2.5, 0.0, 10.0]
    """
    return np.clip(total + (deviation - slack), 0.0, most)
