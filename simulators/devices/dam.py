"""The north dam: 3 sections of 4 piezometers, pond, weather, weir, and 6 surface points."""

from functools import partial

import numpy as np

from simulators.physics.chance import Floats, key_of, wander
from simulators.physics.creep import steady_creep
from simulators.physics.seepage import KPA_PER_M, head_over_notch_m
from simulators.physics.weather import DAY_S, Weather
from simulators.scenario import Scenario
from simulators.signals import Signal, Signals

SECTIONS = (1, 2, 3)
PLACES = (1, 2, 3, 4)  # From below the crest to the toe.
SURFACE_POINTS = (1, 2, 3, 4, 5, 6)
TIP_BELOW_GROUND_M = 22.0
AIR_PRESSURE_AT_CALIBRATION_KPA = 97.2
SECOND_WIRES = ((2, 2),)  # Places whose borehole holds another wire at the same depth.
# How deep the phreatic line stands in dry weather, by place; it nears the ground at the toe.
DRY_DEPTH_M = {1: 14.0, 2: 12.0, 3: 10.0, 4: 8.0}
MM_PER_TIP = 0.2


def signals(scenario: Scenario, seed: int) -> Signals:
    """Signals of every channel on the dam's bus."""
    weather = scenario.weather_of(seed)
    found: Signals = {}
    for section in SECTIONS:
        for place in PLACES:
            found |= _piezometer(scenario, weather, seed, section, place)
        found[f"dam-{section}-supply"] = Signal(partial(supply_v, weather), noise=0.008)
        found[f"dam-{section}-logger-temperature"] = Signal(partial(_logger_c, weather), noise=0.05)
    found |= _weather_station(scenario, weather)
    for point in SURFACE_POINTS:
        found |= _surface_point(weather, seed, point)
    return found


def supply_v(weather: Weather, at_s: Floats) -> Floats:
    """Voltage of a solar-charged battery: up while the sun shines."""
    sun = np.sin(2.0 * np.pi * ((at_s + weather.began_s) / DAY_S + 2.0 / 24.0))
    return 12.5 + 0.9 * np.maximum(sun, 0.0)


def _logger_c(weather: Weather, at_s: Floats) -> Floats:
    return weather.air_temperature_c(at_s) + 2.5


def _piezometer(
    scenario: Scenario, weather: Weather, seed: int, section: int, place: int
) -> Signals:
    name = f"dam-{section}-{place}"
    part = (place - 1) / (len(PLACES) - 1)
    # The sections are not alike: the middle one, over the old valley, is the wettest.
    depth_m = DRY_DEPTH_M[place] + {1: 0.8, 2: 0.0, 3: 1.2}[section]
    wetness = {1: 0.85, 2: 1.0, 3: 0.75}[section]
    key = key_of(seed, f"{name} ground")

    def pressure(at_s: Floats) -> Floats:
        rise = wetness * scenario.embankment.phreatic_rise_m(weather, at_s, place=part)
        rise = rise + 0.05 * wander(key, at_s + weather.began_s, every_s=3.0 * DAY_S)
        head_m = TIP_BELOW_GROUND_M - depth_m + rise
        air = weather.air_pressure_kpa(at_s) - AIR_PRESSURE_AT_CALIBRATION_KPA
        return head_m * KPA_PER_M + air

    wires = [name, f"{name}b"] if (section, place) in SECOND_WIRES else [name]
    return {
        **{f"{wire}-pressure": Signal(pressure, noise=0.03, raw_step=0.1) for wire in wires},
        f"{name}-temperature": Signal(
            partial(weather.ground_temperature_c, lag_s=60.0 * DAY_S, damping=0.15),
            noise=0.01,
            raw_step=1.0,
        ),
    }


def _weather_station(scenario: Scenario, weather: Weather) -> Signals:
    def head_mm(at_s: Floats) -> Floats:
        flow = scenario.embankment.weir_flow_l_per_s(weather, at_s)
        return 1_000.0 * head_over_notch_m(flow)

    def rain(at_s: Floats) -> Floats:
        return np.floor(weather.rain_mm(at_s) / MM_PER_TIP) * MM_PER_TIP

    return {
        "dam-barometer": Signal(weather.air_pressure_kpa, noise=0.004),
        "dam-air-temperature": Signal(weather.air_temperature_c, noise=0.05),
        "dam-rain": Signal(rain),
        "dam-pond-level": Signal(partial(scenario.basin.level_m, weather), noise=0.002),
        "dam-weir-head": Signal(head_mm, noise=0.15),
    }


def _surface_point(weather: Weather, seed: int, point: int) -> Signals:
    name = f"dam-gnss-{point}"

    def component(axis: str, per_day: float, mm_per_c: float, at_s: Floats) -> Floats:
        warm = weather.ground_temperature_c(at_s, lag_s=6.0 * 3_600.0, damping=0.6)
        multipath = wander(key_of(seed, f"{name} {axis}"), at_s + weather.began_s, every_s=2_400.0)
        creep = steady_creep(at_s, per_day=per_day)
        return creep + mm_per_c * (warm - weather.mean_temperature_c) + 0.6 * multipath

    return {
        f"{name}-east": Signal(partial(component, "east", 0.02, 0.05), noise=0.7),
        f"{name}-north": Signal(partial(component, "north", 0.03 + 0.005 * point, 0.08), noise=0.7),
        f"{name}-up": Signal(partial(component, "up", -0.05, 0.10), noise=1.5),
    }
