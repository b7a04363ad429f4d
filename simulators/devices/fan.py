"""The main fan: what it was told, whether it runs, and what its air does."""

from functools import partial

import numpy as np

from simulators.physics.chance import Floats, key_of, wander
from simulators.scenario import Scenario
from simulators.signals import Signal, Signals


def signals(scenario: Scenario, seed: int) -> Signals:
    """Signals of every channel on the fan's bus."""
    fan, weather = scenario.fan, scenario.weather_of(seed)
    key = key_of(seed, "doors underground")

    def flow(at_s: Floats) -> Floats:
        return fan.air_flow_m3_per_s(at_s) * (1.0 + 0.006 * wander(key, at_s, every_s=600.0))

    def bearing(offset_c: float, at_s: Floats) -> Floats:
        return weather.air_temperature_c(at_s) + fan.bearing_rise_c(at_s) + offset_c

    return {
        "fan-commanded": Signal(np.ones_like),
        "fan-running": Signal(fan.running),
        "fan-air-flow": Signal(flow, noise=0.8),
        "fan-negative-pressure": Signal(fan.negative_pressure_pa, noise=8.0),
        "fan-motor-current": Signal(fan.motor_current_a, noise=0.8),
        "fan-bearing-temperature-1": Signal(partial(bearing, 0.0), noise=0.1),
        "fan-bearing-temperature-2": Signal(partial(bearing, 3.0), noise=0.1),
        "fan-vibration": Signal(fan.vibration_mm_per_s, noise=0.03),
    }
