"""The product: for each channel a verdict, and where the ground allows it a time of failure."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.blocks import bin_noise, block_noise, blocks_of, sums_of
from alarms.forecast.forecasts import HOUR_US, Answers, Forecasts, no_answers, take_better
from alarms.forecast.screening import Pace, pace_of
from alarms.forecast.settings import ForecastSettings
from alarms.forecast.verdict import Verdict
from alarms.forecast.window_fit import may_follow_the_law
from alarms.forecast.windows import Window, answers_of

Floats = NDArray[np.float64]

DEFAULT: Final = ForecastSettings()
CHANNELS_AT_ONCE: Final = 32  # Bounds the memory of a fit: 7 MB a table.
NOISE_BINS: Final = 160  # The newest bins tell the noise of a bin.


def forecast(
    value: Floats,
    at_us: NDArray[np.int64],
    *,
    resolution: Floats | float = np.nan,
    settings: ForecastSettings = DEFAULT,
) -> Forecasts:
    """Ask for every channel when it fails, as of the last bin.

    value: displacement [channel, bin], means over bins of one width, NaN where a bin is empty;
    movement of either sign may lead to failure. at_us: the middle of each bin. resolution
    [channel]: the step of the instrument, in the unit of the value; NaN where it is not known.

    A channel that has nothing new, moves within its noise, does not accelerate or does not follow
    the law of failure gets the verdict that says so, and no time.
    """
    channels, bins = value.shape
    answers = no_answers(channels)
    asked_us = int(at_us[-1]) if bins else 0
    if channels == 0 or bins < max(settings.blocks_min, 2):
        return Forecasts(asked_us, answers, settings.level)
    bin_h = float(np.median(np.diff(at_us))) / HOUR_US
    noise = bin_noise(value[:, -NOISE_BINS:], np.broadcast_to(resolution, (channels,)))
    sums = sums_of(value)
    paces: list[Pace] = []
    turned = np.zeros(channels, np.bool_)
    for size in settings.bins_per_block:
        blocks = blocks_of(sums, bins=size, count=settings.blocks)
        in_blocks = block_noise(blocks, noise)
        pace = pace_of(blocks, in_blocks, settings)
        for finer in paces:  # What a finer look has seen turn, a coarser one knows from old news.
            turned |= finer.losing | pace.has_turned(finer, settings)
        paces.append(pace)
        found = np.flatnonzero(pace.enough & pace.gaining & ~turned)
        for first in range(0, len(found), CHANNELS_AT_ONCE):
            some = found[first : first + CHANNELS_AT_ONCE]
            near = may_follow_the_law(blocks.of(some), in_blocks[some], settings)
            answers.verdict[some] = np.fmax(answers.verdict[some], float(Verdict.NO_LAW))
            some = some[near]
            if len(some):
                window = Window(value[some], blocks.of(some), in_blocks[some], bin_h)
                take_better(answers, some, answers_of(window, settings))
    _say_why_not(answers, paces, value, settings)
    return Forecasts(asked_us, answers, settings.level)


def _say_why_not(
    answers: Answers, paces: Sequence[Pace], value: Floats, settings: ForecastSettings
) -> None:
    """Give the channels that no window was fitted for the verdict that is theirs."""
    enough, moving, losing = (
        np.any([getattr(pace, name) for pace in paces], axis=0)
        for name in ("enough", "moving", "losing")
    )
    fitted = answers.verdict != Verdict.TOO_LITTLE_DATA
    ever_enough = np.isfinite(value).sum(axis=1) >= 2 * settings.blocks_min
    unfitted = np.select(
        [~enough & ever_enough, ~enough, ~moving, losing],
        [
            float(Verdict.NO_RECENT_DATA),
            float(Verdict.TOO_LITTLE_DATA),
            float(Verdict.NOT_MOVING),
            float(Verdict.REGRESSIVE),
        ],
        float(Verdict.NOT_ACCELERATING),
    )
    answers.verdict[~fitted] = unfitted[~fitted]
