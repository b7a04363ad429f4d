"""Weather: seasons and days, storms, and what rain leaves behind in a store."""

import numpy as np
import pytest
from numpy.typing import NDArray

from simulators.physics.seepage import Basin, Embankment
from simulators.physics.weather import DAY_S, GRID_S, Storm, Weather

BEGAN_S = 1_751_328_000.0  # 2025-07-01T00:00:00Z
HOUR_S = 3_600.0


def weather(*storms: Storm, seed: int = 1, chance: float = 0.0) -> Weather:
    return Weather(seed=seed, began_s=BEGAN_S, storm_chance=chance, storms=storms)


def hours(first: float, last: float, every: float = 0.1) -> NDArray[np.float64]:
    return np.arange(first * HOUR_S, last * HOUR_S, every * HOUR_S)


def test_summer_is_warmer_than_winter_and_afternoon_than_morning() -> None:
    july = weather().air_temperature_c(hours(0, 240))
    january = weather().air_temperature_c(hours(184 * 24, 194 * 24))
    days = july.reshape(10, -1)  # Days in UTC: 7 h is afternoon at the site, 20 h before dawn.

    assert july.mean() > january.mean() + 15.0
    assert np.all(days[:, 70] > days[:, 200] + 5.0)


def test_air_pressure_stays_within_what_weather_can_do() -> None:
    for seed in range(1, 6):
        pressure = weather(seed=seed).air_pressure_kpa(hours(0, 24 * 365, every=3.0))

        assert 93.0 < pressure.min() < pressure.max() < 101.5
        assert pressure.std() > 0.3


def test_ordered_rain_falls_when_and_as_much_as_ordered() -> None:
    wet = weather(Storm(begins_s=600.0, lasts_s=1_200.0, depth_mm=12.0))
    at_s = np.array([0.0, 600.0, 1_200.0, 1_800.0, 9_000.0])

    assert wet.rain_mm(at_s) == pytest.approx([0.0, 0.0, 6.0, 12.0, 12.0])


def test_rain_of_chance_falls_in_storms_that_differ_by_seed() -> None:
    month = hours(0, 24 * 30, every=0.5)
    depths = [weather(seed=seed, chance=0.35).rain_mm(month) for seed in range(1, 6)]

    assert all(20.0 < depth[-1] < 120.0 for depth in depths)
    assert all(np.all(np.diff(depth) >= 0.0) for depth in depths)
    assert all(np.mean(np.diff(depth) == 0.0) > 0.7 for depth in depths)  # Mostly dry.
    assert len({depth[-1] for depth in depths}) == 5


def test_a_store_rises_late_and_drains_slowly() -> None:
    shower = weather(Storm(begins_s=0.0, lasts_s=600.0, depth_mm=1.0))
    at_s = hours(0, 400)
    answer = shower.answer_mm(at_s, rise_s=6 * HOUR_S, decay_s=96 * HOUR_S)
    peak = int(answer.argmax())

    assert 12.0 < at_s[peak] / HOUR_S < 24.0
    assert 0.8 < answer[peak] < 1.0
    assert np.all(np.diff(answer[:peak]) > 0.0)
    assert np.all(np.diff(answer[peak + 1 :]) < 0.0)


def test_the_written_down_answer_is_what_stepping_through_the_past_gives() -> None:
    storm = Storm(begins_s=1_800.0, lasts_s=7_200.0, depth_mm=30.0)
    rise_s, decay_s, step_s = 1_500.0, 20_000.0, 1.0
    at_s = np.arange(0.0, 40_000.0, step_s)
    rain = np.where((at_s >= 1_800.0) & (at_s < 9_000.0), 30.0 / 7_200.0, 0.0)
    first = second = 0.0
    stepped = []
    for mm_per_s in rain:  # Two stores, one above the other, by Euler's steps.
        stepped.append(second)
        first, second = (
            first + step_s * (mm_per_s - first / rise_s),
            second + step_s * (first / rise_s - second / decay_s),
        )
    whole_minutes = at_s % GRID_S == 0.0

    written = weather(storm).answer_mm(at_s[whole_minutes], rise_s=rise_s, decay_s=decay_s)

    assert written == pytest.approx(np.array(stepped)[whole_minutes], abs=0.02)


def test_an_answer_does_not_depend_on_what_else_is_asked() -> None:
    wet = weather(seed=3, chance=0.5)
    at_s = hours(0, 24 * 20, every=1 / 120)
    whole = wet.answer_mm(at_s, rise_s=10 * HOUR_S, decay_s=5 * DAY_S)

    for begin in (0, 17, 5_000):
        part = at_s[begin : begin + 64].copy()
        alone = wet.answer_mm(part, rise_s=10 * HOUR_S, decay_s=5 * DAY_S)
        assert alone == pytest.approx(whole[begin : begin + 64], abs=1e-9)


def test_water_gathers_at_the_toe_and_comes_there_later() -> None:
    wet = weather(Storm(begins_s=0.0, lasts_s=6 * HOUR_S, depth_mm=40.0))
    at_s = hours(0, 200)
    ground = Embankment()
    crest, toe = (ground.phreatic_rise_m(wet, at_s, place=place) for place in (0.0, 1.0))

    assert toe.max() > 2.0 * crest.max()
    assert toe.argmax() > crest.argmax()
    assert crest.min() == toe.min() == 0.0


def test_pond_and_weir_rise_with_rain_and_return() -> None:
    wet = weather(Storm(begins_s=0.0, lasts_s=6 * HOUR_S, depth_mm=40.0))
    at_s = hours(0, 24 * 30, every=1.0)
    level = Basin().level_m(wet, at_s)
    flow = Embankment().weir_flow_l_per_s(wet, at_s)

    assert level[0] == Basin().normal_level_m < level.max()
    assert flow[0] == Embankment().seepage_l_per_s < flow.max()
    assert level[-1] - level[0] < 0.01
    assert flow[-1] - flow[0] < 0.02
