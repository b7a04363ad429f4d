"""A main fan: its speed, and the air flow, pressure and current that follow from it."""

import numpy as np

from simulators.physics.chance import Floats
from simulators.physics.parameters import Parameters


class MainFan(Parameters):
    """A fan that runs, until it stops although nobody commanded it to."""

    stops_s: float | None = None
    spin_down_s: float = 12.0  # Until half the speed: the air itself is the brake.

    def running(self, at_s: Floats) -> Floats:
        """What the contactor says: 1 or 0."""
        if self.stops_s is None:
            return np.ones_like(at_s)
        return np.where(at_s < self.stops_s, 1.0, 0.0)

    def speed(self, at_s: Floats) -> Floats:
        """Speed as a part of the full one; quadratic drag makes it fade like 1 / (1 + t)."""
        if self.stops_s is None:
            return np.ones_like(at_s)
        return 1.0 / (1.0 + np.maximum(at_s - self.stops_s, 0.0) / self.spin_down_s)

    def air_flow_m3_per_s(self, at_s: Floats) -> Floats:
        """Air flow: as the speed, and a little by natural draught."""
        return 176.0 * self.speed(at_s) + 4.0

    def negative_pressure_pa(self, at_s: Floats) -> Floats:
        """Pressure below the atmosphere: as the square of the speed."""
        return 2_350.0 * self.speed(at_s) ** 2

    def motor_current_a(self, at_s: Floats) -> Floats:
        """Motor current: gone as soon as the contactor opens."""
        return 214.0 * self.running(at_s)

    def vibration_mm_per_s(self, at_s: Floats) -> Floats:
        """Vibration of the bearing housing: as the square of the speed."""
        return 0.15 + 1.9 * self.speed(at_s) ** 2

    def bearing_rise_c(self, at_s: Floats) -> Floats:
        """How much warmer than the air a bearing is; it cools in a quarter of an hour."""
        if self.stops_s is None:
            return np.full_like(at_s, 27.0)
        return 27.0 * np.exp(-np.maximum(at_s - self.stops_s, 0.0) / 900.0)
