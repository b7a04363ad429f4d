"""Creep: how a slope moves, steadily for years, and then towards failure by Voight's law.

Near failure the velocity v obeys dv/dt = A v^α (Voight 1988). With α = 2 the inverse of the
velocity falls on a straight line that reaches zero at the time of failure (Fukuzono 1985).
"""

import numpy as np

from simulators.physics.chance import Floats
from simulators.physics.parameters import Parameters

DAY_S = 86_400.0


def time_of_failure(*, a: float, alpha: float, velocity: float) -> float:
    """Tell when a slope with this velocity at time 0 fails, in the unit of time of the rate.

    >>> time_of_failure(a=0.02, alpha=2.0, velocity=0.5)
    100.0
    """
    return float(velocity ** (1.0 - alpha) / (a * (alpha - 1.0)))


class TertiaryCreep(Parameters):
    """Acceleration from an onset to a failure that is known beforehand."""

    begins_s: float
    fails_s: float
    velocity_mm_per_h: float  # At the onset.
    alpha: float = 2.0
    stops_mm: float = 120.0  # The mass has come down; nothing moves the instruments further.

    def velocity(self, at_s: Floats) -> Floats:
        """Velocity in mm/h: none before the onset, and without bound towards the failure."""
        left = self._part_left(at_s)
        moving = (at_s >= self.begins_s) & (at_s < self.fails_s)
        speed = self.velocity_mm_per_h * left ** (-1.0 / (self.alpha - 1.0))
        return np.where(moving, speed, 0.0)

    def displacement_mm(self, at_s: Floats) -> Floats:
        """Displacement since the onset, at most until the mass has come down."""
        left = self._part_left(at_s)
        span_mm = self.velocity_mm_per_h * (self.fails_s - self.begins_s) / 3_600.0
        power = 1.0 / (self.alpha - 1.0)
        if abs(power - 1.0) < 1e-9:
            moved = -span_mm * np.log(left)
        else:
            moved = span_mm * (left ** (1.0 - power) - 1.0) / (power - 1.0)
        return np.minimum(moved, self.stops_mm)

    def _part_left(self, at_s: Floats) -> Floats:
        """Part of the way to failure that is left: 1 before the onset, just above 0 after it."""
        left = (self.fails_s - at_s) / (self.fails_s - self.begins_s)
        return np.clip(left, 1e-9, 1.0)


def steady_creep(at_s: Floats, *, per_day: float) -> Floats:
    """Secondary creep: a constant velocity."""
    return per_day * at_s / DAY_S
