"""Rules about trends: bins that fill, windows that can be held, channels that are there."""

from collections.abc import Iterator
from typing import Final

from telemetry.site import Site
from telemetry.site_rules.limits import level_findings
from telemetry.site_rules.places import ChannelPlace, Finding, Loc, channels_of
from telemetry.trends import (
    BINS_MAX,
    AccelerationTrend,
    AnyTrend,
    Drift,
    FittedTrend,
    HydrostaticTrend,
    IntensityDurationTrend,
    SeasonalTrend,
)

READINGS_MAX: Final = 2**18  # In one bin: see `alarms.trends.binned`.
MEANS_MIN: Final = 10  # In a window; with fewer no method says anything.
YEAR_DAYS: Final = 365.0


def trend_findings(site: Site) -> Iterator[Finding]:
    """Find trends that could never say anything, or would need what is not there."""
    by_key = {one.channel.id: one for one in channels_of(site)}
    for one in by_key.values():
        seen: set[object] = set()
        for n, trend in enumerate(one.channel.trends):
            loc = (*one.loc, "trends", n)
            yield from level_findings(trend, loc)
            yield from _bin_findings(one, trend, loc)
            yield from _other_findings(one, trend.others, (*loc, _others_key(trend)), by_key)
            yield from _method_findings(trend, loc)
            about = (trend.method, trend.direction, getattr(trend, "window_s", None))
            if about in seen:
                message = "two trends have the same method, direction and window"
                yield Finding(loc, message, "one for each of them")
            seen.add(about)
        if one.channel.drift is not None:
            yield from _drift_findings(one, one.channel.drift, by_key)


def _bin_findings(one: ChannelPlace, trend: AnyTrend | Drift, loc: Loc) -> Iterator[Finding]:
    period_s, width_s = one.place.group.period_s, trend.width_s
    span_s = trend.window_s if isinstance(trend, Drift) else trend.span_s
    place = (*loc, "bin_s") if trend.bin_s is not None else loc
    if width_s < period_s:
        message = f"bins of {width_s:g} s are shorter than the group's period, and mostly empty"
        yield Finding(place, message, f"bin_s of {period_s:g} or more")
    elif width_s / period_s > READINGS_MAX:
        message = f"a bin of {width_s:g} s holds more readings than can be summed exactly"
        yield Finding(place, message, f"bin_s of at most {READINGS_MAX * period_s:g}")
    bins = span_s / width_s
    if bins > BINS_MAX:
        message = f"the method would look at {bins:.0f} bins at once"
        yield Finding(place, message, f"bin_s of {span_s / BINS_MAX:g} or more")
    elif bins < MEANS_MIN:
        message = f"the method would look at {bins:.0f} bins, and says nothing of so few"
        yield Finding(place, message, f"bin_s of {span_s / MEANS_MIN:g} or less")


def _others_key(trend: AnyTrend) -> str:
    return "level_channel" if isinstance(trend, HydrostaticTrend) else "drivers"


def _other_findings(
    one: ChannelPlace, others: tuple[str, ...], loc: Loc, by_key: dict[str, ChannelPlace]
) -> Iterator[Finding]:
    for other in others:
        if other not in by_key:
            message, allowed = f"there is no channel '{other}'", "the id of a channel of the site"
            yield Finding(loc, message, allowed, refers_to=other)
        elif other == one.channel.id:
            yield Finding(loc, "a channel can't explain itself", "the id of another channel")
        elif by_key[other].channel.states is not None:
            message = f"'{other}' is a discrete channel, which has no means"
            yield Finding(loc, message, "the id of a channel with numbers")


def _method_findings(trend: AnyTrend, loc: Loc) -> Iterator[Finding]:
    if isinstance(trend, AccelerationTrend) and trend.short_bins >= trend.long_bins:
        message = "the short average is not shorter than the long one"
        yield Finding((*loc, "short_bins"), message, f"less than {trend.long_bins}")
    if isinstance(trend, IntensityDurationTrend) and trend.shortest_h >= trend.longest_h:
        message = "the line holds for no duration"
        yield Finding((*loc, "longest_h"), message, f"more than {trend.shortest_h:g}")
    season = isinstance(trend, HydrostaticTrend) or (
        isinstance(trend, SeasonalTrend) and trend.year_harmonics > 0
    )
    if season and isinstance(trend, FittedTrend) and trend.learn_days < YEAR_DAYS:
        message = f"a season can't be learned from {trend.learn_days:g} days"
        allowed = f"{YEAR_DAYS:g} or more; three years, or one wet year is taken for the season"
        yield Finding((*loc, "learn_days"), message, allowed)
    if isinstance(trend, SeasonalTrend):
        if trend.year_harmonics == trend.day_harmonics == 0:
            message = "neither the year nor the day is fitted"
            yield Finding((*loc, "year_harmonics"), message, "at least one of the two above 0")
        if trend.day_harmonics and trend.width_s > 21_600.0:
            message = "bins longer than a quarter of a day can't tell its cycle"
            yield Finding((*loc, "bin_s"), message, "at most 21600, or day_harmonics: 0")


def _drift_findings(
    one: ChannelPlace, drift: Drift, by_key: dict[str, ChannelPlace]
) -> Iterator[Finding]:
    loc = (*one.loc, "drift")
    yield from _bin_findings(one, drift, loc)
    yield from _other_findings(one, tuple(drift.against), (*loc, "against"), by_key)
    for other in drift.against:
        unit = by_key[other].channel.unit if other in by_key else one.channel.unit
        if unit != one.channel.unit:
            message = f"'{other}' is in {unit}, and can't say the same as {one.channel.unit}"
            allowed = f"channels in {one.channel.unit}"
            yield Finding((*loc, "against"), message, allowed)
