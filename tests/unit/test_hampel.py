"""Which values stand out from those before them?"""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation

from alarms.trends import hampel as module
from alarms.trends.hampel import HampelParameters, HampelVerdict, hampel

NOISY = np.random.default_rng(1).normal(10.0, 0.2, (30, 120))
RESOLUTION = np.full(30, 0.01)


def of(row: list[float] | NDArray[np.float64], resolution: float = 0.1) -> list[str]:
    found = hampel(np.array([row], dtype=np.float64), np.array([resolution]))
    return [HampelVerdict(one).name for one in found.verdict[0]]


def test_a_window_is_judged_as_with_scipy() -> None:
    value = NOISY.copy()
    value[np.random.default_rng(2).random(value.shape) < 0.3] = np.nan
    found = hampel(value, RESOLUTION)
    for row in range(30):
        for end in range(20, 120, 7):
            window = value[row, end - 10 : end + 1]
            assert found.median[row, end] == pytest.approx(np.nanmedian(window), nan_ok=True)
            spread = median_abs_deviation(window, scale="normal", nan_policy="omit")
            assert found.spread[row, end] == pytest.approx(max(spread, 0.01), rel=1e-4)


def test_a_spike_is_an_outlier_and_what_follows_is_not() -> None:
    row = NOISY[0].copy()
    row[60] = 14.0
    found = of(row, 0.01)
    assert found[60] == "OUTLIER"
    assert found[61:72].count("OUTLIER") <= 1


def test_noise_is_seldom_an_outlier() -> None:
    verdict = hampel(NOISY, RESOLUTION).verdict[:, 10:]
    assert 0 < np.mean(verdict == HampelVerdict.OUTLIER) < 0.03


def test_a_level_that_repeats_and_moves_by_one_step_is_good() -> None:
    row = [3.25] * 40 + [3.26] * 3 + [3.25] * 5 + [3.24] * 10
    assert set(of(row, 0.01)[5:]) == {"GOOD"}


@pytest.mark.parametrize("level", [0.0, 3.25, 338.48, 1e6])
def test_three_steps_are_not_beyond_three_steps(level: float) -> None:
    for sign in (-1, 1):
        row = [round(level + 0.01 * n, 2) for n in [0] * 11 + [3 * sign, 0, 4 * sign]]
        assert of(row, 0.01)[-3:] == ["GOOD", "GOOD", "OUTLIER"]


def test_without_a_resolution_what_leaves_a_constant_is_not_judged() -> None:
    assert of([1.0] * 8 + [1.5, 1.0], 0.0)[8:] == ["UNKNOWN", "GOOD"]
    assert of([1.0] * 8 + [1.5], float("nan"))[8] == "UNKNOWN"


def test_a_step_is_an_outlier_until_half_the_window_is_beyond_it() -> None:
    found = of([0.0] * 20 + [5.0] * 20)
    assert found[20:].count("OUTLIER") == 5
    assert set(found[20:25]) == {"OUTLIER"}


def test_what_is_missing_or_alone_is_unknown() -> None:
    assert of([1.0, 1.0, 1.0, 1.0, 1.0, np.nan, 1.0])[:6] == ["UNKNOWN"] * 4 + ["GOOD", "UNKNOWN"]
    assert of([1.0] * 20 + [np.nan] * 11 + [1.0])[-1] == "UNKNOWN"


def test_it_looks_back_only_and_may_be_cut() -> None:
    whole = hampel(NOISY, RESOLUTION).verdict
    assert np.array_equal(hampel(NOISY[:, :70], RESOLUTION).verdict, whole[:, :70])
    assert np.array_equal(hampel(NOISY[:, 60:], RESOLUTION).verdict[:, 10:], whole[:, 70:])


def test_memory_is_bounded_and_its_bound_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = hampel(NOISY, RESOLUTION)
    monkeypatch.setattr(module, "WINDOWS_AT_ONCE", 7 * 120)
    assert np.array_equal(hampel(NOISY, RESOLUTION).spread, whole.spread, equal_nan=True)


def test_the_window_and_k_are_the_users() -> None:
    row = np.array([[0.0, 0.1, 0.2, 0.1, 0.0, 0.5]])
    wide = hampel(row, np.array([0.01]), HampelParameters(window=6, k=6.0))
    tight = hampel(row, np.array([0.01]), HampelParameters(window=6, k=2.0))
    assert [wide.verdict[0, -1], tight.verdict[0, -1]] == [
        HampelVerdict.GOOD,
        HampelVerdict.OUTLIER,
    ]
