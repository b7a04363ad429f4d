"""Forecasts of failure in the API's words: what was answered, how well, and how it moved; pure."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from alarms.forecast.forecasts import HOUR_US
from alarms.forecast.record import ForecastRow, instants_of, said_by
from alarms.forecast.words import out_of_date, reason
from api.freshness import Freshness, freshness_of
from api.views import Input, Instant, View
from telemetry.clock import Clock, instant_at
from telemetry.plan import ChannelPlan
from telemetry.site import Name
from telemetry.trends import FailureTimeTrend

MOVES_MAX, MOVES_DEFAULT = 1000, 500
# What lies further away is no instant that anybody could act on, and may be none of the calendar.
FURTHEST_H = 100 * 366 * 24.0

VerdictWord = Literal[
    "not_asked",
    "too_little_data",
    "no_recent_data",
    "not_moving",
    "regressive",
    "not_accelerating",
    "no_law",
    "below_noise",
    "poor_line",
    "seen_before",
    "receding",
    "too_early",
    "forecast",
]


class OtherMethodsView(View):
    """What other methods say of the same rates, for comparison; null where they say nothing."""

    line_fails_at: datetime | None = None  # Where the line through 1/v reaches zero,
    line_error_h: float | None = None  # and the standard error of that.
    slo_fails_at: datetime | None = None  # Slope of t·v against v.
    alpha_two_fails_at: datetime | None = None  # The law, were α 2.
    averages_first_at: datetime | None = None  # Window of a short and a long average.
    averages_last_at: datetime | None = None


class ForecastView(View):
    """What was answered when a channel was asked when it fails."""

    channel: str
    structure: str
    unit: str
    verdict: VerdictWord
    accelerates: bool
    sentence: Name  # The verdict and what it rests on, counted from now.
    freshness: Freshness  # stale: nothing new for three bins. Then it says nothing about now.
    asked_at: datetime | None = None  # The middle of the newest bin.
    bin_s: float | None = None
    # Only with the verdict forecast; the interval should hold the truth as often as `level` says.
    fails_at: datetime | None = None
    earliest_at: datetime | None = None
    latest_at: datetime | None = None
    level: float | None = None
    # How good the fit is, and what it found. All of it null where no window was fitted.
    r_squared: float | None = None  # Of the line through the inverse velocities.
    rates: float | None = None  # How many of them stand out from the noise.
    evidence: float | None = None  # Log-likelihood by which the law beats motion without a failure.
    alpha: float | None = None  # Of Voight's law.
    onset_at: datetime | None = None  # When acceleration began.
    crossing_at: datetime | None = None  # Short average above the long one since.
    window_h: float | None = None
    velocity: float | None = None  # Now; unit per hour, in the direction of movement.
    velocity_ratio: float | None = None  # To the largest before the onset; null: none is known.
    tangent_deg: float | None = None  # Improved tangent angle.
    others: OtherMethodsView = OtherMethodsView()


class RateView(View):
    """A mean velocity since the onset, in the channel's unit per hour."""

    at: datetime
    velocity: float
    inverse: float | None  # Null where it does not go the way of the failure.
    usable: bool  # It stands out from the noise: the line goes through it.


class InverseVelocityView(View):
    """A plot of the inverse velocities, and the line through them."""

    rates: list[RateView]
    slope: float | None  # Of the inverse velocity, per hour.
    intercept: float | None  # At `asked_at`.


class MoveView(View):
    """What was answered at one instant: many of them show how a forecast has moved."""

    asked_at: datetime
    verdict: VerdictWord
    fails_at: datetime | None
    earliest_at: datetime | None
    latest_at: datetime | None
    r_squared: float | None


class ForecastInputsView(View):
    """What a forecast was made from: enough to make it again."""

    first_at: datetime | None  # The middle of the first bin that is kept.
    bin_s: float
    value: list[float | None]  # Means of the bins; empty where the channel did not accelerate.
    bins: int  # That there were; of very many only the newest are kept.
    resolution: float | None
    settings: dict[str, Any]
    configuration: int  # Version of the site file.
    method: int  # Version of the arithmetic.


class ForecastHistoryView(View):
    """The newest answer about a channel, and the ones before it."""

    channel: str
    unit: str
    newest: ForecastView | None  # Of the span that was asked for.
    inverse_velocity: InverseVelocityView | None
    moves: list[MoveView]  # In order, the newest last.
    inputs: ForecastInputsView | None  # Of the newest, where asked for.


class ForecastsQuery(Input):
    """Which answers about a channel."""

    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    limit: Annotated[int, Field(ge=1, le=MOVES_MAX)] = MOVES_DEFAULT
    inputs: bool = False


NOT_ASKED = Name(
    en="Not asked yet: no bin has ended since the site file asks for it.",
    zh="尚未作过预测：自站点文件要求以来还没有一段结束。",
)


def asks(plan: ChannelPlan) -> bool:
    """Tell whether the site file asks of a channel when it fails."""
    return any(isinstance(one, FailureTimeTrend) for one in plan.channel.trends)


def unasked_view(plan: ChannelPlan) -> ForecastView:
    """Show a channel that nothing has been said about: that is not known, and no calm."""
    return ForecastView(
        channel=plan.key,
        structure=plan.structure.id,
        unit=plan.channel.unit,
        verdict="not_asked",
        accelerates=False,
        sentence=NOT_ASKED,
        freshness=Freshness.UNKNOWN,
    )


def forecast_view(plan: ChannelPlan, row: ForecastRow, clock: Clock) -> ForecastView:
    """Show an answer as it is to be read now."""
    now_us = clock.now_us()
    freshness = _freshness(row, now_us, clock.rate)
    told = row.answers
    return ForecastView(
        channel=row.channel,
        structure=plan.structure.id,
        unit=plan.channel.unit,
        verdict=_word(row),
        accelerates=row.verdict.accelerates,
        sentence=_sentence(row, freshness, max(now_us - row.asked_us, 0) / HOUR_US),
        freshness=freshness,
        asked_at=instant_at(row.asked_us),
        bin_s=row.inputs.bin_us / 1e6,
        fails_at=_at(row.fails_us),
        earliest_at=_at(row.earliest_us),
        latest_at=_at(row.latest_us),
        level=row.level,
        r_squared=told.get("r_squared"),
        rates=told.get("rates"),
        evidence=told.get("evidence"),
        alpha=told.get("alpha"),
        onset_at=_after(row, "onset_h"),
        crossing_at=_after(row, "crossing_h"),
        window_h=told.get("window_h"),
        velocity=told.get("velocity"),
        velocity_ratio=told.get("velocity_ratio"),
        tangent_deg=told.get("tangent_deg"),
        others=_others(row),
    )


def urgency(view: ForecastView) -> tuple[bool, bool, float, bool, str]:
    """Sort by this: who has a time first, what holds now before what is old, then the sooner."""
    fails_s = math.inf if view.fails_at is None else view.fails_at.timestamp()
    is_stale = view.fails_at is not None and view.freshness is not Freshness.FRESH
    return view.fails_at is None, is_stale, fails_s, not view.accelerates, view.channel


def inverse_velocity_view(row: ForecastRow) -> InverseVelocityView | None:
    """Give the points and the line of a plot; None where no window was fitted."""
    told = row.answers
    columns = zip(*(told.get(name, ()) for name in ("rate_h", "rate", "rate_floor")), strict=True)
    rates = []
    for hours, rate, floor in columns:
        at = _instant(row, hours)
        if at is None or rate is None:
            continue
        usable = rate > 0.0 and (floor is None or rate > floor)
        inverse = 1.0 / rate if rate > 0.0 else None
        rates.append(RateView(at=at, velocity=rate, inverse=inverse, usable=usable))
    if not rates:
        return None
    return InverseVelocityView(
        rates=rates, slope=told.get("line_slope"), intercept=told.get("line_intercept")
    )


def moves_of(rows: Sequence[ForecastRow]) -> list[MoveView]:
    """Show how the answers about a channel have moved."""
    return [
        MoveView(
            asked_at=instant_at(row.asked_us),
            verdict=_word(row),
            fails_at=_at(row.fails_us),
            earliest_at=_at(row.earliest_us),
            latest_at=_at(row.latest_us),
            r_squared=row.answers.get("r_squared"),
        )
        for row in rows
    ]


def inputs_view(row: ForecastRow) -> ForecastInputsView:
    """Show what an answer was made from."""
    inputs = row.inputs
    return ForecastInputsView(
        first_at=instant_at(int(instants_of(row)[0])) if row.value else None,
        bin_s=inputs.bin_us / 1e6,
        value=[one if math.isfinite(one) else None for one in row.value],
        bins=inputs.bins,
        resolution=inputs.resolution,
        settings=dict(inputs.settings),
        configuration=inputs.configuration,
        method=inputs.method,
    )


def _freshness(row: ForecastRow, now_us: int, rate: float) -> Freshness:
    """Judge an answer as a scan of a group that is read once a bin."""
    return freshness_of(
        row.asked_us,
        silent=False,
        period_us=row.inputs.bin_us,
        calculated=False,
        now_us=now_us,
        rate=rate,
    )


def _others(row: ForecastRow) -> OtherMethodsView:
    return OtherMethodsView(
        line_fails_at=_after(row, "by_line_h"),
        line_error_h=row.answers.get("by_line_error_h"),
        slo_fails_at=_after(row, "by_slo_h"),
        alpha_two_fails_at=_after(row, "by_alpha_two_h"),
        averages_first_at=_after(row, "averages_first_h"),
        averages_last_at=_after(row, "averages_last_h"),
    )


def _word(row: ForecastRow) -> Any:  # noqa: ANN401 - a VerdictWord, as the model checks
    return row.verdict.name.lower()


def _sentence(row: ForecastRow, freshness: Freshness, later_h: float) -> Name:
    said = said_by(row)
    texts = {language: reason(said, 0, language, later_h=later_h) for language in ("en", "zh")}
    if freshness is not Freshness.FRESH:
        texts = {one: out_of_date(text, later_h, one) for one, text in texts.items()}
    return Name(en=texts["en"], zh=texts["zh"])


def _at(instant_us: int | None) -> datetime | None:
    return None if instant_us is None else instant_at(instant_us)


def _after(row: ForecastRow, name: str) -> datetime | None:
    return _instant(row, row.answers.get(name))


def _instant(row: ForecastRow, hours: float | None) -> datetime | None:
    if hours is None or abs(hours) > FURTHEST_H:
        return None
    return instant_at(row.asked_us + round(hours * HOUR_US))
