"""Mann–Kendall, its two corrections for correlation, compared with pymannkendall."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pymannkendall
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata
from statsmodels.tsa.stattools import acf

from alarms.trends import mann_kendall as module
from alarms.trends.autocorrelation import autocorrelation, lag_one, ranks
from alarms.trends.blocks import blocks
from alarms.trends.mann_kendall import (
    Correlation,
    MannKendallParameters,
    kendall_s,
    mann_kendall,
    pre_whitened,
)
from alarms.trends.theil_sen import TrendVerdict, kendall_variance

IGNORED = MannKendallParameters(alpha=0.05, correlation=Correlation.IGNORED)
HAMED_RAO = MannKendallParameters(alpha=0.05, correlation=Correlation.HAMED_RAO, all_lags=True)
PRE_WHITENED = MannKendallParameters(alpha=0.05, correlation=Correlation.PRE_WHITENED)


def wandering(channels: int, bins: int, seed: int) -> NDArray[np.float64]:
    """Correlated rows, some with a trend."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, 1, (channels, bins))
    for n in range(1, bins):
        noise[:, n] += 0.5 * noise[:, n - 1]
    return noise + random.normal(0, 0.03, (channels, 1)) * np.arange(bins)


def test_mann_kendall_row_of_the_domain() -> None:
    row = np.array([[1.0, 3, 2, 4, 5]])
    found = mann_kendall(row, MannKendallParameters(correlation=Correlation.IGNORED, means_min=5))
    assert found.s[0] == 8
    assert found.variance[0] == pytest.approx(16.667, abs=5e-4)
    assert found.z[0] == pytest.approx(1.7146, abs=5e-5)


@pytest.mark.parametrize("bins", [24, 41, 100])
@pytest.mark.parametrize(
    ("parameters", "theirs"),
    [
        (IGNORED, pymannkendall.original_test),
        (HAMED_RAO, pymannkendall.hamed_rao_modification_test),
        (PRE_WHITENED, pymannkendall.trend_free_pre_whitening_modification_test),
    ],
)
def test_answers_are_those_of_pymannkendall(
    bins: int, parameters: MannKendallParameters, theirs: Callable[..., Any]
) -> None:
    # These numbers of bins have an even number of pairs: Sen's line then goes through no two
    # means, whose order after detrending would be a matter of rounding.
    value = wandering(60, bins, seed=bins)
    found = mann_kendall(value, parameters)
    names = {"increasing": "RISING", "decreasing": "FALLING", "no trend": "NO_TREND"}
    compared = 0
    for row in range(len(value)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of square roots of their negative variances.
            expected = theirs(value[row], alpha=0.05)
        if expected.var_s > 0:
            compared += 1
            numbers = [getattr(found, name)[row] for name in ("s", "variance", "z", "p", "tau")]
            told = [expected.s, expected.var_s, expected.z, expected.p, expected.Tau]
            assert numbers == pytest.approx(told, rel=1e-9, abs=1e-12)
            assert TrendVerdict(found.verdict[row]).name == names[expected.trend]
        else:
            assert found.variance[row] == kendall_variance(value[row : row + 1])[0]
    assert compared > 50


def test_gaps_are_skipped_where_only_order_counts() -> None:
    random = np.random.default_rng(8)
    value = np.round(wandering(40, 50, seed=9), 1)  # with ties, as instruments round
    value[random.random(value.shape) < 0.4] = np.nan
    found = mann_kendall(value, IGNORED)
    for row in range(len(value)):
        expected = pymannkendall.original_test(value[row], alpha=0.05)
        told = [expected.s, expected.var_s, expected.z]
        assert [found.s[row], found.variance[row], found.z[row]] == pytest.approx(told)


def false_trends(value: NDArray[np.float64], correlation: Correlation) -> float:
    found = mann_kendall(value, MannKendallParameters(alpha=0.05, correlation=correlation))
    return float(np.mean(found.verdict != TrendVerdict.NO_TREND))


def correlated(channels: int, bins: int) -> NDArray[np.float64]:
    random = np.random.default_rng(10)
    value = random.normal(0, 1, (channels, bins))
    for n in range(1, bins):
        value[:, n] += 0.6 * value[:, n - 1]
    return value


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_correlation_without_a_trend_is_taken_for_one_less_often(missing: float) -> None:
    value = correlated(2000, 100)
    value[np.random.default_rng(16).random(value.shape) < missing] = np.nan
    naive = false_trends(value, Correlation.IGNORED)
    assert naive > 0.2
    assert false_trends(value, Correlation.HAMED_RAO) < 0.4 * naive


def test_pre_whitening_sees_more_trends_that_are_none() -> None:
    """Why it is not the default, and what its page warns of (Bayazit & Önöz 2007)."""
    value = correlated(2000, 100)
    naive = false_trends(value, Correlation.IGNORED)
    assert false_trends(value, Correlation.PRE_WHITENED) > naive


def test_correlation_only_makes_a_trend_less_sure() -> None:
    """Noise that swings to and fro would narrow the spread far too much, from one chance lag."""
    value = np.random.default_rng(21).normal(0, 1, (2000, 100))
    for n in range(1, 100):
        value[:, n] -= 0.5 * value[:, n - 1]
    assert np.mean(mann_kendall(value, HAMED_RAO).verdict != TrendVerdict.NO_TREND) > 0.07
    assert false_trends(value, Correlation.HAMED_RAO) < 0.01


def test_all_lags_see_trends_in_white_noise() -> None:
    """Why Hamed and Rao's sum is ended at the first lag that does not stand out."""
    value = np.random.default_rng(17).normal(0, 1, (2000, 100))
    found = mann_kendall(value, HAMED_RAO)
    assert np.mean(found.verdict != TrendVerdict.NO_TREND) > 0.07
    assert false_trends(value, Correlation.HAMED_RAO) < 0.06


def test_a_shuffled_row_is_seldom_a_trend() -> None:
    value = np.random.default_rng(11).normal(0, 1, (4000, 40))
    assert false_trends(value, Correlation.IGNORED) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize("correlation", list(Correlation))
def test_what_cannot_be_told_is_not_told(correlation: Correlation) -> None:
    way = np.arange(30.0)
    rows = [
        np.full(30, np.nan),
        np.where(way < 9, way, np.nan),
        np.full(30, 0.1),
        0.1 * way,
        5e6 - 0.1 * way,
        np.where(way == 3, np.inf, np.nan),
    ]
    found = mann_kendall(np.stack(rows), MannKendallParameters(correlation=correlation))
    assert [TrendVerdict(one).name for one in found.verdict] == [
        "TOO_LITTLE_DATA", "TOO_LITTLE_DATA", "NO_TREND", "RISING", "FALLING", "TOO_LITTLE_DATA",
    ]  # fmt: skip
    assert np.isnan(found.z[[0, 1, 5]]).all()


def test_every_other_mean_missing_leaves_nothing_to_whiten() -> None:
    value = np.where(np.arange(60) % 2 == 0, np.arange(60.0), np.nan)[np.newaxis]
    assert mann_kendall(value, PRE_WHITENED).verdict[0] == TrendVerdict.TOO_LITTLE_DATA
    assert mann_kendall(value, HAMED_RAO).verdict[0] == TrendVerdict.RISING


def test_whitening_knows_gaps_of_time() -> None:
    value = wandering(1, 40, seed=12)
    value[0, 20] = np.nan
    assert np.flatnonzero(np.isnan(pre_whitened(value)[0])).tolist() == [19, 20]


def test_s_is_counted_as_on_paper() -> None:
    row = [2.0, np.nan, 1.0, 2.0, 5.0, 0.0]
    pairs = [(a, b) for n, a in enumerate(row) for b in row[n + 1 :]]
    assert kendall_s(np.array([row]))[0] == sum((b > a) - (b < a) for a, b in pairs)


def test_autocorrelation_is_that_of_statsmodels() -> None:
    value = wandering(20, 61, seed=13)
    found = autocorrelation(value)
    for row in range(len(value)):
        assert found[row] == pytest.approx(acf(value[row], nlags=60), abs=1e-12)


def test_autocorrelation_across_gaps_is_of_time() -> None:
    random = np.random.default_rng(14)
    value = np.sin(np.arange(400) * np.pi / 2)[np.newaxis]  # period 4
    value[0, random.random(400) < 0.5] = np.nan
    found = autocorrelation(value)[0]
    assert found[2] < -0.85
    assert found[4] > 0.85
    assert abs(found[1]) < 0.2


def test_lag_one_is_that_of_all_lags() -> None:
    value = wandering(30, 50, seed=18)
    value[np.random.default_rng(19).random(value.shape) < 0.3] = np.nan
    value[0] = np.nan
    value[1, 2:] = np.nan
    expected = np.nan_to_num(autocorrelation(value)[:, 1])
    assert lag_one(value) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("correlation", list(Correlation))
def test_memory_is_bounded_and_its_bound_is_not_seen(
    correlation: Correlation, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, parameters = wandering(23, 40, seed=20), MannKendallParameters(correlation=correlation)
    whole = mann_kendall(value, parameters)
    monkeypatch.setattr(module, "blocks", lambda rows, _: blocks(rows, 1, 4))
    assert mann_kendall(value, parameters).z == pytest.approx(whole.z, rel=1e-9)


def test_nothing_that_varies_has_no_autocorrelation() -> None:
    found = autocorrelation(np.stack([np.full(8, 0.1), np.full(8, np.nan)]))
    assert np.isnan(found).all()


def test_ranks_are_those_of_scipy() -> None:
    value = np.round(wandering(20, 30, seed=15))
    value[:, ::7] = np.nan
    for row, found in zip(value, ranks(value), strict=True):
        has = np.isfinite(row)
        assert np.array_equal(found[has], rankdata(row[has]))
        assert np.isnan(found[~has]).all()
