"""Onset of acceleration: since when has the short moving average stayed above the long one?

Dick et al. (2015, Can. Geotech. J. 52:515) and Carlà et al. (2017) begin every fit at the onset of
acceleration and begin anew at each change of trend; a fit over an older stretch answers for a
slope that no longer is.
"""

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.filters import LONG, SHORT, moving_average

Floats = NDArray[np.float64]
NONE = -1


def onset_of_acceleration(
    velocity: Floats,  # [channel, step] in the direction of movement, NaN where unknown
    short: int = SHORT,
    long: int = LONG,
) -> NDArray[np.int64]:  # [channel] NONE where a channel does not accelerate now
    """Return the step at which the short average last crossed above the long one, for good.

    Missing averages are neither a crossing nor a return. A velocity that grows from the first
    step on has its onset where both averages begin to exist.

    >>> onset_of_acceleration(np.array([[1, 1, 1, 1, 1, 1, 1, 1, 2, 3.0], [1.0] * 10]))
    array([ 8, -1])
    """
    above = moving_average(velocity, short) - moving_average(velocity, long)
    known = np.isfinite(above)
    steps = np.arange(velocity.shape[1])
    last_not = np.max(np.where(known & (above <= 0.0), steps, NONE), axis=1, initial=NONE)
    later = known & (above > 0.0) & (steps > last_not[:, np.newaxis])
    return np.where(later.any(axis=1), np.argmax(later, axis=1), NONE)
