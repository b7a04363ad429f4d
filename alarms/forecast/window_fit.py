"""One window of a record read by the creep law: the time left, its interval, and the evidence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.blocks import Blocks
from alarms.forecast.creep_law import (
    ALPHAS,
    LEFT,
    ONSETS,
    SHAPE,
    coarse_grid,
    creep_grid,
    fit_curves,
)
from alarms.forecast.rival import rival_misfit
from alarms.forecast.settings import ForecastSettings

Floats = NDArray[np.float64]

FREE_NUMBERS = 5  # Of the creep law: where, how fast, onset, time left, α.
MEMORY_MAX = 0.9
STEP = float(np.log(LEFT[1] / LEFT[0]))  # The grid can't tell times of failure apart more finely.
ALPHA_TWO = int(np.argmin(np.abs(ALPHAS - 2.0)))


@dataclass(frozen=True, eq=False, slots=True)
class WindowFit:
    """What a window says about each channel; times in windows, counted from its end."""

    left: Floats  # [channel] median of the time left until the failure
    left_low: Floats  # [channel] lower and upper end of the interval
    left_high: Floats  # [channel]
    left_alpha_two: Floats  # [channel] most likely time left, were α 2
    onset: Floats  # [channel] mean place of the onset, from 0 to 1
    alpha: Floats  # [channel] mean α
    direction: Floats  # [channel] 1 where values grow towards the failure, else -1
    evidence: Floats  # [channel] log-likelihood by which the law beats motion without a failure
    foreseen: NDArray[np.bool_]  # [channel] what a fit without the newest blocks would have said


def may_follow_the_law(
    blocks: Blocks, noise: Floats, settings: ForecastSettings
) -> NDArray[np.bool_]:
    """A cheap look: does some curve of the coarse grid fit as well as motion without a failure?"""
    weight = _weights(blocks, noise, settings)
    fit = fit_curves(coarse_grid(settings), blocks.mean, weight)
    return np.asarray(fit.misfit.min(axis=1) <= rival_misfit(blocks.mean, weight))


def fit_window(blocks: Blocks, noise: Floats, settings: ForecastSettings) -> WindowFit:
    """Fit the creep law to blocks whose noise [channel] is known."""
    weight = _weights(blocks, noise, settings)
    now = _believe(blocks.mean, weight, settings)
    of_left = _normed(now.belief.sum(axis=(1, 3)))
    middle = _quantile(of_left, 0.5)
    ends = [_quantile(of_left, q) for q in _tails(settings.level)]
    reach = [settings.widening * np.hypot(np.log(end / middle), STEP) for end in ends]

    earlier_weight = weight.copy()
    earlier_weight[:, weight.shape[1] - settings.foresight_blocks :] = 0.0
    earlier = _normed(_believe(blocks.mean, earlier_weight, settings).belief.sum(axis=(1, 3)))
    soonest, latest = (_quantile(earlier, q) for q in _tails(settings.foresight_level))
    return WindowFit(
        left=middle,
        left_low=middle * np.exp(-reach[0]),
        left_high=middle * np.exp(reach[1]),
        left_alpha_two=LEFT[now.belief[..., ALPHA_TWO].sum(axis=1).argmax(axis=1)],
        onset=_normed(now.belief.sum(axis=(2, 3))) @ ONSETS,
        alpha=_normed(now.belief.sum(axis=(1, 2))) @ ALPHAS,
        direction=now.direction,
        evidence=0.5 * (rival_misfit(blocks.mean, weight) - now.misfit) / now.doubt,
        foreseen=(soonest <= middle) & (middle <= latest),
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Belief:
    belief: Floats  # [channel, onset, left, alpha] 1 at the most likely curve
    direction: Floats  # [channel]
    misfit: Floats  # [channel] of the best curve
    doubt: Floats  # [channel]


def _believe(mean: Floats, weight: Floats, settings: ForecastSettings) -> _Belief:
    """How believable each curve is after what was measured."""
    grid = creep_grid(settings)
    fit = fit_curves(grid, mean, weight)
    rows, best = np.arange(len(weight)), fit.misfit.argmin(axis=1)
    factor, misfit = fit.factor[rows, best], fit.misfit[rows, best]
    residual = mean - factor[:, np.newaxis] * grid.curve[best]
    doubt = _doubt(residual, weight, misfit)
    direction = np.sign(factor)
    likelihood = grid.log_prior - 0.5 * fit.misfit / doubt[:, np.newaxis]
    likelihood[fit.factor * direction[:, np.newaxis] < 0.0] = -np.inf
    belief = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    return _Belief(belief.reshape(-1, *SHAPE), direction, misfit, doubt)


def _tails(level: float) -> tuple[float, float]:
    return (1.0 - level) / 2.0, (1.0 + level) / 2.0


def _weights(blocks: Blocks, noise: Floats, settings: ForecastSettings) -> Floats:
    """Inverse variances: noise, less of it in fuller blocks, and what no law can promise."""
    held = blocks.share > 0.0
    last = np.maximum.accumulate(np.where(held, np.arange(held.shape[1]), 0), axis=1)
    last = np.maximum(last, held.argmax(axis=1)[:, np.newaxis])  # Before the record: its first.
    filled = np.take_along_axis(blocks.mean, last, axis=1)
    step = np.abs(np.diff(filled, axis=1, prepend=filled[:, :1]))
    before, after = np.roll(step, 1, axis=1), np.roll(step, -1, axis=1)
    before[:, 0], after[:, -1] = step[:, 0], step[:, -1]
    movement = (before + step + after) / 3.0
    noise = np.maximum(noise, 1e-6 * np.maximum(np.ptp(filled, axis=1), 1e-140))
    share = np.maximum(blocks.share, 1e-6)
    variance = noise[:, np.newaxis] ** 2 / share + (settings.law_error * movement) ** 2
    return np.where(held, 1.0 / variance, 0.0)


def _doubt(residual: Floats, weight: Floats, misfit: Floats) -> Floats:
    """By how much the best fit misses more than it should, neighbours' likeness included."""
    number = (weight > 0.0).sum(axis=1)
    residual = residual - ((weight * residual).sum(axis=1) / weight.sum(axis=1))[:, np.newaxis]
    scaled = np.sqrt(weight) * residual
    alike = (scaled[:, 1:] * scaled[:, :-1]).sum(axis=1)
    memory = np.clip(alike / np.maximum((scaled**2).sum(axis=1), 1e-12), 0.0, MEMORY_MAX)
    excess = np.maximum(misfit / np.maximum(number - FREE_NUMBERS, 1), 1.0)
    return np.asarray(excess * (1.0 + memory) / (1.0 - memory))


def _normed(belief: Floats) -> Floats:
    return np.asarray(belief / belief.sum(axis=1, keepdims=True))


def _quantile(of_left: Floats, level: float) -> Floats:
    """The time left below which so much of the belief lies; its logarithm is interpolated."""
    below = np.cumsum(of_left, axis=1) - of_left / 2.0
    rows = np.arange(len(below))
    above = np.clip((below < level).sum(axis=1), 1, len(LEFT) - 1)
    first, second = below[rows, above - 1], below[rows, above]
    part = np.clip((level - first) / np.maximum(second - first, 1e-12), 0.0, 1.0)
    logs = np.log(LEFT)
    return np.asarray(np.exp(logs[above - 1] + part * (logs[above] - logs[above - 1])))
