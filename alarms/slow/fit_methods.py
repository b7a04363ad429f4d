"""Slow methods that take off what is known: water, season and age, or year and day."""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from alarms.slow.asking import Answer, Floats, Question, number
from alarms.slow.rules import SlowRule
from alarms.trends.hydrostatic import DAY_US, hydrostatic_model
from alarms.trends.regression import Fit, FitVerdict, Model, Validity, fit
from alarms.trends.residuals import Residuals, residuals
from alarms.trends.seasons import SeasonalModel
from telemetry.trends import FittedTrend, HydrostaticTrend, SeasonalTrend

SPAN_SHARE: Final = 0.95  # A record that has so much of the days asked for is long enough.


def residual_of(asked: Question) -> Answer:
    """Standard deviations by which the newest mean is off; a fit is made once, when it can be."""
    figure = np.full(len(asked), np.nan)
    made: dict[int, Fit] = {}
    found: dict[int, tuple[Fit, Residuals]] = {}
    for n, rule in enumerate(asked.rules):
        where = int(asked.numbers[n])
        drivers = asked.beside[n].T if len(asked.beside[n]) else np.zeros((_bins(asked), 0))
        value = asked.means.value[n : n + 1]
        fitted = asked.fits.get(where)
        if fitted is None:
            fitted = _fit(asked, rule, value, drivers)
            if int(fitted.verdict[0]) < FitVerdict.ENTANGLED:
                continue
            made[where] = fitted
        left = residuals(fitted, value[:, -1:], asked.means.at_us[-1:], drivers[-1:])
        figure[n] = left.in_sigma[0, 0]
        found[n] = fitted, left

    def facts(n: int) -> dict[str, Any]:
        fitted, left = found[n]
        return {
            "expected": number(left.expected[0, 0]),
            "residual": number(left.residual[0, 0]),
            "sigma": number(fitted.sigma[0]),
            "r_squared": number(fitted.r_squared[0]),
            "fit_version": fitted.validity.version,
            "fit_from_us": fitted.validity.from_us,
            "expired": bool(left.expired[0]),
            "extrapolated": bool(left.extrapolated[0, 0]),
        }

    return Answer(figure, facts, made)


def _bins(asked: Question) -> int:
    return int(asked.means.value.shape[1])


def _fit(asked: Question, rule: SlowRule, value: Floats, drivers: Floats) -> Fit:
    trend = rule.trend
    assert isinstance(trend, FittedTrend)
    until_us = asked.until_us + round(trend.valid_days * DAY_US)
    validity = Validity(trend.version, asked.until_us, until_us)
    model = _model(asked, trend, drivers)
    return fit(model, value, asked.means.at_us, drivers, validity)


def _model(asked: Question, trend: FittedTrend, drivers: Floats) -> Model:
    """Ask a record to be nearly as long as the days to learn from, whatever is usual elsewhere."""
    days = SPAN_SHARE * trend.learn_days
    if isinstance(trend, HydrostaticTrend):
        model = hydrostatic_model(drivers[:, 0], asked.means.at_us, tuple(trend.drivers))
        return replace(model, level_powers=trend.level_powers, years_min=days / 365)
    assert isinstance(trend, SeasonalTrend)
    return SeasonalModel(
        began_us=int(asked.means.at_us[0]),
        year_harmonics=trend.year_harmonics,
        day_harmonics=trend.day_harmonics,
        others=tuple(trend.drivers),
        years_min=days / 365,
        days_min=days,
    )
