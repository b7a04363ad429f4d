"""Fits of channels to what drives them, compared with statsmodels; and when they are not to be."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from alarms.trends import regression
from alarms.trends.blocks import blocks
from alarms.trends.effects import parts
from alarms.trends.hydrostatic import DAY_US, HydrostaticModel, antecedent, hydrostatic_model
from alarms.trends.least_squares import least_squares
from alarms.trends.regression import Fit, FitVerdict, Validity, fit
from alarms.trends.residuals import ResidualVerdict, residuals
from alarms.trends.seasons import SeasonalModel

Floats = NDArray[np.float64]

BEGAN_US = 1_577_836_800_000_000  # 2020-01-01
DAYS = np.arange(5 * 365)
AT_US = BEGAN_US + DAYS * DAY_US + DAY_US // 2
RANDOM = np.random.default_rng(1)
# A pond that follows the year only in part: wet and dry years, and draw-downs.
LEVEL = 60 + 6 * np.sin(DAYS / 58.1) + 4 * np.sin(DAYS / 171.0) + np.sin(DAYS / 23.0)
VALID = Validity(version=1, from_us=int(AT_US[-1]), until_us=int(AT_US[-1]) + 365 * DAY_US)


def truth(level: Floats, at_us: NDArray[np.int64]) -> Floats:
    """A pendulum, in mm: the water pushes, the summer relaxes, and age adds a little."""
    z = (level - 49.0) / 22.0
    s = 2 * np.pi * (at_us / DAY_US) / 365.25
    theta = (at_us - AT_US[0]) / DAY_US / 100
    return 3 + 8 * z - 2 * z**2 + 5 * z**4 - 4 * np.cos(s) + 1.5 * np.sin(s) + 0.8 * np.log1p(theta)


def record(channels: int = 3, noise: float = 0.3) -> Floats:
    random = np.random.default_rng(2)
    return truth(LEVEL, AT_US) + random.normal(0, noise, (channels, len(DAYS)))


def fitted(value: Floats, level: Floats = LEVEL, at_us: NDArray[np.int64] = AT_US) -> Fit:
    model = hydrostatic_model(level, at_us)
    return fit(model, value, at_us, level[:, np.newaxis], VALID)


def verdicts(found: Fit) -> list[str]:
    return [FitVerdict(one).name for one in found.verdict]


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_fits_are_those_of_statsmodels(missing: float) -> None:
    value = record(6)
    value[np.random.default_rng(3).random(value.shape) < missing] = np.nan
    found = fitted(value)
    columns = found.model.columns(AT_US, LEVEL[:, np.newaxis])
    for row in range(len(value)):
        expected = sm.OLS(value[row], columns, missing="drop").fit()
        assert found.coefficient[row] == pytest.approx(expected.params, rel=1e-6)
        assert found.error[row] == pytest.approx(expected.bse, rel=1e-6)
        assert found.sigma[row] == pytest.approx(np.sqrt(expected.mse_resid), rel=1e-9)
        assert found.r_squared[row] == pytest.approx(expected.rsquared, rel=1e-9)
        assert found.count[row] == expected.nobs


def test_seasonal_fits_are_those_of_statsmodels() -> None:
    hour_us = DAY_US // 24
    at_us = BEGAN_US + np.arange(60 * 24) * hour_us + hour_us // 2
    model = SeasonalModel(began_us=BEGAN_US, year_harmonics=0, others=("temperature",))
    warmth = 10 + RANDOM.normal(0, 3, (len(at_us), 1))
    value = 0.1 * warmth.T + np.sin(at_us / hour_us * np.pi / 12) + RANDOM.normal(0, 0.1, (2, 1440))
    found = fit(model, value, at_us, warmth, VALID)
    for row in range(2):
        expected = sm.OLS(value[row], model.columns(at_us, warmth)).fit()
        assert found.coefficient[row] == pytest.approx(expected.params, rel=1e-6, abs=1e-9)
        assert found.sigma[row] == pytest.approx(np.sqrt(expected.mse_resid), rel=1e-9)
    assert verdicts(found) == ["FITTED"] * 2


def test_what_a_dam_does_is_taken_apart() -> None:
    found = fitted(record(noise=0.1))
    columns = found.model.columns(AT_US, LEVEL[:, np.newaxis])
    names, shares = parts(found.model.effects, columns, found.coefficient)
    s = 2 * np.pi * (AT_US / DAY_US) / 365.25
    season = shares[names.index("season"), 0]
    assert np.std(season - season.mean() - (-4 * np.cos(s) + 1.5 * np.sin(s))) < 0.05
    assert found.sigma == pytest.approx([0.1] * 3, rel=0.05)
    assert verdicts(found) == ["FITTED"] * 3


def test_what_is_no_fit_says_why() -> None:
    value = record(4)
    value[0, 40:] = np.nan
    value[1, 730:] = np.nan
    value[2] = np.nan
    found = fitted(value)
    assert verdicts(found) == ["TOO_LITTLE_DATA", "TOO_SHORT", "TOO_LITTLE_DATA", "FITTED"]
    assert np.isnan(found.coefficient[:3]).all()
    assert np.isnan(found.sigma[:3]).all()
    judged = residuals(found, value, AT_US, LEVEL[:, np.newaxis])
    assert (judged.verdict[:3] == ResidualVerdict.NO_FIT).all()


@pytest.mark.parametrize(("days", "verdict"), [(3 * 365, "FITTED"), (3 * 365 - 1, "TOO_SHORT")])
def test_three_years_of_days_are_three_years(days: int, verdict: str) -> None:
    assert verdicts(fitted(record(1)[:, :days], LEVEL[:days], AT_US[:days])) == [verdict]


def test_a_level_that_never_moved_has_no_effect_to_tell() -> None:
    assert verdicts(fitted(record(), np.full(len(DAYS), 60.0))) == ["DEGENERATE"] * 3


def test_a_channel_that_saw_one_level_only_is_degenerate_alone() -> None:
    level = np.where(DAYS % 2 == 0, 60.0, LEVEL)
    value = record()
    value[1, 1::2] = np.nan
    assert verdicts(fitted(value, level)) == ["FITTED", "DEGENERATE", "FITTED"]


def test_days_cannot_show_what_happens_within_a_day() -> None:
    model = SeasonalModel(began_us=BEGAN_US)
    found = fit(model, record(), AT_US, np.zeros((len(DAYS), 0)), VALID)
    assert verdicts(found) == ["DEGENERATE"] * 3
    coarse = replace(model, day_harmonics=0)
    assert verdicts(fit(coarse, record(), AT_US, np.zeros((len(DAYS), 0)), VALID))[0] == "FITTED"


def test_a_pond_that_only_follows_the_year_is_entangled_with_it() -> None:
    level = 60 + 8 * np.sin(2 * np.pi * (AT_US / DAY_US) / 365.25) + 0.2 * np.sin(DAYS / 23.0)
    value = truth(level, AT_US) + RANDOM.normal(0, 0.3, (2, len(DAYS)))
    found = fitted(value, level)
    assert verdicts(found) == ["ENTANGLED"] * 2
    assert found.entanglement.min() > 0.95
    judged = residuals(found, value, AT_US, level[:, np.newaxis])
    assert np.mean(judged.verdict == ResidualVerdict.WITHIN) > 0.9


def test_entanglement_is_that_of_the_bins_that_a_channel_has() -> None:
    value = record(2)
    value[1, DAYS > 1300] = np.nan
    found, part = fitted(value), DAYS <= 1300
    alone = fit(found.model, value[1:, part], AT_US[part], LEVEL[part, np.newaxis], VALID)
    assert found.entanglement[1] == pytest.approx(alone.entanglement[0], rel=1e-6)
    assert found.entanglement[1] != pytest.approx(found.entanglement[0], rel=1e-3)


def test_each_channel_knows_the_levels_that_it_has_seen() -> None:
    value = record(2)
    value[1, LEVEL > 62] = np.nan
    found = fitted(value)
    judged = residuals(found, value, AT_US, LEVEL[:, np.newaxis])
    assert not judged.extrapolated[0].any()
    assert judged.extrapolated[1].tolist() == (LEVEL > 62).tolist()
    value[1] = np.where(LEVEL < 57, np.nan, record(2)[1])
    judged = residuals(fitted(value), value, AT_US, LEVEL[:, np.newaxis])
    assert judged.extrapolated[1].tolist() == (LEVEL < 57).tolist()


def test_missing_drivers_leave_bins_out() -> None:
    level = LEVEL.copy()
    level[100:200] = np.nan
    found = fitted(record(), level)
    assert found.count.tolist() == [len(DAYS) - 100] * 3
    judged = residuals(found, record(), AT_US, level[:, np.newaxis])
    assert (judged.verdict[:, 100:200] == ResidualVerdict.MISSING).all()
    assert (judged.verdict[:, :100] != ResidualVerdict.MISSING).all()


# The next year, judged by the fit of the five before.
LATER_US = AT_US[-1] + np.arange(1, 200) * DAY_US
LATER_LEVEL = 60 + 6 * np.sin((DAYS[-1] + np.arange(1, 200)) / 58.1)


def test_the_unchanged_dam_stays_within_its_limits() -> None:
    found = fitted(record(40))
    value = truth(LATER_LEVEL, LATER_US) + np.random.default_rng(4).normal(0, 0.3, (40, 199))
    judged = residuals(found, value, LATER_US, LATER_LEVEL[:, np.newaxis])
    assert np.mean(judged.verdict >= ResidualVerdict.BEYOND_95) == pytest.approx(0.05, abs=0.015)
    assert np.mean(judged.verdict == ResidualVerdict.BEYOND_99) < 0.006
    assert not judged.extrapolated.any()
    assert not judged.expired.any()


def test_a_dam_that_does_something_new_is_seen() -> None:
    found = fitted(record())
    value = truth(LATER_LEVEL, LATER_US) + np.random.default_rng(5).normal(0, 0.3, (3, 199))
    value[1, 100:] += 1.5
    judged = residuals(found, value, LATER_US, LATER_LEVEL[:, np.newaxis])
    assert np.mean(judged.verdict[1, 100:] == ResidualVerdict.BEYOND_99) > 0.9
    assert np.mean(judged.verdict[[0, 2]] == ResidualVerdict.BEYOND_99) < 0.02


def test_a_level_never_seen_is_judged_and_marked() -> None:
    found = fitted(record())
    level = np.full((199, 1), LEVEL.max() + 0.01)
    value = truth(level[:, 0], LATER_US) + np.zeros((3, 1))
    judged = residuals(found, value, LATER_US, level)
    assert judged.extrapolated.all()
    assert np.isfinite(judged.in_sigma).all()
    assert not residuals(found, value, LATER_US, np.full((199, 1), 60.0)).extrapolated.any()


def test_a_combination_never_seen_is_marked() -> None:
    """Full in winter, empty in summer: both levels are known, but not in the other season."""
    season = np.sin(2 * np.pi * (AT_US / DAY_US) / 365.25)
    level = 60 + 8 * season + np.sin(DAYS / 23.0)
    found = fitted(record(), level)
    same = residuals(found, record(), AT_US, level[:, np.newaxis])
    other = residuals(found, record(), AT_US, (60 - 7 * season)[:, np.newaxis])
    assert not same.extrapolated.any()
    assert other.extrapolated.mean() > 0.5


def test_a_fit_expires() -> None:
    found = fitted(record())
    at_us = np.array([VALID.from_us - 1, VALID.from_us, VALID.until_us - 1, VALID.until_us])
    judged = residuals(found, np.zeros((3, 4)), at_us, np.full((4, 1), 60.0))
    assert judged.expired.tolist() == [True, False, False, True]


def test_before_its_beginning_nothing_is_expected() -> None:
    found = fitted(record())
    judged = residuals(found, np.zeros((3, 1)), AT_US[:1] - DAY_US, np.full((1, 1), 60.0))
    assert (judged.verdict == ResidualVerdict.MISSING).all()


def test_what_is_explained_to_the_last_bit_allows_rounding_only() -> None:
    value = np.full((1, len(DAYS)), 7.0)
    found = fitted(value)
    judged = residuals(found, value, AT_US, LEVEL[:, np.newaxis])
    assert verdicts(found) == ["FITTED"]
    assert (judged.verdict == ResidualVerdict.WITHIN).all()


def test_rain_of_before_is_a_driver() -> None:
    rain = np.random.default_rng(6).exponential(2.0, len(DAYS))
    wet = antecedent(rain, 7)
    model = replace(hydrostatic_model(LEVEL, AT_US, ("rain of 7 days",)))
    value = record() + 0.7 * np.nan_to_num(wet)
    found = fit(model, value, AT_US, np.column_stack([LEVEL, wet]), VALID)
    assert found.coefficient[:, -1] == pytest.approx([0.7] * 3, abs=0.03)
    assert found.model.effects[-1] == "rain of 7 days"


def test_antecedent_means_are_plain_means() -> None:
    rain = np.random.default_rng(7).exponential(2.0, 30)
    rain[12] = np.nan
    found = antecedent(rain, 4)
    for n in range(30):
        window = rain[n - 3 : n + 1]
        expected = np.mean(window) if n >= 3 else np.nan
        assert found[n] == pytest.approx(expected, nan_ok=True)


def test_nothing_comes_of_nothing() -> None:
    model = HydrostaticModel(level_zero=0.0, level_span=1.0, began_us=BEGAN_US)
    found = fit(model, np.zeros((2, 0)), AT_US[:0], np.zeros((0, 1)), VALID)
    assert verdicts(found) == ["TOO_LITTLE_DATA"] * 2
    assert hydrostatic_model(LEVEL[:0], AT_US[:0]).began_us == 0
    assert least_squares(np.ones((1, 1)), np.zeros((2, 1))).count.tolist() == [1, 1]


def test_channels_do_not_see_each_other() -> None:
    value = record(5)
    value[2, ::3] = np.nan
    value[3, LEVEL > 60] = np.nan
    whole = fitted(value)
    theirs = residuals(whole, value, AT_US, LEVEL[:, np.newaxis])
    for row in range(5):
        alone = fitted(value[row : row + 1])
        assert alone.coefficient[0] == pytest.approx(whole.coefficient[row], rel=1e-9)
        assert alone.entanglement[0] == pytest.approx(whole.entanglement[row], rel=1e-9)
        assert alone.verdict[0] == whole.verdict[row]
        mine = residuals(alone, value[row : row + 1], AT_US, LEVEL[:, np.newaxis])
        assert np.array_equal(mine.extrapolated[0], theirs.extrapolated[row])


def test_memory_is_bounded_and_its_bound_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted(record(7))
    monkeypatch.setattr(regression, "blocks", lambda rows, _: blocks(rows, 1, 3))
    cut = fitted(record(7))
    assert cut.coefficient == pytest.approx(whole.coefficient, rel=1e-9)
    assert cut.seen.high.tolist() == whole.seen.high.tolist()
    assert cut.verdict.tolist() == whole.verdict.tolist()
