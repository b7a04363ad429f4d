"""Inverse velocity: where does the line through 1/v reach zero?

Fukuzono (1985): in tertiary creep with α = 2 the inverse of the velocity falls on a straight line
1/v = a t + b with a < 0, and the slope fails at t = -b/a. The interval is the delta method's, with
the gradient (b/a², -1/a) and Student's t left to the caller (Rose and Hungr 2007, Int. J. Rock
Mech. 44:308). For ductile slopes that never reach zero, `time_of_inverse` asks when 1/v falls to
1/v_crit instead.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class InverseVelocityLine:
    """The line of each channel; NaN where fewer than three inverse velocities are usable."""

    slope: Floats  # [channel] of 1/v, per hour
    intercept: Floats  # [channel] of 1/v at hour 0
    fails_h: Floats  # [channel] NaN unless the line falls
    error_h: Floats  # [channel] standard error of it by the delta method
    r_squared: Floats  # [channel]
    count: NDArray[np.int64]  # [channel] usable inverse velocities

    def time_of_inverse(self, inverse: float) -> Floats:
        """Hour at which 1/v falls to ``inverse`` (the minimum that is believed), not to zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.slope < 0.0, (inverse - self.intercept) / self.slope, np.nan)


def inverse_velocity_line(
    at_h: Floats,  # [channel, step]
    velocity: Floats,  # [channel, step] in the direction of movement, NaN where unusable
    floor: Floats | float = 0.0,  # [channel] a velocity not above its noise floor is unusable
) -> InverseVelocityLine:
    """Fit 1/v = a t + b by least squares to what stands above the floor, for each channel.

    >>> t = np.arange(50.0, 91.0, 10.0)[np.newaxis]
    >>> line = inverse_velocity_line(t, 1.0 / (0.02 * (100.0 - t)))
    >>> round(float(line.fails_h[0]), 9), round(float(line.slope[0]), 9)
    (100.0, -0.02)
    """
    usable = np.isfinite(velocity) & (velocity > np.reshape(floor, (-1, 1)))
    count = usable.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(usable, 1.0 / velocity, 0.0)
        mean_t = np.where(usable, at_h, 0.0).sum(axis=1) / count
        mean_i = inverse.sum(axis=1) / count
        t = np.where(usable, at_h - mean_t[:, np.newaxis], 0.0)
        i = np.where(usable, inverse - mean_i[:, np.newaxis], 0.0)
        tt, ti, ii = (t * t).sum(axis=1), (t * i).sum(axis=1), (i * i).sum(axis=1)
        slope = np.where(count >= 3, ti / tt, np.nan)
        intercept = mean_i - slope * mean_t
        left = np.maximum(ii - slope * ti, 0.0)
        r_squared = np.where(ii > 0.0, 1.0 - left / ii, 0.0)
        falls = slope < 0.0
        fails = np.where(falls, -intercept / slope, np.nan)
        # Delta method about the centre, where slope and mean are independent.
        variance = left / (count - 2) / slope**2 * (1.0 / count + (fails - mean_t) ** 2 / tt)
    r_squared = np.where(np.isfinite(slope), r_squared, np.nan)
    return InverseVelocityLine(slope, intercept, fails, np.sqrt(variance), r_squared, count)


def failure_window(short_h: Floats, long_h: Floats) -> tuple[Floats, Floats]:
    """Earliest and latest failure from the fits of a short and of a long moving average.

    Carlà et al. (2017): the two times, widened on each side by half their difference.

    >>> [float(x) for x in failure_window(np.float64(10.0), np.float64(14.0))]
    [8.0, 16.0]
    """
    half = np.abs(short_h - long_h) / 2.0
    return np.minimum(short_h, long_h) - half, np.maximum(short_h, long_h) + half
