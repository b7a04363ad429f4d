"""How fast does a channel move, over an hour, a day and a week; and when is that not known?"""

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from alarms.trends import rate as module
from alarms.trends.blocks import blocks
from alarms.trends.means import HOUR_US
from alarms.trends.rate import DAY_US, RateParameters, RateVerdict, rates, slopes

BEGAN_US = 1_751_328_000_000_000
TEN_MINUTES_US = HOUR_US // 6
WEEK = 7 * 24 * 6  # bins of ten minutes
AT_US = BEGAN_US + np.arange(WEEK) * TEN_MINUTES_US + TEN_MINUTES_US // 2
UNTIL_US = BEGAN_US + 7 * DAY_US
HOUR, DAY, SEVEN_DAYS = range(3)


def of(value: NDArray[np.float64]) -> tuple[list[float], list[RateVerdict]]:
    found = rates(value[np.newaxis], AT_US, UNTIL_US)
    return found.rate_per_h[:, 0].tolist(), [RateVerdict(one) for one in found.verdict[:, 0]]


def test_a_steady_movement_has_one_rate_over_all_windows() -> None:
    found, verdicts = of(1234.5 + 0.25 * np.arange(WEEK) / 6)
    assert found == pytest.approx([0.25] * 3)
    assert verdicts == [RateVerdict.KNOWN] * 3


def test_each_window_tells_its_own_time() -> None:
    value = np.zeros(WEEK)
    value[-6:] = np.arange(6) / 6  # one per hour, in the last hour only
    found, _ = of(value)
    assert found[HOUR] == pytest.approx(1.0)
    assert 0 < found[SEVEN_DAYS] < found[DAY] < 0.02


def test_a_window_holds_the_bins_whose_middle_is_in_it() -> None:
    counts = rates(np.zeros((1, WEEK)), AT_US, UNTIL_US).count[:, 0]
    assert counts.tolist() == [6, 144, 1008]


def test_a_window_holds_its_end_and_not_its_beginning() -> None:
    at_us = AT_US[-1]  # the middle of a bin: so is the instant an hour before
    parameters = RateParameters(windows_us=(HOUR_US,))
    value = np.where(at_us == AT_US, np.nan, 1.0)
    assert rates(value[np.newaxis], AT_US, int(at_us), parameters).count.tolist() == [[5]]
    assert rates(value[np.newaxis], AT_US, int(at_us) - 1, parameters).count.tolist() == [[6]]


@pytest.mark.parametrize(
    ("missing", "window", "verdict"),
    [
        (slice(-6, -3), HOUR, RateVerdict.TOO_LITTLE_DATA),
        (slice(-1, None), HOUR, RateVerdict.KNOWN),  # ten minutes are a sixth
        (slice(-28, None), DAY, RateVerdict.KNOWN),
        (slice(-29, None), DAY, RateVerdict.TOO_OLD),  # more than a fifth
        (slice(-144, -108), DAY, RateVerdict.KNOWN),  # three quarters are there
        (slice(-144, -107), DAY, RateVerdict.TOO_SHORT),
        (slice(-130, -58), DAY, RateVerdict.KNOWN),  # half, and not yet more
        (slice(-130, -57), DAY, RateVerdict.TOO_WIDE_A_GAP),
        (slice(None), SEVEN_DAYS, RateVerdict.TOO_LITTLE_DATA),
    ],
)
def test_a_gap_is_told(missing: slice, window: int, verdict: RateVerdict) -> None:
    value = 0.25 * np.arange(WEEK) / 6
    value[missing] = np.nan
    found, verdicts = of(value)
    assert verdicts[window] is verdict
    assert np.isnan(found[window]) == (verdict is not RateVerdict.KNOWN)
    if verdict is RateVerdict.KNOWN:
        assert found[window] == pytest.approx(0.25)


def test_old_news_are_no_rate() -> None:
    found = rates(np.arange(float(WEEK))[np.newaxis], AT_US, UNTIL_US + 30 * DAY_US)
    assert (found.verdict == RateVerdict.TOO_LITTLE_DATA).all()
    assert np.isnan(found.rate_per_h).all()


def test_without_any_bin_nothing_is_known() -> None:
    found = rates(np.zeros((2, 0)), np.zeros(0, dtype=np.int64), UNTIL_US)
    assert found.verdict.tolist() == [[RateVerdict.TOO_LITTLE_DATA] * 2] * 3


def test_slope_and_error_are_those_of_statsmodels() -> None:
    random = np.random.default_rng(20)
    at_h = np.sort(random.uniform(0, 100, 60))
    value = 5000 + 0.3 * at_h + random.normal(0, 2, (25, 60))
    value[random.random(value.shape) < 0.3] = np.nan
    slope, error, count = slopes(value, at_h)
    for row in range(len(value)):
        fit = sm.OLS(value[row], sm.add_constant(at_h), missing="drop").fit()
        assert slope[row] == pytest.approx(fit.params[1], rel=1e-9)
        assert error[row] == pytest.approx(fit.bse[1], rel=1e-9)
        assert count[row] == fit.nobs


def test_a_line_varies_less_than_a_difference() -> None:
    """The reason that the rate is a fit: n(n+1)/(6(n-1)) times less variance, 4.6 for a day."""
    random = np.random.default_rng(21)
    value = random.normal(0, 1, (4000, 24))
    fitted = slopes(value, np.arange(24.0))[0]
    difference = (value[:, -1] - value[:, 0]) / 23
    assert np.var(difference) / np.var(fitted) == pytest.approx(24 * 25 / (6 * 23), rel=0.08)


def test_memory_is_bounded_and_its_bound_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    value = np.random.default_rng(22).normal(0, 1, (11, WEEK))
    whole = rates(value, AT_US, UNTIL_US)
    monkeypatch.setattr(module, "blocks", lambda rows, _: blocks(rows, 1, 4))
    cut = rates(value, AT_US, UNTIL_US)
    assert np.array_equal(cut.rate_per_h, whole.rate_per_h)
    assert np.array_equal(cut.verdict, whole.verdict)


def test_windows_are_the_users() -> None:
    parameters = RateParameters(windows_us=(2 * HOUR_US,), means_min=12)
    found = rates(np.arange(float(WEEK))[np.newaxis], AT_US, UNTIL_US, parameters)
    assert found.rate_per_h[0, 0] == pytest.approx(6.0)
