"""The east slope: crack meters, surface points, piezometers and a tilt meter."""

from functools import partial

import numpy as np

from simulators.devices.dam import supply_v
from simulators.physics.chance import Floats, key_of, wander
from simulators.physics.creep import steady_creep
from simulators.physics.seepage import KPA_PER_M
from simulators.physics.weather import DAY_S, Weather
from simulators.scenario import Scenario
from simulators.signals import Signal, Signals

# How much of the failing mass's movement opens each crack: 3 and 4 lie on its upper edge.
CRACK_SHARE = {1: 0.02, 2: 0.35, 3: 1.0, 4: 0.8, 5: 0.5, 6: 0.1, 7: 0.02, 8: 0.01}
POINT_SHARE = {1: 0.02, 2: 0.75, 3: 0.9, 4: 0.05}
PIEZOMETERS = (1, 2, 3, 4)
TILT_DEGREES_PER_MM = 0.012


def signals(scenario: Scenario, seed: int) -> Signals:
    """Signals of every channel on the slope's bus."""
    weather = scenario.weather_of(seed)
    found: Signals = {}
    for crack, share in CRACK_SHARE.items():
        found |= _crack_meter(scenario, weather, seed, crack, share)
    for point, share in POINT_SHARE.items():
        found |= _surface_point(scenario, weather, seed, point, share)
    for number in PIEZOMETERS:
        found |= _piezometer(weather, seed, number)
    found |= _tilt_meter(scenario, weather)
    found["slope-supply"] = Signal(partial(supply_v, weather), noise=0.008)
    return found


def moved_mm(scenario: Scenario, at_s: Floats) -> Floats:
    """How far the failing mass has moved."""
    if scenario.slope_failure is None:
        return np.zeros_like(at_s)
    return scenario.slope_failure.displacement_mm(at_s)


def _rock_c(weather: Weather, at_s: Floats) -> Floats:
    return weather.ground_temperature_c(at_s, lag_s=3.0 * 3_600.0, damping=0.7)


def _crack_meter(
    scenario: Scenario, weather: Weather, seed: int, crack: int, share: float
) -> Signals:
    name = f"slope-crack-{crack}"
    key = key_of(seed, f"{name} ground")

    def opening(at_s: Floats) -> Floats:
        # Cracks close when the rock is warm; rain and ice move them a little either way.
        thermal = -0.03 * (_rock_c(weather, at_s) - weather.mean_temperature_c)
        wandering = 0.08 * wander(key, at_s + weather.began_s, every_s=4.0 * DAY_S)
        creep = steady_creep(at_s, per_day=0.01 + 0.02 * share)
        return creep + thermal + wandering + share * moved_mm(scenario, at_s)

    return {
        f"{name}-opening": Signal(opening, noise=0.01, raw_step=0.1),
        f"{name}-temperature": Signal(partial(_rock_c, weather), noise=0.03, raw_step=1.0),
    }


def _surface_point(
    scenario: Scenario, weather: Weather, seed: int, point: int, share: float
) -> Signals:
    name = f"slope-gnss-{point}"

    def component(axis: str, direction: float, at_s: Floats) -> Floats:
        multipath = wander(key_of(seed, f"{name} {axis}"), at_s + weather.began_s, every_s=2_400.0)
        creep = steady_creep(at_s, per_day=0.02 + 0.03 * share)
        return direction * (creep + share * moved_mm(scenario, at_s)) + 0.6 * multipath

    return {
        f"{name}-east": Signal(partial(component, "east", -0.77), noise=0.7),
        f"{name}-north": Signal(partial(component, "north", 0.20), noise=0.7),
        f"{name}-up": Signal(partial(component, "up", -0.60), noise=1.5),
    }


def _piezometer(weather: Weather, seed: int, number: int) -> Signals:
    name = f"slope-piezometer-{number}"
    key = key_of(seed, f"{name} ground")

    def pressure(at_s: Floats) -> Floats:
        rain = weather.answer_mm(at_s, rise_s=14.0 * 3_600.0, decay_s=6.0 * DAY_S)
        wandering = 0.04 * wander(key, at_s + weather.began_s, every_s=3.0 * DAY_S)
        head_m = 4.0 + 0.7 * number + 0.008 * rain + wandering
        return head_m * KPA_PER_M

    return {
        f"{name}-pressure": Signal(pressure, noise=0.03, raw_step=0.1),
        f"{name}-temperature": Signal(
            partial(weather.ground_temperature_c, lag_s=60.0 * DAY_S, damping=0.15),
            noise=0.01,
            raw_step=1.0,
        ),
    }


def _tilt_meter(scenario: Scenario, weather: Weather) -> Signals:
    def axis(degrees_per_mm: float, offset: float, at_s: Floats) -> Floats:
        warm = _rock_c(weather, at_s) - weather.mean_temperature_c
        return offset + 0.0008 * warm + degrees_per_mm * moved_mm(scenario, at_s)

    return {
        "slope-tilt-a": Signal(partial(axis, TILT_DEGREES_PER_MM, 0.42), noise=0.002),
        "slope-tilt-b": Signal(partial(axis, 0.3 * TILT_DEGREES_PER_MM, -0.18), noise=0.002),
        "slope-tilt-temperature": Signal(partial(_rock_c, weather), noise=0.05),
    }
