"""What is usual for a channel, learned from its first readings and kept from then on.

Mean and standard deviation by Welford's recurrence (1962, Technometrics 4:419), which is stable
however large the values are beside their spread.
"""

import numpy as np
from numpy.typing import NDArray


def learn(
    value: NDArray[np.float64],  # [rule] none of them NaN
    *,
    count: NDArray[np.float64],  # [rule] readings so far
    mean: NDArray[np.float64],  # [rule]
    square: NDArray[np.float64],  # [rule] the sum of squared deviations from the mean
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Take one reading of each rule in; return count, mean and square from now on."""
    count = count + 1.0
    step = value - mean
    mean = mean + step / count
    return count, mean, square + step * (value - mean)


def spread(
    count: NDArray[np.float64],  # [rule] two at least
    square: NDArray[np.float64],  # [rule]
    least: NDArray[np.float64],  # [rule] above 0: what the instrument can tell apart
) -> NDArray[np.float64]:
    """Return the standard deviations; no channel is quieter than its resolution.

    >>> spread(np.array([5.0, 5.0]), np.array([16.0, 0.0]), np.array([0.1, 0.1])).tolist()
    [2.0, 0.1]
    """
    return np.maximum(np.sqrt(square / (count - 1.0)), least)
