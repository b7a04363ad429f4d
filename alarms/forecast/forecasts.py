"""Forecasts: what is answered for each channel, and what it was answered from."""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.rates import RATES
from alarms.forecast.verdict import Verdict

Floats = NDArray[np.float64]

HOUR_US: Final = 3_600_000_000
NEVER_US: Final = 2**62  # Further than any instant.
RATE_COLUMNS: Final = ("rate_h", "rate", "rate_floor")


@dataclass(frozen=True, eq=False, slots=True)
class Answers:
    """One answer per channel. Hours count from the instant of asking, NaN where there is none.

    What led to a verdict is kept where there is no forecast too, so that a page can show why.
    """

    verdict: Floats  # [channel] Verdict
    fails_h: Floats  # [channel] time of failure; only with the verdict FORECAST, like the next two
    earliest_h: Floats  # [channel] ends of its interval, of the level of the forecasts
    latest_h: Floats  # [channel]
    onset_h: Floats  # [channel] when acceleration began; negative: so long ago
    crossing_h: Floats  # [channel] since when the short average has stood above the long one
    window_h: Floats  # [channel] length of the window that was believed
    alpha: Floats  # [channel] of Voight's law
    evidence: Floats  # [channel] log-likelihood by which the law beats motion without a failure
    r_squared: Floats  # [channel] of the line through the inverse velocities
    rates: Floats  # [channel] how many of them are usable
    velocity: Floats  # [channel] now, per hour, in the direction of movement
    velocity_ratio: Floats  # [channel] to the largest before the onset
    tangent_deg: Floats  # [channel] improved tangent angle
    # Other methods, for comparison.
    by_line_h: Floats  # [channel] inverse velocity, and its standard error
    by_line_error_h: Floats  # [channel]
    by_slo_h: Floats  # [channel] slope of t v against v
    by_alpha_two_h: Floats  # [channel] the creep law, were α 2
    averages_first_h: Floats  # [channel] failure window of a short and a long moving average
    averages_last_h: Floats  # [channel]
    # For a plot: velocities since the onset, and the line through their inverses.
    line_slope: Floats  # [channel] of the inverse velocity, per hour
    line_intercept: Floats  # [channel] at the instant of asking
    rate_h: Floats  # [channel, rate] instants
    rate: Floats  # [channel, rate] per hour, in the direction of movement
    rate_floor: Floats  # [channel, rate] a rate that is not above it is noise, and off the line


@dataclass(frozen=True, eq=False, slots=True)
class Forecasts:
    """Answers, and the instant as of which they were asked."""

    asked_us: int
    answers: Answers
    level: float = 0.8  # Of the intervals: how often they should hold the truth.

    @property
    def verdict(self) -> NDArray[np.int8]:
        """The Verdict of each channel."""
        return self.answers.verdict.astype(np.int8)

    @property
    def given(self) -> NDArray[np.bool_]:
        """Channels with a time of failure."""
        return np.asarray(self.answers.verdict == Verdict.FORECAST)

    def instant_us(self, hours: Floats) -> NDArray[np.int64]:
        """Instants of hours after asking; NEVER_US where there are none."""
        known = np.isfinite(hours) & (np.abs(hours) < 1e8)
        after = np.rint(np.where(known, hours, 0.0) * HOUR_US).astype(np.int64)
        return np.where(known, self.asked_us + after, NEVER_US)


def no_answers(channels: int) -> Answers:
    """Answers of channels that nothing is known about."""
    columns = {}
    for one in fields(Answers):
        shape = (channels, RATES) if one.name in RATE_COLUMNS else (channels,)
        columns[one.name] = np.full(shape, np.nan)
    columns["verdict"][:] = Verdict.TOO_LITTLE_DATA
    return Answers(**columns)


def take_better(held: Answers, channels: NDArray[np.int64], offered: Answers) -> None:
    """Write into ``held`` what is offered for some channels, where it says more.

    The further through the gates the better; among equals the narrower interval is.
    """
    further = offered.verdict - held.verdict[channels]
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.nan_to_num(offered.latest_h / offered.earliest_h, nan=np.inf)
        held_width = held.latest_h[channels] / held.earliest_h[channels]
    narrower = width < np.nan_to_num(held_width, nan=np.inf)
    better = (further > 0) | ((further == 0) & narrower)
    for one in fields(Answers):
        column = getattr(held, one.name)
        column[channels[better]] = getattr(offered, one.name)[better]
