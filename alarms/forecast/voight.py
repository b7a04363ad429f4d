"""Voight's law: dv/dt = A v^α, and what follows from it.

Voight (1988, Nature 332:125; 1989, Science 243:200). With α > 1 the velocity grows without bound at
a time of failure; with α = 2 its inverse falls on a straight line (Fukuzono 1985).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def time_of_failure(
    *, a: Floats | float, alpha: Floats | float, velocity: Floats | float
) -> Floats:
    """Time from a velocity to the failure: v^(1-α) / (A (α-1)), in the unit of time of A.

    >>> float(time_of_failure(a=0.02, alpha=2.0, velocity=0.5))
    100.0
    """
    return np.asarray(np.power(velocity, 1.0 - np.asarray(alpha)) / (a * (np.asarray(alpha) - 1.0)))


def velocity_at(
    at: Floats | float, *, fails: Floats | float, a: Floats | float, alpha: Floats | float
) -> Floats:
    """Velocity at an instant before the failure: (A (α-1) (t_f - t))^(-1/(α-1)).

    >>> [round(float(velocity_at(t, fails=100.0, a=0.02, alpha=2.0)), 9) for t in (50.0, 90.0)]
    [1.0, 5.0]
    """
    power = np.asarray(alpha) - 1.0
    return np.asarray((a * power * (fails - np.asarray(at))) ** (-1.0 / power))


def moved_since_onset(left: Floats, alpha: Floats | float) -> Floats:
    """Displacement since the onset, as a part of (velocity at the onset × time to failure).

    ``left`` is the part of that time that is left: 1 at the onset, 0 at the failure.

    >>> moved_since_onset(np.array([0.5, 0.25]), 1.5)
    array([1., 3.])
    """
    exponent = 1.0 - 1.0 / (np.asarray(alpha) - 1.0)
    curved = np.abs(exponent) > 1e-9
    safe = np.where(curved, exponent, 1.0)
    return np.where(curved, (1.0 - left**safe) / safe, -np.log(left))
