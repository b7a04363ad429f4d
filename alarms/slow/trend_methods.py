"""Slow methods about movement: rates, robust slopes, trends beyond chance, and drift."""

from typing import Any

import numpy as np

from alarms.slow.asking import Answer, Question, number
from alarms.slow.rules import US
from alarms.trends.drift import DriftParameters, DriftVerdict, drift
from alarms.trends.mann_kendall import Correlation, MannKendallParameters, mann_kendall
from alarms.trends.rate import RateParameters, Rates, RateVerdict, rates
from alarms.trends.theil_sen import TrendVerdict, sen_lines
from telemetry.trends import Drift, MannKendallTrend, WindowTrend


def rate_of(asked: Question) -> Answer:
    """Slope of least squares per hour over the window."""
    found = _rates(asked)

    def facts(n: int) -> dict[str, Any]:
        return {
            "error": number(found.error_per_h[0, n]),
            "means": int(found.count[0, n]),
            "known": RateVerdict(int(found.verdict[0, n])).name.lower(),
        }

    return Answer(found.rate_per_h[0], facts)


def theil_sen_of(asked: Question) -> Answer:
    """Median slope per hour."""
    found = sen_lines(asked.means.value, asked.means.at_us)

    def facts(n: int) -> dict[str, Any]:
        return {
            "interval": [number(found.low_per_h[n]), number(found.high_per_h[n])],
            "means": int(found.count[n]),
        }

    known = found.verdict != TrendVerdict.TOO_LITTLE_DATA
    return Answer(np.where(known, found.slope_per_h, np.nan), facts)


def mann_kendall_of(asked: Question) -> Answer:
    """Sen's slope where there is a trend beyond chance, 0 where there is none."""
    trend = asked.rules[0].trend
    assert isinstance(trend, MannKendallTrend)
    parameters = MannKendallParameters(
        alpha=trend.alpha, correlation=Correlation(trend.correlation)
    )
    test = mann_kendall(asked.means.value, parameters)
    line = sen_lines(asked.means.value, asked.means.at_us)
    moves = (test.verdict == TrendVerdict.RISING) | (test.verdict == TrendVerdict.FALLING)
    known = test.verdict != TrendVerdict.TOO_LITTLE_DATA

    def facts(n: int) -> dict[str, Any]:
        return {"p": number(test.p[n]), "tau": number(test.tau[n]), "means": int(test.count[n])}

    return Answer(np.where(known, np.where(moves, line.slope_per_h, 0.0), np.nan), facts)


def drift_of(asked: Question) -> Answer:
    """By how much a channel has parted from all that should say the same; 0 where one agrees."""
    trend = asked.rules[0].trend
    assert isinstance(trend, Drift)
    parameters = DriftParameters(alpha=trend.alpha)
    figures, parted = [], []
    for n, beside in enumerate(asked.beside):
        value = np.vstack([asked.means.value[n : n + 1], beside])
        pairs = np.array([[0, other] for other in range(1, len(value))], dtype=np.int64)
        own = asked.rules[n].trend
        assert isinstance(own, Drift)
        tolerance = np.full(len(pairs), own.tolerance)
        found = drift(value, asked.means.at_us, pairs, tolerance, parameters)
        known = found.verdict != DriftVerdict.TOO_LITTLE_DATA
        way = found.verdict[known]
        drifts = len(way) > 0 and way[0] != DriftVerdict.AGREES and bool(np.all(way == way[0]))
        quiet = 0.0 if known.any() else np.nan
        figures.append(float(np.min(np.abs(found.parted[known]))) if drifts else quiet)
        parted.append([number(one) for one in found.parted])
    return Answer(np.array(figures), lambda n: {"parted": parted[n]})


def _rates(asked: Question) -> Rates:
    trend = asked.rules[0].trend
    assert isinstance(trend, WindowTrend)
    parameters = RateParameters(windows_us=(round(trend.window_s * US),))
    return rates(asked.means.value, asked.means.at_us, asked.until_us, parameters)
