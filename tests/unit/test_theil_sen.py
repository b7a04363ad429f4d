"""Theil–Sen lines, compared with scipy's."""

import numpy as np
import pytest
from scipy.stats import theilslopes

from alarms.trends import theil_sen
from alarms.trends.means import HOUR_US
from alarms.trends.theil_sen import SenParameters, TrendVerdict, medians, sen_lines

AT_US = 1_751_328_000_000_000 + np.arange(60) * HOUR_US


def test_mann_kendall_row_of_the_domain_has_a_sen_slope_of_1() -> None:
    found = sen_lines(np.array([[1.0, 3, 2, 4, 5]]), AT_US[:5], SenParameters(means_min=5))
    assert found.slope_per_h[0] == 1.0


@pytest.mark.parametrize("digits", [0, 1, 8])
@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_lines_and_intervals_are_those_of_scipy(
    digits: int, missing: float, confidence: float
) -> None:
    random = np.random.default_rng(round(1000 * confidence) + digits)
    value = np.round(
        random.normal(0, 2, (40, 60)) + random.normal(0, 0.1, (40, 1)) * range(60), digits
    )
    value[random.random(value.shape) < missing] = np.nan
    found = sen_lines(value, AT_US, SenParameters(confidence=confidence))
    for row in range(len(value)):
        has = np.isfinite(value[row])
        expected = theilslopes(value[row, has], np.arange(60.0)[has], confidence)
        assert found.slope_per_h[row] == pytest.approx(expected.slope, rel=1e-12, abs=1e-15)
        assert found.intercept[row] == pytest.approx(expected.intercept, rel=1e-9, abs=1e-12)
        assert found.low_per_h[row] == pytest.approx(expected.low_slope, rel=1e-12, abs=1e-15)
        assert found.high_per_h[row] == pytest.approx(expected.high_slope, rel=1e-12, abs=1e-15)
        assert found.count[row] == has.sum()


def test_a_fifth_of_wild_means_does_not_turn_the_line() -> None:
    random = np.random.default_rng(3)
    value = 0.2 * np.arange(60.0) + random.normal(0, 0.05, 60)
    value[random.choice(60, 12, replace=False)] = 1e6
    found = sen_lines(value[np.newaxis], AT_US)
    assert found.slope_per_h[0] == pytest.approx(0.2, abs=0.02)


def test_verdicts_follow_the_interval() -> None:
    random = np.random.default_rng(4)
    noise, way = random.normal(0, 1, 60), np.arange(60.0)
    short = np.where(way < 9, way, np.nan)
    constant, empty = np.full(60, 7.0), np.full(60, np.nan)
    found = sen_lines(np.stack([way + noise, noise - way, noise, short, constant, empty]), AT_US)
    assert [TrendVerdict(one).name for one in found.verdict] == [
        "RISING", "FALLING", "NO_TREND", "TOO_LITTLE_DATA", "NO_TREND", "TOO_LITTLE_DATA",
    ]  # fmt: skip
    assert np.isnan(found.slope_per_h[[3, 5]]).all()
    assert found.slope_per_h[4] == 0.0


def test_the_interval_holds_the_true_slope_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    value = 0.1 * np.arange(30.0) + random.standard_t(3, (3000, 30))
    found = sen_lines(value, AT_US[:30], SenParameters(confidence=0.9))
    held = np.mean((found.low_per_h <= 0.1) & (found.high_per_h >= 0.1))
    assert held == pytest.approx(0.9, abs=0.02)


def test_memory_is_bounded_and_its_bound_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(6)
    value = random.normal(0, 1, (23, 60))
    whole = sen_lines(value, AT_US)
    monkeypatch.setattr(theil_sen, "PAIRS_AT_ONCE", 4 * 60 * 59 // 2)
    assert np.array_equal(sen_lines(value, AT_US).low_per_h, whole.low_per_h)


def test_more_bins_than_pairs_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3000 bins make too many pairs, 2048 may be: use wider"):
        sen_lines(np.zeros((1, 3000)), np.arange(3000) * HOUR_US)


def test_medians_are_those_of_numpy() -> None:
    random = np.random.default_rng(7)
    value = random.normal(0, 1, (30, 9))
    value[random.random(value.shape) < 0.3] = np.nan
    assert np.array_equal(medians(value), np.nanmedian(value, axis=1), equal_nan=True)
