"""One window of some channels: everything that is asked of it, and the gates it must pass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.blocks import Blocks
from alarms.forecast.filters import LONG, SHORT, moving_average
from alarms.forecast.forecasts import Answers
from alarms.forecast.inverse_velocity import (
    InverseVelocityLine,
    failure_window,
    inverse_velocity_line,
)
from alarms.forecast.onset import NONE, onset_of_acceleration
from alarms.forecast.past import velocity_ratio
from alarms.forecast.rates import rates_since
from alarms.forecast.settings import ForecastSettings
from alarms.forecast.slo import slo_time
from alarms.forecast.tangent_angle import tangent_angle
from alarms.forecast.verdict import Verdict
from alarms.forecast.window_fit import WindowFit, fit_window

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class Window:
    """The newest blocks of channels that gain speed."""

    value: Floats  # [channel, bin] the whole record
    blocks: Blocks
    noise: Floats  # [channel] of a full block
    bin_h: float

    @property
    def length_h(self) -> float:
        """How long the window is."""
        return float(self.blocks.mean.shape[1] * self.blocks.bins * self.bin_h)

    def after_asking_h(self, windows: Floats) -> Floats:
        """Windows after the end of the newest bin, in hours after its middle, when we are asked."""
        return windows * self.length_h + self.bin_h / 2.0


@dataclass(frozen=True, eq=False, slots=True)
class _Speed:
    """Velocities of a window since the onset, per hour."""

    at_h: Floats  # [channel, rate]
    rate: Floats  # [channel, rate]
    floor: Floats  # [channel, rate] what noise can make
    usable: Floats  # [channel, rate] NaN where it is not above it
    now: Floats  # [channel]
    certain: NDArray[np.bool_]  # [channel] the velocity now is above its noise


def answers_of(window: Window, settings: ForecastSettings) -> Answers:
    """Fit the window, ask the other methods too, and judge by the gates."""
    fit = fit_window(window.blocks, window.noise, settings)
    speed = _speed(window, fit, settings)
    line = inverse_velocity_line(speed.at_h, speed.usable)
    averages_h = failure_window(_averaged_h(speed, SHORT), _averaged_h(speed, LONG))
    ratio = _ratio_to_past(window, fit, settings)
    verdict = _verdict(fit, line, speed.certain, ratio, settings)
    left = np.stack([fit.left, fit.left_low, fit.left_high])
    fails_h = np.where(verdict == Verdict.FORECAST, window.after_asking_h(left), np.nan)
    return Answers(
        verdict=verdict,
        fails_h=fails_h[0],
        earliest_h=fails_h[1],
        latest_h=fails_h[2],
        onset_h=window.after_asking_h(fit.onset - 1.0),
        crossing_h=_crossing_h(window, fit),
        window_h=np.full(len(verdict), window.length_h),
        alpha=fit.alpha,
        evidence=fit.evidence,
        r_squared=line.r_squared,
        rates=line.count.astype(np.float64),
        velocity=speed.now,
        velocity_ratio=ratio,
        tangent_deg=tangent_angle(speed.now, _uniform_velocity(window, fit, speed.rate)),
        by_line_h=line.fails_h,
        by_line_error_h=line.error_h,
        by_slo_h=slo_time(speed.at_h, speed.usable),
        by_alpha_two_h=window.after_asking_h(fit.left_alpha_two),
        averages_first_h=averages_h[0],
        averages_last_h=averages_h[1],
        line_slope=line.slope,
        line_intercept=line.intercept,
        rate_h=speed.at_h,
        rate=speed.rate,
        rate_floor=speed.floor,
    )


def _speed(window: Window, fit: WindowFit, settings: ForecastSettings) -> _Speed:
    found = rates_since(window.blocks, fit.onset, fit.direction, window.noise)
    rate = found.velocity / window.length_h
    floor = settings.velocity_sigmas * found.noise / window.length_h
    now, now_floor = _newest(rate, floor)
    usable = np.where(rate > floor, rate, np.nan)
    at_h = window.after_asking_h(found.at - 1.0)
    return _Speed(at_h, rate, floor, usable, now, now > now_floor)


def _crossing_h(window: Window, fit: WindowFit) -> Floats:
    """When the short average of the blocks' velocities crossed above the long one, for good."""
    mean = np.where(window.blocks.share > 0.0, window.blocks.mean, np.nan)
    count = mean.shape[1]
    step = onset_of_acceleration(fit.direction[:, np.newaxis] * np.diff(mean, axis=1))
    place = np.where(step == NONE, np.nan, (step + 1.0) / count)
    return window.after_asking_h(place - 1.0)


def _averaged_h(speed: _Speed, count: int) -> Floats:
    """Time of failure by the inverse of a moving average."""
    return inverse_velocity_line(speed.at_h, moving_average(speed.usable, count)).fails_h


def _verdict(
    fit: WindowFit,
    line: InverseVelocityLine,
    above_noise: NDArray[np.bool_],
    ratio: Floats,
    settings: ForecastSettings,
) -> Floats:
    """The first gate that is shut, or FORECAST."""
    poor = ~(line.slope < 0.0) | ~(line.r_squared >= settings.r_squared_min)
    early = fit.left_high > settings.horizon * (1.0 - fit.onset)
    shut: list[tuple[NDArray[np.bool_], Verdict]] = [
        (fit.evidence < settings.evidence_min, Verdict.NO_LAW),
        (~above_noise | (line.count < settings.rates_min), Verdict.BELOW_NOISE),
        (poor, Verdict.POOR_LINE),
        (ratio < settings.past_velocity_ratio, Verdict.SEEN_BEFORE),
        (~fit.foreseen, Verdict.RECEDING),
        (early, Verdict.TOO_EARLY),
    ]
    gates, verdicts = zip(*shut, strict=True)
    return np.select(gates, [float(v) for v in verdicts], float(Verdict.FORECAST))


def _newest(rate: Floats, floor: Floats) -> tuple[Floats, Floats]:
    """The newest known rate and its floor; NaN where there is none."""
    known = np.isfinite(rate)
    place = np.max(np.where(known, np.arange(rate.shape[1]), 0), axis=1, keepdims=True)
    newest = np.take_along_axis(rate, place, axis=1)[:, 0]
    return newest, np.take_along_axis(floor, place, axis=1)[:, 0]


def _ratio_to_past(window: Window, fit: WindowFit, settings: ForecastSettings) -> Floats:
    since = (1.0 - fit.onset) * window.blocks.mean.shape[1] * window.blocks.bins
    return velocity_ratio(
        window.value,
        bins=window.blocks.bins,
        short=settings.short_blocks,
        begins=np.rint(since).astype(np.int64),
    )


def _uniform_velocity(window: Window, fit: WindowFit, rate: Floats) -> Floats:
    """Velocity of the uniform stage: from the window's start to the onset, else the first rate."""
    share, count = window.blocks.share, window.blocks.share.shape[1]
    place = np.arange(count)
    half = fit.onset[:, np.newaxis] * count / 2.0
    early, late = place < half, (place >= half) & (place < 2.0 * half)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [
            [
                (np.where(part, share, 0.0) * values).sum(axis=1)
                / np.where(part, share, 0.0).sum(axis=1)
                for values in (window.blocks.mean, np.broadcast_to(place, share.shape))
            ]
            for part in (early, late)
        ]
        (mean, at), (later_mean, later_at) = means
        per_block = fit.direction * (later_mean - mean) / (later_at - at)
    before = per_block / (window.blocks.bins * window.bin_h)
    first = _newest(rate[:, ::-1], rate[:, ::-1])[0]
    long_enough = (half[:, 0] >= 3.0) & (before > 0.0)
    return np.where(long_enough, before, first)
