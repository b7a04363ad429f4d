"""Slow methods about failure: onset of acceleration, tangent angle, time of failure."""

from dataclasses import fields
from typing import Any, Final

import numpy as np

from alarms.forecast.blocks import bin_noise
from alarms.forecast.filters import moving_average
from alarms.forecast.forecasting import forecast
from alarms.forecast.forecasts import Answers, Forecasts
from alarms.forecast.onset import NONE, onset_of_acceleration
from alarms.forecast.tangent_angle import tangent_angle
from alarms.forecast.verdict import Verdict
from alarms.forecast.words import reason
from alarms.slow.asking import Answer, Floats, Question, number
from alarms.slow.rules import US
from alarms.trends.rate import RateParameters, rates
from telemetry.trends import AccelerationTrend, TangentAngleTrend

NOISE_SIGMAS: Final = 3.0  # A difference of averages below this is what noise does.


def acceleration_of(asked: Question) -> Answer:
    """Hours since the short average of the velocity crossed above the long one; 0 where it hasn't.

    What noise alone could do is no acceleration: the difference of the averages has to stand out of
    it now.
    """
    trend = asked.rules[0].trend
    assert isinstance(trend, AccelerationTrend)
    value = asked.means.value
    moved = np.diff(value, axis=1)
    total = np.nansum(moved[:, -trend.long_bins :], axis=1)
    velocity = np.where(total < 0.0, -1.0, 1.0)[:, np.newaxis] * moved
    step = onset_of_acceleration(velocity, trend.short_bins, trend.long_bins)
    short = moving_average(velocity, trend.short_bins)[:, -1]
    long = moving_average(velocity, trend.long_bins)[:, -1]
    # An average of n steps is the difference of two bins over n.
    noise = np.sqrt(2.0) * bin_noise(value, asked.resolution)
    noise = noise * (1.0 / trend.short_bins + 1.0 / trend.long_bins)
    stands_out = short - long > NOISE_SIGMAS * noise
    lasted_h = (velocity.shape[1] - step) * asked.bin_h
    accelerates = stands_out & (step != NONE)
    known = np.isfinite(short) & np.isfinite(long)

    def facts(n: int) -> dict[str, Any]:
        return {
            "velocity": number(short[n] / asked.bin_h),
            "velocity_before": number(long[n] / asked.bin_h),
        }

    return Answer(np.where(known, np.where(accelerates, lasted_h, 0.0), np.nan), facts)


def tangent_angle_of(asked: Question) -> Answer:
    """Improved tangent angle in degrees, beside the slope's own velocity of uniform creep."""
    trend = asked.rules[0].trend
    assert isinstance(trend, TangentAngleTrend)
    parameters = RateParameters(windows_us=(round(trend.window_s * US),))
    found = rates(asked.means.value, asked.means.at_us, asked.until_us, parameters)
    velocity = np.abs(found.rate_per_h[0])
    uniform = np.array([getattr(rule.trend, "uniform_per_h", np.nan) for rule in asked.rules])

    def facts(n: int) -> dict[str, Any]:
        return {"velocity": number(velocity[n]), "uniform": number(uniform[n])}

    return Answer(tangent_angle(velocity, uniform), facts)


def _each_by_itself(asked: Question) -> Forecasts:
    """Forecast channel by channel: products of matrices round otherwise in other company.

    Which channels are asked together depends on how scans came; what they are answered must not.
    """
    found = [
        forecast(
            asked.means.value[n : n + 1],
            asked.means.at_us,
            resolution=asked.resolution[n : n + 1],
        )
        for n in range(len(asked))
    ]
    answers = Answers(
        **{
            one.name: np.concatenate([getattr(each.answers, one.name) for each in found])
            for one in fields(Answers)
        }
    )
    return Forecasts(found[0].asked_us, answers, found[0].level)


def failure_time_of(asked: Question) -> Answer:
    """Hours from now to the predicted failure; infinite where nothing accelerates.

    Where the ground accelerates and no time can be told, nothing is said: an alarm that stands
    then stays, because a fit that has become poor is no good news.
    """
    found = _each_by_itself(asked)
    answers = found.answers
    since_asked_h = (asked.until_us - found.asked_us) / (3_600.0 * US)
    calm = (answers.verdict >= Verdict.NOT_MOVING) & (answers.verdict <= Verdict.NOT_ACCELERATING)

    def after(hours: Floats, n: int) -> float | None:
        return number(hours[n] - since_asked_h)

    def facts(n: int) -> dict[str, Any]:
        return {
            "earliest_h": after(answers.earliest_h, n),
            "latest_h": after(answers.latest_h, n),
            "interval_level": found.level,
            "r_squared": number(answers.r_squared[n]),
            "alpha": number(answers.alpha[n]),
            "velocity": number(answers.velocity[n]),
            "answer": Verdict(int(answers.verdict[n])).name.lower(),
            "reason": {language: reason(found, n, language) for language in ("en", "zh")},
        }

    left_h = np.maximum(answers.fails_h - since_asked_h, 0.0)
    figure = np.where(found.given, left_h, np.where(calm, np.inf, np.nan))
    return Answer(figure, facts, forecasts=found)
