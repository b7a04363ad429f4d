"""Failure: Voight's creep with a known end, a rockburst with its signs before, a fan that stops."""

import numpy as np
import pytest

from simulators.physics.creep import TertiaryCreep, time_of_failure
from simulators.physics.fan import MainFan
from simulators.physics.rock import NO_EVENT_MAGNITUDE, Rockburst, Seismicity
from simulators.physics.seepage import head_over_notch_m

CREEP = TertiaryCreep(begins_s=0.0, fails_s=100.0 * 3_600.0, velocity_mm_per_h=0.5)
BURST = Rockburst(begins_s=300.0, bursts_s=2_400.0)


def test_voights_law_has_its_published_solution() -> None:
    assert time_of_failure(a=0.02, alpha=2.0, velocity=0.5) == pytest.approx(100.0)

    velocity = CREEP.velocity(np.array([0.0, 50.0, 90.0]) * 3_600.0)

    assert velocity == pytest.approx([0.5, 1.0, 5.0])


def test_inverse_velocity_falls_on_a_line_to_the_time_of_failure() -> None:
    at_h = np.arange(50.0, 90.0)
    slope, intercept = np.polyfit(at_h, 1.0 / CREEP.velocity(at_h * 3_600.0), 1)

    assert slope == pytest.approx(-0.02)
    assert -intercept / slope == pytest.approx(100.0)


@pytest.mark.parametrize("alpha", [1.6, 2.0, 2.4])
def test_displacement_is_the_integral_of_velocity(alpha: float) -> None:
    creep = CREEP.model_copy(update={"alpha": alpha, "stops_mm": 1e9})
    at_s = np.linspace(0.0, 95.0 * 3_600.0, 200_001)
    velocity = creep.velocity(at_s)
    steps_mm = (velocity[1:] + velocity[:-1]) / 2.0 * np.diff(at_s) / 3_600.0

    assert creep.displacement_mm(at_s)[-1] == pytest.approx(steps_mm.sum(), rel=1e-4)


def test_nothing_moves_before_the_onset_and_all_rests_after_the_failure() -> None:
    creep = TertiaryCreep(begins_s=600.0, fails_s=3_000.0, velocity_mm_per_h=24.0)
    moved = creep.displacement_mm(np.array([0.0, 600.0, 2_999.999, 3_000.0, 9_000.0]))

    assert moved == pytest.approx([0.0, 0.0, 120.0, 120.0, 120.0])
    assert creep.velocity(np.array([0.0, 3_000.0])) == pytest.approx([0.0, 0.0])


def test_stress_and_activity_rise_before_the_burst_and_stress_drops_with_it() -> None:
    before = np.linspace(300.0, 2_399.0, 50)

    assert np.all(np.diff(BURST.stress_mpa(before)) > 0.0)
    assert np.all(np.diff(BURST.additional_rate(before)) > 0.0)
    assert BURST.stress_mpa(np.array([2_399.0]))[0] > 15.0
    assert BURST.stress_mpa(np.array([2_400.0]))[0] < 0.0


def test_aftershocks_fade_as_omori_found() -> None:
    after = 2_400.0 + BURST.aftershocks_s * np.array([0.0, 1.0, 3.0])

    rate = BURST.additional_rate(after)

    assert rate / rate[0] == pytest.approx([1.0, 0.5, 0.25])


def test_the_bursts_own_minute_shows_its_energy() -> None:
    seismicity = Seismicity(seed=1, burst=BURST)
    catalogue = seismicity.minutes(np.arange(0, 60))

    assert int(catalogue.energy_j.argmax()) == 40
    assert catalogue.energy_j[40] > 10.0 ** (1.5 * BURST.magnitude + 4.8)
    assert catalogue.largest_magnitude[40] == BURST.magnitude
    assert catalogue.energy_j[20:40].sum() > 20.0 * catalogue.energy_j[:20].sum()


def test_quiet_rock_follows_gutenberg_and_richter_below_its_bound() -> None:
    catalogue = Seismicity(seed=1, rate_per_minute=1.0, b=1.0).minutes(np.arange(200_000))
    single = catalogue.largest_magnitude[catalogue.count == 1]

    assert single.max() < -0.4
    assert set(catalogue.largest_magnitude[catalogue.count == 0]) == {NO_EVENT_MAGNITUDE}
    # Ten times fewer for each unit of magnitude: here from -1.5 to -1.0, half a unit.
    lower, upper = np.mean(single < -1.4), np.mean((single >= -1.0) & (single < -0.9))
    assert lower / upper == pytest.approx(10**0.5, rel=0.1)


def test_a_stopped_fan_spins_down_and_its_motor_current_is_gone_at_once() -> None:
    fan = MainFan(stops_s=60.0)
    at_s = np.array([0.0, 59.0, 60.0, 72.0, 600.0])

    assert fan.running(at_s) == pytest.approx([1.0, 1.0, 0.0, 0.0, 0.0])
    assert fan.speed(at_s)[:4] == pytest.approx([1.0, 1.0, 1.0, 0.5])
    assert fan.motor_current_a(at_s)[2] == 0.0
    assert np.all(np.diff(fan.air_flow_m3_per_s(at_s)[2:]) < 0.0)
    assert fan.negative_pressure_pa(at_s)[3] == pytest.approx(2_350.0 / 4.0)
    assert 4.0 < fan.air_flow_m3_per_s(at_s)[4] < 10.0  # Natural draught.


def test_a_weirs_head_is_what_its_formula_turns_back_into_the_flow() -> None:
    assert head_over_notch_m(np.array([24.51])) == pytest.approx([0.2], abs=2e-5)
