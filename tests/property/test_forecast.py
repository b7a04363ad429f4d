"""What must hold for every forecast, whatever the slopes."""

from dataclasses import fields
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slopes import hours, instants

from alarms.forecast.forecasting import CHANNELS_AT_ONCE, forecast
from alarms.forecast.forecasts import Answers, Forecasts
from alarms.forecast.verdict import Verdict
from simulators.proving.failing_slopes import failing_slopes
from simulators.proving.stable_slopes import stable_slopes

SEEDS = st.integers(60, 65)
FEW = settings(max_examples=6, deadline=None)


@cache
def mixed(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Failing and stable slopes of one instrument, and a dead one."""
    failing = failing_slopes(seed, 40, 0.9)[1]
    stable = stable_slopes(seed, 20, watched_h=30 * 24.0)[1]
    dead = np.full((1, 840), np.nan)
    return np.concatenate([failing.value, stable.value[:, -840:], dead]), instants(hours(840))


def assert_same(one: Forecasts, other: Forecasts, rtol: float = 0.0) -> None:
    for column in fields(Answers):
        ours, theirs = (getattr(f.answers, column.name) for f in (one, other))
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol, err_msg=column.name)


def of(found: Forecasts, channels: np.ndarray) -> Forecasts:
    columns = {one.name: getattr(found.answers, one.name)[channels] for one in fields(Answers)}
    return Forecasts(found.asked_us, Answers(**columns))


@FEW
@given(seed=SEEDS)
def test_the_order_of_channels_is_irrelevant(seed: int) -> None:
    value, at_us = mixed(seed)
    order = np.random.default_rng(seed).permutation(len(value))
    assert_same(forecast(value[order], at_us), of(forecast(value, at_us), order), rtol=1e-6)


@FEW
@given(seed=SEEDS)
def test_a_channel_alone_is_told_the_same(seed: int) -> None:
    value, at_us = mixed(seed)
    together = forecast(value, at_us)
    for channel in np.flatnonzero(together.given)[:3]:
        assert_same(forecast(value[[channel]], at_us), of(together, np.array([channel])), rtol=1e-6)


@FEW
@given(seed=SEEDS, power=st.integers(-20, 20))
def test_the_unit_of_displacement_is_irrelevant(seed: int, power: int) -> None:
    """A power of two scales floating point exactly, so verdicts can't flip by rounding."""
    value, at_us = mixed(seed)
    one = forecast(value, at_us, resolution=0.125)
    other = forecast(value * 2.0**power, at_us, resolution=0.125 * 2.0**power)
    assert one.verdict.tolist() == other.verdict.tolist()
    np.testing.assert_allclose(one.answers.fails_h, other.answers.fails_h, rtol=1e-9)
    np.testing.assert_allclose(one.answers.velocity * 2.0**power, other.answers.velocity)


@FEW
@given(seed=SEEDS)
def test_which_way_a_slope_goes_is_irrelevant(seed: int) -> None:
    value, at_us = mixed(seed)
    assert_same(forecast(value, at_us), forecast(-value, at_us))


@FEW
@given(seed=SEEDS, bins=st.integers(1, 50))
def test_when_it_is_asked_is_irrelevant(seed: int, bins: int) -> None:
    """Later on the clock, and the same record: the same hours from then."""
    value, at_us = mixed(seed)
    later = forecast(value, at_us + bins * 3_600_000_000)
    assert_same(forecast(value, at_us), later)


@FEW
@given(seed=SEEDS)
def test_the_shorter_the_bins_the_sooner(seed: int) -> None:
    """The law knows no scale of time: bins a tenth as long, hours a tenth as many."""
    value, at_us = mixed(seed)
    fast = forecast(value, at_us[-1] + (at_us - at_us[-1]) // 10)
    slow = forecast(value, at_us)
    assert fast.verdict.tolist() == slow.verdict.tolist()
    np.testing.assert_allclose(fast.answers.fails_h * 10.0, slow.answers.fails_h, rtol=1e-9)


def test_more_channels_than_are_fitted_at_once_are_told_the_same() -> None:
    value, at_us = mixed(70)
    many = np.concatenate([value] * (CHANNELS_AT_ONCE // 8))
    found = forecast(many, at_us)
    assert int(found.given.sum()) > CHANNELS_AT_ONCE // 2
    once = forecast(value, at_us)
    places = np.tile(np.arange(len(value)), CHANNELS_AT_ONCE // 8)
    assert_same(found, of(once, places), rtol=1e-6)


@FEW
@given(seed=SEEDS, offset=st.integers(-(10**6), 10**6))
def test_where_a_record_begins_to_count_is_irrelevant(seed: int, offset: int) -> None:
    value, at_us = mixed(seed)
    one, other = forecast(value, at_us), forecast(value + offset, at_us)
    assert one.verdict.tolist() == other.verdict.tolist()
    np.testing.assert_allclose(one.answers.fails_h, other.answers.fails_h, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), bins=st.integers(0, 200))
def test_whatever_comes_is_answered(data: st.DataObject, bins: int) -> None:
    """Gaps, constants, jumps, huge and tiny numbers: a verdict, and times only with FORECAST."""
    kinds = st.sampled_from([np.nan, 0.0, 1.0, 1e-300, 1e150, -1e150, 5.0])
    chance = np.random.default_rng(data.draw(st.integers(0, 999)))
    value = np.cumsum(chance.standard_normal((3, bins)), axis=1)
    for _ in range(data.draw(st.integers(0, 6)) if bins else 0):
        channel, first = data.draw(st.integers(0, 2)), data.draw(st.integers(0, bins - 1))
        value[channel, first : data.draw(st.integers(first, bins))] = data.draw(kinds)
    found = forecast(value, instants(hours(bins)) if bins else np.empty(0, np.int64))

    assert set(found.verdict.tolist()) <= set(Verdict)
    assert np.array_equal(np.isfinite(found.answers.fails_h), found.given)
    given_h = found.answers.fails_h[found.given]
    assert (found.answers.earliest_h[found.given] <= given_h).all()
    assert (given_h <= found.answers.latest_h[found.given]).all()
    assert (found.answers.earliest_h[found.given] > 0.0).all()


@pytest.mark.parametrize("progress", [0.9])
def test_an_independent_channel_never_changes_another(progress: float) -> None:
    value, at_us = mixed(71)
    wild = value.copy()
    wild[::2] = np.random.default_rng(1).standard_normal(wild[::2].shape) * 1e6
    untouched = np.arange(1, len(value), 2)
    assert_same(of(forecast(wild, at_us), untouched), of(forecast(value, at_us), untouched), 1e-6)
