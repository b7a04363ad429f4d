"""What a channel does while nothing happens: noise, resolution, daily course, what is usual.

Or why that can't be told: too little was read, or it was not quiet. Everything robust rests on
medians: the median absolute deviation times 1.4826 is the standard deviation of normal noise
(Hampel 1974). Noise is taken from the differences of successive readings, which a slow course
leaves alone; their spread is √2 times that of the readings (von Neumann 1941).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

READINGS_MIN: Final = 1_000
DAYS_MIN: Final = 7.0
BAD_SHARE_MAX: Final = 0.1
FAR_SIGMAS: Final = 6.0
FAR_SHARE_MAX: Final = 0.002
DRIFT_SPREADS_MAX: Final = 4.0
SHIFT_SPREADS_MAX: Final = 3.0
PARTS: Final = 12
FITS: Final = 4
HIGH_QUANTILE: Final = 0.999
NORMAL: Final = 1.4826
HOURS_PER_DAY: Final = 24.0
DIVISIBLE_SHARE: Final = 0.99

Floats = NDArray[np.float64]


class NotQuietError(Exception):
    """Nothing can be proposed; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A channel's good readings, perhaps thinned out, and how many there were."""

    at_h: Floats  # [reading] hours since the first
    value: Floats  # [reading]
    step: Floats  # [reading] from the reading before, NaN where that was bad or far away
    good: int  # Of all readings.
    bad: int

    @property
    def days(self) -> float:
        """How long it is."""
        return float(self.at_h[-1] - self.at_h[0]) / HOURS_PER_DAY if len(self.at_h) else 0.0


@dataclass(frozen=True, slots=True)
class Quiet:
    """What quiet readings amount to, in the channel's unit."""

    median: float
    spread: float  # Of all readings, as a standard deviation; the daily course is in it.
    noise: float  # Of single readings.
    resolution: float | None  # The step of which all are multiples; None: there is none to see.
    daily_amplitude: float | None  # Half the way from low to high; None: too seldom read.
    low: float  # Quantile 0.001.
    high: float  # Quantile 0.999.
    lowest: float
    highest: float


def quiet_in(history: History) -> Quiet:
    """Measure a quiet history; raise NotQuietError, with a sentence, where it is none."""
    _refuse_too_little(history)
    value = history.value
    noise, resolution = _noise_of(history), resolution_of(value)
    if resolution is not None:
        noise = max(noise, resolution / np.sqrt(12.0))  # Rounding alone.
    trend_per_h, amplitude, rest = _course_of(history)
    spread_of_rest = max(NORMAL * _mad(rest), noise, 1e-12)
    _refuse_unquiet(history, trend_per_h, rest, spread_of_rest)
    low, high = np.quantile(value, [1 - HIGH_QUANTILE, HIGH_QUANTILE])
    return Quiet(
        median=float(np.median(value)),
        spread=max(float(np.std(value)), noise),
        noise=float(noise),
        resolution=resolution,
        daily_amplitude=amplitude,
        low=float(low),
        high=float(high),
        lowest=float(value.min()),
        highest=float(value.max()),
    )


def resolution_of(value: Floats) -> float | None:
    """Find the step of which all differences are multiples; None where values are continuous.

    >>> resolution_of(np.array([1.0, 1.2, 1.1, 1.2, 1.5] * 100))
    0.1
    """
    distinct = np.unique(value)
    if len(distinct) < 2 or len(distinct) > len(value) // 4:
        return None
    gaps = np.diff(distinct)
    scale = max(abs(float(distinct[0])), abs(float(distinct[-1])))
    gaps = gaps[gaps > 1e-9 * max(scale, 1e-9)]
    if not len(gaps):
        return None
    step = float(gaps.min())
    multiples = (distinct - distinct[0]) / step
    off = np.abs(multiples - np.round(multiples))
    return float(f"{step:.3g}") if np.mean(off < 0.05) >= DIVISIBLE_SHARE else None


def _refuse_too_little(history: History) -> None:
    total = history.good + history.bad
    if history.good < READINGS_MIN:
        raise NotQuietError(f"{history.good:,} good readings are too few; {READINGS_MIN:,} needed")
    if history.days < DAYS_MIN:
        raise NotQuietError(f"{history.days:.1f} days are too short; {DAYS_MIN:.0f} needed")
    if history.bad > BAD_SHARE_MAX * total:
        raise NotQuietError(
            f"{history.bad / total:.0%} of the readings are bad; mend the instrument first"
        )


def _refuse_unquiet(history: History, trend_per_h: float, rest: Floats, spread: float) -> None:
    drift = abs(trend_per_h) * HOURS_PER_DAY * history.days
    if drift > DRIFT_SPREADS_MAX * spread:
        raise NotQuietError(
            f"it is not quiet: it drifts by {drift:.3g} over the span, {drift / spread:.0f} times "
            "its spread; choose a quiet span"
        )
    far = float(np.mean(np.abs(rest) > FAR_SIGMAS * spread))
    if far > FAR_SHARE_MAX:
        raise NotQuietError(
            f"it is not quiet: {far:.1%} of the readings lie more than {FAR_SIGMAS:.0f} standard "
            "deviations away; choose a quiet span, or screen spikes"
        )
    medians = [float(np.median(part)) for part in np.array_split(rest, PARTS)]
    shift = max(medians) - min(medians)
    if shift > SHIFT_SPREADS_MAX * spread:
        raise NotQuietError(
            f"it is not quiet: it lies {shift:.3g} higher at some times than at others, "
            f"{shift / spread:.1f} times its spread; choose a quiet span"
        )


def _noise_of(history: History) -> float:
    step = history.step[np.isfinite(history.step)]
    return NORMAL * _mad(step) / np.sqrt(2.0) if len(step) else 0.0


def _course_of(history: History) -> tuple[float, float | None, Floats]:
    """Fit a line and a daily wave; return the line's slope, the wave's amplitude, and the rest."""
    at_h = history.at_h - history.at_h.mean()
    columns = [np.ones_like(at_h), at_h]
    sees_days = len(at_h) > 1 and float(np.median(np.diff(history.at_h))) <= HOURS_PER_DAY / 4
    if sees_days:
        angle = 2 * np.pi * at_h / HOURS_PER_DAY
        columns += [np.cos(angle), np.sin(angle)]
    matrix = np.column_stack(columns)
    rest = history.value - np.median(history.value)
    for _ in range(FITS):  # What lies far away shall not draw the fit towards it.
        near = np.abs(rest - np.median(rest)) <= FAR_SIGMAS * NORMAL * _mad(rest)
        fit, *_ = np.linalg.lstsq(matrix[near], history.value[near], rcond=None)
        rest = history.value - matrix @ fit
    amplitude = float(np.hypot(fit[2], fit[3])) if sees_days else None
    return float(fit[1]), amplitude, rest


def _mad(values: Floats) -> float:
    return float(np.median(np.abs(values - np.median(values))))
