"""What a back-test found, as tables for people at a terminal."""

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from alarms.backtest.comparison import Comparison
from alarms.backtest.figures import Figures
from alarms.backtest.known_events import Announcements, Detection
from alarms.backtest.report import LEVELS, name_of
from alarms.backtest.running import BackTest, Finding
from telemetry.clock import instant_at
from telemetry.site import Level

ROWS_MAX: Final = 40
COLOURS: Final = {
    Level.BLUE: "blue",
    Level.YELLOW: "yellow",
    Level.ORANGE: "dark_orange",
    Level.RED: "red",
}


def print_tables(test: BackTest, console: Console) -> None:
    """Print everything."""
    console.print(Group(*_parts(test)))


def spelled(seconds: float) -> str:
    """Say how long in the unit that fits.

    >>> [spelled(one) for one in (4.0, 90.0, 7200.0, 259200.0)]
    ['4 s', '1.5 min', '2 h', '3 d']
    """
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def shown(us: int, zone: tzinfo) -> str:
    """Write an instant in the site's time."""
    return instant_at(us).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _parts(test: BackTest) -> Iterator[RenderableType]:
    request = test.request
    span = f"{shown(request.from_us, test.zone)} to {shown(request.to_us, test.zone)}"
    site = test.finding.plan.site
    yield Text(f"{site.site}, {span} ({site.time_zone})")
    for finding in (test.finding, test.against):
        if finding is not None:
            yield from _of_finding(finding, test)
    if test.comparison is not None:
        yield from _of_comparison(test.comparison, test)


def _of_finding(of: Finding, test: BackTest) -> Iterator[RenderableType]:
    how = "in the recorded order" if of.order == "recorded" else "by event time"
    yield Text(
        f"\n{of.name}: {of.readings:,} readings judged {how}, {of.process.days:.3g} days",
        style="bold",
    )
    for remark in of.remarks:
        yield Text(remark, style="yellow")
    if of.left_out:
        yield Text(
            f"There were {of.left_out:,} more alarms than could be looked at; figures are too low.",
            style="red",
        )
    yield _summary(of)
    if of.process.by_channel:
        yield _channels(of.process)
        yield _days(of.process)
    for flood in of.process.floods[:ROWS_MAX]:
        lasted = spelled((flood.end_us - flood.begin_us) / 1e6)
        yield Text(f"Flood at {shown(flood.begin_us, test.zone)}: {flood.alarms} in {lasted}.")
    if of.announcements is not None:
        yield from _announced(of.announcements, test)


def _summary(of: Finding) -> Table:
    table = Table(title="Alarms", title_justify="left")
    for column in ("kind", "alarms", "a day", *map(name_of, LEVELS)):
        table.add_column(column, justify="left" if column == "kind" else "right")
    for column in ("chattering", "floods", "stale"):
        table.add_column(column, justify="right")
    for kind, figures in (("process", of.process), ("technical", of.technical)):
        channels = figures.by_channel.values()
        table.add_row(
            kind,
            f"{figures.alarms:,}",
            f"{figures.alarms / figures.days:.3g}",
            *_counts(figures.by_level),
            f"{sum(one.chattering for one in channels):,}",
            f"{len(figures.floods):,}",
            f"{sum(one.stale for one in channels):,}",
        )
    return table


def _channels(of: Figures) -> Table:
    table = Table(title="Process alarms by channel", title_justify="left")
    table.add_column("channel")
    for column in ("alarms", *map(name_of, LEVELS), "chattering", "stale", "longest"):
        table.add_column(column, justify="right")
    table.add_column("time in alarm")
    ranked = sorted(of.by_channel.items(), key=lambda one: (-one[1].alarms, one[0]))
    for key, one in ranked[:ROWS_MAX]:
        times = [
            f"{name_of(level)} {spelled(one.time_s[level])}"
            for level in LEVELS
            if level in one.time_s
        ]
        table.add_row(
            key,
            f"{one.alarms:,}",
            *_counts(one.by_level),
            f"{one.chattering:,}",
            f"{one.stale:,}",
            spelled(one.longest_s),
            ", ".join(times),
        )
    return _with_rest(table, len(ranked))


def _days(of: Figures) -> Table:
    table = Table(title="Process alarms by day", title_justify="left")
    table.add_column("day")
    table.add_column("alarms", justify="right")
    for level in LEVELS:
        table.add_column(name_of(level), justify="right")
    table.add_column("most")
    for day, channels in list(of.by_day.items())[:ROWS_MAX]:
        most = sorted(channels.items(), key=lambda one: (-one[1].total(), one[0]))[:3]
        counts = {level: sum(one[level] for one in channels.values()) for level in LEVELS}
        table.add_row(
            day,
            f"{sum(counts.values()):,}",
            *_counts(counts),
            ", ".join(f"{key} {one.total()}" for key, one in most),
        )
    return _with_rest(table, len(of.by_day))


def _announced(of: Announcements, test: BackTest) -> Iterator[RenderableType]:
    table = Table(title="Known events", title_justify="left")
    for column in ("event", "of", "began", "lead", "by"):
        table.add_column(column)
    for one in of.detections[:ROWS_MAX]:
        table.add_row(
            one.event.name,
            one.event.channel or one.event.structure or "",
            shown(one.event.begins_us, test.zone),
            _lead(one),
            "" if one.by is None else f"{one.by.channel}/{one.by.rule}",
        )
    yield _with_rest(table, len(of.detections))
    detected = len(of.detections) - of.missed
    yield Text(
        f"{detected} of {len(of.detections)} announced at orange or above within "
        f"{spelled(test.request.horizon_s)}; {len(of.false_alarms):,} false alarms, "
        f"{sum(one.worst >= Level.ORANGE for one in of.false_alarms):,} of them orange or above."
    )


def _lead(one: Detection) -> Text:
    if one.lead_s is not None:
        return Text(
            f"{'at least ' if one.since_before else ''}{spelled(one.lead_s)}", style="green"
        )
    after = "" if one.after_s is None else f", told {spelled(one.after_s)} after"
    return Text(f"missed{after}", style="red")


def _of_comparison(of: Comparison, test: BackTest) -> Iterator[RenderableType]:
    yield Text(
        f"\nThe difference: {of.same:,} alarms as before, {len(of.moved):,} moved, "
        f"{len(of.removed):,} removed, {len(of.added):,} added",
        style="bold",
    )
    table = Table()
    table.add_column("channel")
    for column in ("moved", "removed", "added"):
        table.add_column(column, justify="right")
    for key, counts in list(of.by_channel.items())[:ROWS_MAX]:
        table.add_row(key, *(str(counts[word]) for word in ("moved", "removed", "added")))
    yield _with_rest(table, len(of.by_channel))
    for first, other in of.moved[:ROWS_MAX]:
        by_s = (other.raised_us - first.raised_us) / 1e6
        moved = "at the same time" if not by_s else f"{spelled(abs(by_s))} "
        moved += "" if not by_s else "later" if by_s > 0 else "sooner"
        yield Text(
            f"  {first.channel}/{first.rule} {shown(first.raised_us, test.zone)}: {moved}, "
            f"{name_of(first.worst)} before, {name_of(other.worst)} now"
        )


def _counts(counts: Mapping[Level, int]) -> list[Text]:
    return [
        Text(f"{counts.get(level, 0):,}", style=COLOURS[level] if counts.get(level) else "dim")
        for level in LEVELS
    ]


def _with_rest(table: Table, rows: int) -> Table:
    if rows > ROWS_MAX:
        table.caption = f"and {rows - ROWS_MAX:,} more: --json has all of them"
    return table
