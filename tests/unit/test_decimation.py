"""Fewer points, the same picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.decimation import EMPTY, Series, break_gaps, decimate, join
from historian.reader import first_revisions, longest_us
from telemetry.quality import Quality


def series(values: list[float], step_us: int = 10) -> Series:
    value = np.array(values, np.float64)
    quality = np.where(np.isnan(value), Quality.NO_REPLY, Quality.GOOD).astype(np.int16)
    return Series(np.arange(len(value), dtype=np.int64) * step_us, value, quality)


VALUES = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=400)


@given(values=VALUES, points=st.integers(2, 60))
def test_never_more_points_than_asked_for_and_no_extreme_lost(
    values: list[float], points: int
) -> None:
    whole = series(values)

    few = decimate(whole, points, range(len(values) * 10))

    assert len(few) <= points
    assert set(few.time_us.tolist()) <= set(whole.time_us.tolist())
    assert (np.diff(few.time_us) > 0).all()
    if values:
        assert (few.time_us[0], few.time_us[-1]) == (whole.time_us[0], whole.time_us[-1])
    known = whole.value[~np.isnan(whole.value)]
    if len(known) and points >= 5:
        assert np.nanmax(few.value) == known.max()
        assert np.nanmin(few.value) == known.min()
    if len(known) < len(values) and points >= 5:
        assert np.isnan(few.value).any()


@given(values=VALUES, cut=st.integers(0, 400), points=st.integers(5, 40))
def test_the_extremes_survive_being_thinned_out_in_parts(
    values: list[float], cut: int, points: int
) -> None:
    whole = series(values)
    span_us = range(len(values) * 10)
    cut = min(cut, len(values))
    first = decimate(whole.chosen(np.arange(cut)), points, span_us)

    few = decimate(join([first, whole.chosen(np.arange(cut, len(whole)))]), points, span_us)

    assert len(few) <= points
    known = whole.value[~np.isnan(whole.value)]
    if len(known):
        assert np.nanmax(few.value) == known.max()
        assert np.nanmin(few.value) == known.min()


def test_each_stretch_keeps_its_own_extremes() -> None:
    waves = [0.0, 5.0, -5.0, 0.0, 0.0, 7.0, -7.0, 0.0, 0.0, 9.0, -9.0, 0.0]

    few = decimate(series(waves), 8, range(120))

    assert few.value.tolist() == [0.0, 5.0, -5.0, 7.0, -7.0, 9.0, -9.0, 0.0]


def test_what_is_missing_everywhere_needs_no_more_points() -> None:
    faulty = series([1.0, 9.0, float("nan"), 5.0] * 25)

    few = decimate(faulty, 20, range(1000))

    assert 10 < len(few) <= 20
    assert np.isnan(few.value).any()
    assert (np.nanmin(few.value), np.nanmax(few.value)) == (1.0, 9.0)


def test_a_short_series_stays_as_it_is() -> None:
    whole = series([1.0, float("nan"), 3.0])
    assert decimate(whole, 3, range(30)) is whole
    assert len(decimate(EMPTY, 2, range(0))) == 0


def test_one_point_is_no_history() -> None:
    with pytest.raises(ValueError, match="first and its last"):
        decimate(series([1.0]), 1, range(10))


def test_a_long_stretch_without_readings_is_broken() -> None:
    times = np.array([0, 10, 20, 100, 110], np.int64)
    gappy = Series(times, np.arange(5.0), np.zeros(5, np.int16))

    broken = break_gaps(gappy, 30)

    assert broken.time_us.tolist() == [0, 10, 20, 60, 100, 110]
    assert np.isnan(broken.value[3])
    assert broken.quality[3] == Quality.NO_VALUE
    assert break_gaps(gappy, 80) is gappy


def test_a_longer_period_of_the_past_is_no_gap() -> None:
    hourly = series([1.0, 2.0, 3.0], step_us=3600)
    assert longest_us(hourly, 10) == 3 * 3600
    assert longest_us(hourly, 9000) == 3 * 9000
    assert longest_us(EMPTY, 10) == 30


def test_a_channel_that_says_the_same_in_every_revision_is_not_contradicted() -> None:
    times = np.array([0, 0, 10, 10, 20, 20, 20], np.int64)
    value = np.array([1.0, 1.0, 2.0, np.nan, 3.0, 3.0, 4.0])

    first = first_revisions(Series(times, value, np.zeros(7, np.int16)), ~np.isnan(value))

    assert first.value.tolist() == [1.0, 2.0, 3.0]
    assert first.quality.tolist() == [0, 0, Quality.CONFLICT]


def test_the_first_of_several_revisions_counts() -> None:
    times = np.array([0, 10, 10, 10, 20, 20], np.int64)
    quality = np.array([0, 0, 2, 2, 111, 2], np.int16)  # Out of the electrical range: it came.

    value = np.array([1.0, 2.0, 3.0, 4.0, np.nan, 5.0])

    first = first_revisions(Series(times, value, quality), np.ones(6, np.bool_))

    np.testing.assert_array_equal(first.value, [1.0, 2.0, np.nan])
    assert first.quality.tolist() == [0, Quality.CONFLICT, 111]


def test_of_several_revisions_the_first_counts_in_which_something_came() -> None:
    times = np.array([0, 0, 10, 10, 20, 20, 20], np.int64)
    value = np.array([np.nan, 5.0, np.nan, np.nan, np.nan, 6.0, 7.0])
    quality = np.array([101, 0, 100, 103, 100, 0, 0], np.int16)

    first = first_revisions(Series(times, value, quality), ~np.isnan(value))

    np.testing.assert_array_equal(first.value, [5.0, np.nan, 6.0])
    assert first.quality.tolist() == [0, 100, Quality.CONFLICT]


def test_what_only_a_later_revision_knows_is_known() -> None:
    times = np.array([0, 0, 0, 10, 10, 20, 20], np.int64)
    value = np.array([np.nan, 1.0, 2.0, np.nan, 3.0, np.nan, np.nan])
    quality = np.array([101, 0, 2, 100, 0, 101, 100], np.int16)

    first = first_revisions(Series(times, value, quality), ~np.isnan(value))

    np.testing.assert_array_equal(first.value, [1.0, 3.0, np.nan])
    assert first.quality.tolist() == [Quality.CONFLICT, 0, 101]
