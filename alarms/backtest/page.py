"""What a back-test found, as one HTML page that needs nothing else: no script, no address."""

from collections import defaultdict
from collections.abc import Iterator
from html import escape
from typing import Final

from alarms.backtest.chart import COLOURS, Bound, Chart, Span, svg_of
from alarms.backtest.lives import AlarmLife
from alarms.backtest.report import LEVELS, name_of
from alarms.backtest.running import BackTest, Finding
from alarms.backtest.tables import shown, spelled
from alarms.transition import AlarmKind
from telemetry.site import Level

CHARTS_MAX: Final = 60
SPANS_MAX: Final = 2_000  # Of a channel; more are drawn over each other anyway.
STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem;
       color: #1c2126; background: #fff }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 1.6rem 0 .3rem }
table { border-collapse: collapse; margin: .5rem 0 }
th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #dde2e7 }
th:first-child, td:first-child { text-align: left }
svg { width: 100%; height: auto } svg text { font: 11px system-ui, sans-serif; fill: #5a646e }
.grid { stroke: #e6eaee; fill: none } .series { fill: #4a5a6a; stroke: #4a5a6a; stroke-width: 1 }
.event { stroke: #1c2126; stroke-width: 2; stroke-dasharray: 2 3 } .lane { fill: #f1f4f6 }
p { margin: .3rem 0 }
"""


def page_of(test: BackTest) -> str:
    """Write the whole page."""
    request, site = test.request, test.finding.plan.site
    span = f"{shown(request.from_us, test.zone)} – {shown(request.to_us, test.zone)}"
    title = escape(f"{site.site}: back-test, {span} ({site.time_zone})")
    parts = [*_summary(test), *_events(test), *_difference(test), *_charts(test)]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>{''.join(parts)}</body></html>\n"
    )


def _findings(test: BackTest) -> list[Finding]:
    return [one for one in (test.finding, test.against) if one is not None]


def _row(*cells: object, head: bool = False) -> str:
    tag = "th" if head else "td"
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"


def _summary(test: BackTest) -> Iterator[str]:
    levels = map(name_of, LEVELS)
    yield "<table>" + _row(
        "process alarms", "alarms", "a day", *levels, "chattering", "floods", "stale", head=True
    )
    for one in _findings(test):
        of, channels = one.process, one.process.by_channel.values()
        yield _row(
            f"{one.name} ({one.order})",
            of.alarms,
            f"{of.alarms / of.days:.3g}",
            *(of.by_level[level] for level in LEVELS),
            sum(channel.chattering for channel in channels),
            len(of.floods),
            sum(channel.stale for channel in channels),
        )
    yield "</table>"
    for one in _findings(test):
        yield from (f"<p>{escape(remark)}</p>" for remark in one.remarks)
        if one.left_out:
            yield f"<p>{one.left_out} more alarms than could be looked at; figures are too low.</p>"


def _events(test: BackTest) -> Iterator[str]:
    for finding in _findings(test):
        told = finding.announcements
        if told is None:
            continue
        yield f"<h2>Known events, by {escape(finding.name)}</h2><table>"
        yield _row("event", "of", "began", "lead", head=True)
        for one in told.detections:
            lead = "missed" if one.lead_s is None else spelled(one.lead_s)
            began = shown(one.event.begins_us, test.zone)
            yield _row(one.event.name, one.event.channel or one.event.structure, began, lead)
        yield f"</table><p>False alarms: {len(told.false_alarms)}</p>"


def _difference(test: BackTest) -> Iterator[str]:
    of = test.comparison
    if of is None:
        return
    yield (
        f"<h2>The difference</h2><p>{of.same} as before, {len(of.moved)} moved, "
        f"{len(of.removed)} removed, {len(of.added)} added.</p><table>"
    )
    yield _row("channel", "moved", "removed", "added", head=True)
    for key, counts in of.by_channel.items():
        yield _row(key, counts["moved"], counts["removed"], counts["added"])
    yield "</table>"


def _charts(test: BackTest) -> Iterator[str]:
    told = [_by_channel(one) for one in _findings(test)]
    worst: dict[str, tuple[Level, int]] = {}
    for of in told:
        for key, lives in of.items():
            rank = max(one.worst for one in lives), len(lives)
            worst[key] = max(worst.get(key, rank), rank)
    ranked = sorted(worst, key=lambda key: (-worst[key][0], -worst[key][1], key))
    if len(ranked) > CHARTS_MAX:
        yield f"<p>{len(ranked)} channels alarmed; the {CHARTS_MAX} worst are shown.</p>"
    for key in ranked[:CHARTS_MAX]:
        if (chart := _chart(test, key, [of.get(key, []) for of in told])) is not None:
            unit = test.finding.plan.channel_by_key.get(key)
            said = f"{key}, {unit.channel.unit}" if unit is not None else key
            style = f"border-left:6px solid {COLOURS[worst[key][0]]};padding-left:.5rem"
            yield f'<h2 style="{style}">{escape(said)}</h2>'
            yield svg_of(chart)


def _by_channel(finding: Finding) -> dict[str, list[AlarmLife]]:
    found: dict[str, list[AlarmLife]] = defaultdict(list)
    for life in finding.lives:
        if life.kind is AlarmKind.PROCESS:
            found[life.channel].append(life)
    return found


def _chart(test: BackTest, key: str, told: list[list[AlarmLife]]) -> Chart | None:
    findings = _findings(test)
    source = next((one for one in findings if key in one.plan.channel_by_key), None)
    if source is None or source.envelope is None:
        return None
    low, high = source.envelope.of(key)
    structure = source.plan.channel_by_key[key].structure.id
    return Chart(
        from_us=test.request.from_us,
        to_us=test.request.to_us,
        low=low,
        high=high,
        bounds=[
            bound for n, one in enumerate(findings) for bound in _bounds(one, key, dashed=n > 0)
        ],
        lanes=[
            _spans(lives[:SPANS_MAX], test, one.span_us.stop)
            for one, lives in zip(findings, told, strict=True)
        ],
        events=[
            (one.begins_us, one.name)
            for one in test.events
            if one.channel == key or (one.channel is None and one.structure == structure)
        ],
        zone=test.zone,
    )


def _bounds(finding: Finding, key: str, *, dashed: bool) -> Iterator[Bound]:
    plan = finding.plan.channel_by_key.get(key)
    for limit in plan.channel.limits if plan is not None else ():
        for level in LEVELS:
            value = getattr(limit.levels, name_of(level))
            if value is not None:
                yield Bound(value, level, dashed)


def _spans(lives: list[AlarmLife], test: BackTest, until_us: int) -> list[Span]:
    return [
        Span(begin_us, end_us, level, f"{life.rule} {name_of(level)}, {shown(begin_us, test.zone)}")
        for life in lives
        for begin_us, end_us, level in life.stretches(until_us)
        if end_us > test.request.from_us and begin_us < test.request.to_us
    ]
