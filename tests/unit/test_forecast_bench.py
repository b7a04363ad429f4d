"""The judge of forecasts: what it asks, that it can fail, and that calibration stands."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from alarms.forecast.settings import ForecastSettings
from groundwatch import app
from simulators.proving.bench_forecast import (
    DEFAULT,
    ForecastBench,
    ask_failing,
    calibrated_widening,
    false_failures,
    forecast_report,
    run_bench_forecast,
)
from simulators.proving.stable_slopes import stable_slopes

TEN_DAYS_H = 240.0
# No gate is shut, so that whatever gains speed is given a time.
CREDULOUS = ForecastSettings(
    rates_min=0,
    r_squared_min=0.0,
    velocity_sigmas=0.0,
    evidence_min=-1e9,
    horizon=1e9,
    past_velocity_ratio=0.0,
    foresight_level=1.0 - 1e-9,
)


def test_a_small_bench_tells_everything() -> None:
    bench = ForecastBench(failing=100, stable=40, seed=7, as_json=True, watched_h=TEN_DAYS_H)
    report = forecast_report(bench)

    assert report["answered"] > 0.7
    assert 0.6 < report["interval_coverage"] <= 1.0
    assert report["false_failure_rate"] == 0.0
    errors = report["median_abs_error_by_progress"]
    assert errors["0.9"] < 0.25
    assert set(errors) == set(report["answered_by_progress"])


def test_the_command_prints_one_object() -> None:
    arguments = ["bench", "forecast", "--failing", "10", "--stable", "0", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert {"answered", "interval_coverage", "false_failure_rate"} < set(json.loads(result.output))


def test_calibration_seeds_are_not_judged() -> None:
    with pytest.raises(ValueError, match="calibration"):
        run_bench_forecast(ForecastBench(failing=10, stable=0, seed=101, as_json=True))


def test_it_is_the_gates_that_keep_stable_slopes_from_being_called_failing() -> None:
    """Bursts do tempt: without gates some of these slopes would be given a time."""
    days_40 = 40 * 24.0
    tempted = [found for _, found in false_failures(8, 80, days_40, CREDULOUS)]
    gated = [found for _, found in false_failures(8, 80, days_40)]
    assert np.concatenate(tempted).sum() >= 3
    assert np.concatenate(gated).sum() == 0


def test_narrow_intervals_are_found_out() -> None:
    """Intervals of half the width miss the truth far more often: the judge sees it."""
    narrow = ask_failing(9, 300, 0.9, replace(DEFAULT, widening=DEFAULT.widening / 2.0))
    some = narrow.answered
    holds = (narrow.earliest_h <= narrow.fails_h) & (narrow.fails_h <= narrow.latest_h)
    assert holds[some].mean() < 0.65


def test_the_same_seed_draws_the_same_slopes() -> None:
    one, other = (ask_failing(11, 30, 0.9) for _ in range(2))
    assert np.array_equal(one.given_h, other.given_h, equal_nan=True)
    first, again, another = (stable_slopes(seed, 10, TEN_DAYS_H)[0].value for seed in (3, 3, 4))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, another, equal_nan=True)


def test_the_settings_hold_what_calibration_found() -> None:
    assert calibrated_widening() == pytest.approx(DEFAULT.widening, abs=0.02)
