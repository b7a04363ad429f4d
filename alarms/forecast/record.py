"""What is kept of a forecast: the answer, and what it was made from, so that it can be made again.

A row says of one channel what was answered at one instant. Of a channel that does not accelerate
only the answer is kept. Of one that does, the newest `BINS_KEPT_MAX` bins are kept too: no window
reaches further back, so the same fit follows from them. Only the ratio to the largest velocity of
a longer record does not; it stands among the answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.forecasting import DEFAULT, forecast
from alarms.forecast.forecasts import NEVER_US, RATE_COLUMNS, Answers, Forecasts, no_answers
from alarms.forecast.settings import ForecastSettings
from alarms.forecast.verdict import Verdict

Floats = NDArray[np.float64]

# The arithmetic that answers; a row of another one may not be made again to the last digit.
METHOD: Final = 1
BINS_KEPT_MAX: Final = 1024  # 8 KiB a row. The longest window has 40 blocks of 16 bins.
VERDICT_COLUMN: Final = "verdict"  # Has a column of its own in a row.


@dataclass(frozen=True, slots=True)
class ForecastInputs:
    """What a forecast was made from."""

    bin_us: int
    bins: int  # In the record; of more than `BINS_KEPT_MAX` only the newest are kept.
    resolution: float | None  # Of the instrument, in the unit of the value.
    settings: Mapping[str, Any]
    configuration: int  # Version of the site file that asked for it.
    method: int = METHOD


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """What was answered about one channel at one instant. Hours in it count from that instant."""

    channel: str
    asked_us: int  # The middle of the newest bin.
    verdict: Verdict
    fails_us: int | None  # The next two too: only with the verdict FORECAST.
    earliest_us: int | None
    latest_us: int | None
    level: float  # Of the interval.
    answers: Mapping[str, Any]  # By column of `Answers`; None where it is no finite number.
    inputs: ForecastInputs
    value: tuple[float, ...] = ()  # Means of the kept bins, NaN where one is empty; not the first.


def rows_of(
    forecasts: Forecasts,
    channels: Sequence[str],
    value: Floats,
    at_us: NDArray[np.int64],
    *,
    resolution: Floats | float = np.nan,
    settings: ForecastSettings = DEFAULT,
    configuration: int,
) -> list[ForecastRow]:
    """Make the rows of a forecast; value, at_us, resolution and settings as `forecast` had them.

    Of a record without a bin there are none: it was asked at no instant.
    """
    if len(at_us) == 0:
        return []
    answers = forecasts.answers
    ends = [
        [None if one == NEVER_US else one for one in forecasts.instant_us(hours).tolist()]
        for hours in (answers.fails_h, answers.earliest_h, answers.latest_h)
    ]
    inputs = _inputs_of(value, at_us, resolution, settings, configuration)
    rows = []
    for number, channel in enumerate(channels):
        verdict = Verdict(int(forecasts.verdict[number]))
        kept = _kept(value[number]) if verdict.accelerates else ()
        fails_us, earliest_us, latest_us = (one[number] for one in ends)
        rows.append(
            ForecastRow(
                channel=channel,
                asked_us=forecasts.asked_us,
                verdict=verdict,
                fails_us=fails_us,
                earliest_us=earliest_us,
                latest_us=latest_us,
                level=forecasts.level,
                answers=_answers_as_json(answers, number),
                inputs=inputs[number],
                value=kept,
            )
        )
    return rows


def said_by(row: ForecastRow) -> Forecasts:
    """Read a row back as the forecast of one channel; what was infinite is NaN."""
    answers = no_answers(1)
    answers.verdict[0] = float(row.verdict)
    for one in fields(Answers):
        if one.name in row.answers:
            getattr(answers, one.name)[0] = np.array(row.answers[one.name], np.float64)
    return Forecasts(row.asked_us, answers, row.level)


def forecast_again(row: ForecastRow) -> Forecasts:
    """Make the forecast of a row again, from its inputs.

    Raises ValueError where the inputs were not kept: the channel did not accelerate.
    """
    if not row.value:
        raise ValueError(
            f"Of {row.channel} no inputs were kept, because it did not accelerate "
            f"({row.verdict.name.lower()}); its readings are in the store."
        )
    kept: dict[str, Any] = {
        name: tuple(one) if isinstance(one, list) else one
        for name, one in row.inputs.settings.items()
    }
    settings = ForecastSettings(**kept)
    resolution = np.nan if row.inputs.resolution is None else row.inputs.resolution
    at_us = instants_of(row)
    return forecast(np.array([row.value]), at_us, resolution=resolution, settings=settings)


def instants_of(row: ForecastRow) -> NDArray[np.int64]:
    """The middles of the kept bins."""
    back = np.arange(1 - len(row.value), 1, dtype=np.int64)
    return np.asarray(row.asked_us + back * row.inputs.bin_us)


def _kept(value: Floats) -> tuple[float, ...]:
    """Choose the bins to keep; what is empty before the record begins says nothing."""
    newest = value[-BINS_KEPT_MAX:]
    return tuple(newest[int(np.isfinite(newest).argmax()) :].tolist())


def _inputs_of(
    value: Floats,
    at_us: NDArray[np.int64],
    resolution: Floats | float,
    settings: ForecastSettings,
    configuration: int,
) -> list[ForecastInputs]:
    channels, bins = value.shape
    bin_us = round(float(np.median(np.diff(at_us)))) if bins > 1 else 0
    # As JSON gives them back, which knows no tuples.
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}
    return [
        ForecastInputs(bin_us, bins, _finite(step), plain, configuration)
        for step in np.broadcast_to(resolution, (channels,)).tolist()
    ]


def _answers_as_json(answers: Answers, number: int) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for one in fields(Answers):
        if one.name == VERDICT_COLUMN:
            continue
        held = getattr(answers, one.name)[number]
        kept[one.name] = (
            [_finite(each) for each in held.tolist()]
            if one.name in RATE_COLUMNS
            else _finite(float(held))
        )
    return kept


def _finite(number: float) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return number if np.isfinite(number) else None
