"""Rules about limits: levels in order, deadbands that end, bounds that can be reached."""

from collections.abc import Iterator
from itertools import pairwise

from telemetry.limits import ChartLimit, Limit, RateLimit
from telemetry.site import Site
from telemetry.site_rules.places import ChannelPlace, Finding, Loc, channels_of

Bounds = list[tuple[str, float]]  # Names of levels with their bounds, from blue to red.


def limit_findings(site: Site) -> Iterator[Finding]:
    """Find limits that could never be violated, never end, or contradict each other."""
    for one in channels_of(site):
        for n, limit in enumerate(one.channel.limits):
            loc = (*one.loc, "limits", n)
            yield from level_findings(limit, loc)
            yield from _reach_findings(limit, loc, one.channel.range)
        for n, rate_limit in enumerate(one.channel.rate_limits):
            yield from level_findings(rate_limit, (*one.loc, "rate_limits", n))
        for n, chart in enumerate(one.channel.charts):
            yield from level_findings(chart, (*one.loc, "charts", n))
            yield from _chart_findings(one, chart, (*one.loc, "charts", n))
        yield from _window_findings(one)
        yield from _repeated_findings(one)
        yield from _crossing_findings(one)


def _bounds_of(limit: Limit) -> Bounds:
    return [(name, bound) for name, bound in limit.levels if bound is not None]


def level_findings(limit: Limit, loc: Loc) -> Iterator[Finding]:
    """Find levels that are missing, out of order, or end only with the one below."""
    bounds = _bounds_of(limit)
    if not bounds:
        message = "the limit has no level"
        yield Finding((*loc, "levels"), message, "at least one of blue, yellow, orange, red")
    sign = 1.0 if limit.direction == "high" or isinstance(limit, ChartLimit) else -1.0
    steps = [
        (lower, upper, sign * (after - before))
        for (lower, before), (upper, after) in pairwise(bounds)
    ]
    for lower, upper, step in steps:
        if step <= 0.0:
            order = "above" if sign > 0 else "below"
            message = f"{upper} must lie {order} {lower} in a limit of direction {limit.direction}"
            allowed = "blue < yellow < orange < red for high, blue > yellow > orange > red for low"
            if isinstance(limit, ChartLimit):
                message = f"{upper} must lie above {lower} in a chart, whichever its direction"
                allowed = "blue < yellow < orange < red, in standard deviations"
            yield Finding((*loc, "levels", upper), message, allowed)
    narrowest = min((step for *_, step in steps if step > 0.0), default=None)
    if narrowest is not None and limit.deadband > narrowest:
        message = (
            f"the deadband {limit.deadband:g} is larger than the distance between two levels, "
            f"so that a level would end after the one below it"
        )
        yield Finding((*loc, "deadband"), message, f"at most {narrowest:g}")
    confirm = limit.confirm
    if confirm is not None and confirm.at_least > confirm.of_last:
        message = f"{confirm.at_least} of the last {confirm.of_last} readings can't be there"
        place = (*loc, "confirm", "at_least")
        yield Finding(place, message, f"at most {confirm.of_last}, which is of_last")


def _chart_findings(one: ChannelPlace, chart: ChartLimit, loc: Loc) -> Iterator[Finding]:
    """Find charts that can't be compared with anything, or would never be quiet."""
    for name, bound in _bounds_of(chart):
        if bound <= chart.deadband:
            message = f"{name} at {bound:g} standard deviations would never end"
            yield Finding((*loc, "levels", name), message, f"above {chart.deadband:g}")
    if chart.sigma is None and one.channel.resolution is None:
        message = "the chart learns what is usual, and does not know what the channel can tell"
        allowed = "the key sigma here, or the key resolution with the channel"
        yield Finding(loc, message, allowed)
    period_s = one.place.group.period_s
    if chart.reset_after_s is not None and chart.reset_after_s < period_s:
        message = f"the chart would begin anew with each reading, every {period_s:g} s"
        yield Finding((*loc, "reset_after_s"), message, f"more than {period_s:g}")


def _reach_findings(
    limit: Limit, loc: Loc, within: tuple[float, float] | None
) -> Iterator[Finding]:
    """Compare a limit with the channel's range: beyond it readings are bad and judge nothing."""
    bounds = _bounds_of(limit)
    if within is None or within[0] >= within[1] or not bounds:
        return
    lowest, highest = within
    for name, bound in bounds:
        if not lowest <= bound <= highest:
            message = f"{name} at {bound:g} lies outside the channel's range and is never reached"
            yield Finding((*loc, "levels", name), message, f"{lowest:g} to {highest:g}")
    first = bounds[0][1]
    ends = first - limit.deadband if limit.direction == "high" else first + limit.deadband
    is_high = limit.direction == "high"
    if lowest <= first <= highest and (ends <= lowest if is_high else ends >= highest):
        message = f"the violation could never end: it would have to pass {ends:g}"
        allowed = f"an end within the channel's range, {lowest:g} to {highest:g}"
        yield Finding((*loc, "deadband"), message, allowed)


def _window_findings(one: ChannelPlace) -> Iterator[Finding]:
    period_s = one.place.group.period_s
    for n, limit in enumerate(one.channel.rate_limits):
        if limit.window_s < period_s:
            message = f"the window of {limit.window_s:g} s is shorter than the group's period"
            allowed = f"{period_s:g} s or more"
            yield Finding((*one.loc, "rate_limits", n, "window_s"), message, allowed)


def _repeated_findings(one: ChannelPlace) -> Iterator[Finding]:
    seen: list[Limit] = []
    for n, limit in enumerate(one.channel.limits):
        if any(
            limit.direction == other.direction and limit.levels == other.levels for other in seen
        ):
            message = "two limits have the same direction and the same levels"
            yield Finding((*one.loc, "limits", n), message, "each limit once")
        seen.append(limit)
    rules: set[tuple[str, float]] = set()
    for n, rate_limit in enumerate(one.channel.rate_limits):
        rule = (rate_limit.direction, rate_limit.window_s)
        if rule in rules:
            message = "two rate limits have the same direction and the same window"
            yield Finding((*one.loc, "rate_limits", n), message, "one for each of them")
        rules.add(rule)
    charts: set[tuple[str, str]] = set()
    for n, chart in enumerate(one.channel.charts):
        kind = (chart.method, chart.direction)
        if kind in charts:
            message = "two charts have the same method and the same direction"
            yield Finding((*one.loc, "charts", n), message, "one for each of them")
        charts.add(kind)


def _crossing_findings(one: ChannelPlace) -> Iterator[Finding]:
    """Find a low limit above a high one: some level would always be violated."""
    families: tuple[tuple[str, list[Limit]], ...] = (
        ("limits", one.channel.limits),
        ("rate_limits", list[Limit](one.channel.rate_limits)),
    )
    for name, family in families:
        for n, low in enumerate(family):
            for high in family:
                if low.direction == "low" and high.direction == "high" and _cross(low, high):
                    message = "low and high limits overlap: one of them would always be violated"
                    yield Finding((*one.loc, name, n, "levels"), message, "low below high")
                    break


def _cross(low: Limit, high: Limit) -> bool:
    if isinstance(low, RateLimit) and isinstance(high, RateLimit) and low.window_s != high.window_s:
        return False  # Fast over a minute and slow over a day go well together.
    below, above = _bounds_of(low), _bounds_of(high)
    return bool(below and above) and max(b for _, b in below) >= min(b for _, b in above)
