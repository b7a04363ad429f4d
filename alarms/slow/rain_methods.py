"""Slow methods about rain: the running storm, what fell before, and the two together."""

import numpy as np

from alarms.rain.antecedent import RecentAndBefore, antecedent_precipitation
from alarms.rain.intensity_duration import IntensityDuration
from alarms.rain.storms import storms_of
from alarms.slow.asking import Answer, Floats, Question, number
from telemetry.trends import (
    AntecedentRainTrend,
    IntensityDurationTrend,
    RainTrend,
    RecentRainTrend,
)


def intensity_duration_of(asked: Question) -> Answer:
    """How near the running storm is to the line: the worst of its stretches that end now."""
    trend = asked.rules[0].trend
    assert isinstance(trend, IntensityDurationTrend)
    line = IntensityDuration(
        trend.coefficient_mm_per_h, trend.exponent, trend.shortest_h, trend.longest_h, trend.source
    )
    rain = rain_mm(asked)
    storms = storms_of(rain, break_bins=max(1, round(trend.break_h / asked.bin_h)))
    lasted = storms.bins[:, -1]
    bins = np.arange(1, rain.shape[1] + 1)
    depth = np.cumsum(np.nan_to_num(rain[:, ::-1]), axis=1)  # Of the last so many bins.
    near = line.nearness(depth, np.broadcast_to(bins * asked.bin_h, depth.shape))
    near = np.where(bins <= lasted[:, np.newaxis], near, np.nan)
    worst = np.fmax.reduce(near, axis=1)
    figure = np.where(storms.in_storm[:, -1], worst, 0.0)
    figure = np.where(np.isnan(rain[:, -1]), np.nan, figure)

    def facts(n: int) -> dict[str, object]:
        return {
            "storm_h": number(lasted[n] * asked.bin_h),
            "storm_mm": number(storms.depth_mm[n, -1]),
            "whole": bool(storms.is_whole[n, -1]),
        }

    return Answer(figure, facts)


def antecedent_rain_of(asked: Question) -> Answer:
    """Antecedent precipitation index, of days of UTC."""
    trend = asked.rules[0].trend
    assert isinstance(trend, AntecedentRainTrend)
    index = antecedent_precipitation(rain_mm(asked), kept=trend.kept_a_day)
    return Answer(index[:, -1])


def recent_rain_of(asked: Question) -> Answer:
    """Millimetres above the line of three days and the fifteen before them."""
    trend = asked.rules[0].trend
    assert isinstance(trend, RecentRainTrend)
    line = RecentAndBefore(trend.intercept_mm, trend.slope, trend.source)
    return Answer(line.excess_mm(rain_mm(asked))[:, -1])


def rain_mm(asked: Question) -> Floats:  # [rule, bin] NaN where the gauge did not say
    """Turn what a rain channel tells into millimetres in each bin.

    What a counter has gained while nothing came fell before it came back, and stands there. Across
    a counter that began anew nothing can be told: `domain.md` F13.
    """
    trend = asked.rules[0].trend
    assert isinstance(trend, RainTrend)
    means = asked.means
    if trend.reads == "amount":
        return means.value * np.where(means.count > 0, means.count, np.nan)
    if trend.reads == "intensity":
        return means.value * asked.bin_h
    known = np.isfinite(means.high)
    place = np.maximum.accumulate(np.where(known, np.arange(known.shape[1]), -1), axis=1)
    before = np.full(place.shape, -1)
    before[:, 1:] = place[:, :-1]
    newest = np.take_along_axis(means.high, np.maximum(before, 0), axis=1)
    gained = np.where(before >= 0, means.high - newest, np.nan)
    begun_anew = (gained < 0.0) | (means.low < newest)
    return np.where(begun_anew, np.nan, gained)
