"""The methods that a forecast is made of, each against numbers that are known."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
from scipy.integrate import trapezoid

import alarms.forecast
from alarms.forecast.filters import exponential, moving_average
from alarms.forecast.inverse_velocity import failure_window, inverse_velocity_line
from alarms.forecast.onset import NONE, onset_of_acceleration
from alarms.forecast.slo import slo_time
from alarms.forecast.tangent_angle import CreepStage, creep_stage, tangent_angle
from alarms.forecast.voight import moved_since_onset, time_of_failure, velocity_at

NAN = np.nan
# domain.md D, "Voight analytic": A = 0.02, α = 2, v0 = 0.5 fails at 100.
AT_H = np.arange(50.0, 91.0)[np.newaxis]
VELOCITY = velocity_at(AT_H, fails=100.0, a=0.02, alpha=2.0)


def test_voight_analytic_time_and_velocities() -> None:
    assert time_of_failure(a=0.02, alpha=2.0, velocity=0.5) == pytest.approx(100.0)
    assert velocity_at(50.0, fails=100.0, a=0.02, alpha=2.0) == pytest.approx(1.0)
    assert velocity_at(90.0, fails=100.0, a=0.02, alpha=2.0) == pytest.approx(5.0)


def test_voight_analytic_inverse_velocity() -> None:
    line = inverse_velocity_line(AT_H, VELOCITY)

    assert line.fails_h[0] == pytest.approx(100.0)
    assert line.slope[0] == pytest.approx(-0.02)
    assert line.r_squared[0] == pytest.approx(1.0)
    assert line.error_h[0] == pytest.approx(0.0, abs=1e-6)
    assert line.count[0] == 41


def test_voight_analytic_slo() -> None:
    assert slo_time(AT_H, VELOCITY)[0] == pytest.approx(100.0)


@pytest.mark.parametrize("alpha", [1.5, 2.0, 2.5])
def test_displacement_of_the_law_is_the_integral_of_its_velocity(alpha: float) -> None:
    left = np.linspace(1.0, 0.1, 20_001)
    velocity = left ** (-1.0 / (alpha - 1.0))
    integral = -trapezoid(velocity, left)
    assert moved_since_onset(left[-1:], alpha)[0] == pytest.approx(integral, rel=1e-6)


def test_a_line_needs_three_inverse_velocities_and_a_fall() -> None:
    at_h = np.arange(4.0)[np.newaxis].repeat(3, axis=0)
    velocity = np.array([[1.0, NAN, 2.0, NAN], [4.0, 3.0, 2.0, 1.0], [2.0, 2.0, 2.0, 2.0]])
    line = inverse_velocity_line(at_h, velocity)

    assert np.isnan(line.slope).tolist() == [True, False, False]
    assert np.isnan(line.fails_h).all()  # Too few; slower and slower; steady.
    assert line.count.tolist() == [2, 4, 4]
    assert line.r_squared[2] == 0.0


def test_what_is_not_above_the_noise_floor_enters_no_line() -> None:
    with_noise = np.concatenate([VELOCITY, [[0.01, -3.0]]], axis=1)
    at_h = np.concatenate([AT_H, [[91.0, 92.0]]], axis=1)
    line = inverse_velocity_line(at_h, with_noise, floor=0.5)

    assert line.fails_h[0] == pytest.approx(100.0)
    assert line.count[0] == 41


def test_minimum_inverse_velocity_comes_before_zero() -> None:
    line = inverse_velocity_line(AT_H, VELOCITY)
    assert line.time_of_inverse(0.1)[0] == pytest.approx(95.0)


def test_failure_window_is_widened_by_half_the_difference_on_each_side() -> None:
    first, last = failure_window(np.array([14.0, 10.0]), np.array([10.0, NAN]))
    assert (first[0], last[0]) == (8.0, 16.0)
    assert np.isnan([first[1], last[1]]).all()


def test_filters_look_back_only() -> None:
    value = np.arange(10.0)[np.newaxis]
    changed = value.copy()
    changed[0, 6:] = 99.0
    for smooth in (lambda v: moving_average(v, 3), exponential):
        assert np.array_equal(smooth(value)[0, :6], smooth(changed)[0, :6], equal_nan=True)


@pytest.mark.parametrize("count", [0, -1])
def test_a_moving_average_of_nothing_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        moving_average(np.ones((1, 3)), count)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_outside_one_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        exponential(np.ones((1, 3)), share)


def test_onset_is_the_last_crossing_that_stays() -> None:
    quiet = np.ones(8)
    burst = np.array([2.0, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    grows = np.linspace(1.5, 9.0, 8)
    velocity = np.stack(
        [
            np.concatenate([quiet, burst, quiet, grows]),
            np.concatenate([quiet, burst, quiet, quiet]),
            np.concatenate([quiet, burst, quiet, grows[::-1]]),
        ]
    )
    assert onset_of_acceleration(velocity).tolist() == [25, NONE, NONE]


def test_a_gap_is_neither_a_crossing_nor_a_return() -> None:
    velocity = np.linspace(1.0, 20.0, 30)[np.newaxis]
    whole = onset_of_acceleration(velocity)[0]
    velocity[0, 20] = NAN
    assert onset_of_acceleration(velocity)[0] == whole
    assert onset_of_acceleration(np.full((1, 30), NAN))[0] == NONE
    assert onset_of_acceleration(np.ones((1, 2)))[0] == NONE


def test_tangent_angles_cut_where_the_law_of_the_trade_cuts() -> None:
    uniform = np.ones(6)
    velocity = np.array([0.5, 1.5, 5.672, 11.431, -1.0, NAN])
    stages = creep_stage(tangent_angle(velocity, uniform))
    assert stages.tolist() == [
        CreepStage.UNIFORM,
        CreepStage.INITIAL_ACCELERATION,
        CreepStage.MIDDLE_ACCELERATION,
        CreepStage.IMMINENT,
        CreepStage.UNIFORM,
        CreepStage.UNKNOWN,
    ]
    # The cuts are kept to from below too.
    assert creep_stage(tangent_angle(np.array([5.670, 11.429]), np.ones(2))).tolist() == [2, 3]
    assert np.isnan(tangent_angle(np.ones(2), np.array([0.0, -1.0]))).all()


MODULES = [f"alarms.forecast.{one.name}" for one in pkgutil.iter_modules(alarms.forecast.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
