"""A channel over a span as SVG: between what values it went, its bounds, alarms and events."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.clock import instant_at
from telemetry.site import Level

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 960, 200, 64, 8, 22
LANE: Final = 9
COLOURS: Final = {
    Level.BLUE: "#2f7fd1",
    Level.YELLOW: "#d9a400",
    Level.ORANGE: "#e8711a",
    Level.RED: "#c92a2a",
}
STEPS_S: Final = (
    *(60, 300, 900, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 86_400, 2 * 86_400, 7 * 86_400),
    *(14 * 86_400, 28 * 86_400, 91 * 86_400, 182 * 86_400, 364 * 86_400, 1_820 * 86_400),
)
LABELS_MAX: Final = 11
GAP: Final = 4

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bound:
    """A line at a value."""

    value: float
    level: Level
    dashed: bool  # Of the other configuration.


@dataclass(frozen=True, slots=True)
class Span:
    """An alarm's level over a stretch of time."""

    begin_us: int
    end_us: int
    level: Level
    title: str


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """All that is drawn of a channel."""

    from_us: int
    to_us: int
    low: Values  # [piece]
    high: Values
    bounds: Sequence[Bound]
    lanes: Sequence[Sequence[Span]]  # One of each configuration.
    events: Sequence[tuple[int, str]]
    zone: tzinfo


def svg_of(chart: Chart) -> str:
    """Draw a chart; it refers to nothing outside itself."""
    lowest, highest = _range_of(chart)
    scale = _Scale(chart.from_us, chart.to_us, lowest, highest)
    height = TOP + HEIGHT + LANE * len(chart.lanes) + BOTTOM
    parts = [
        *_values_axis(scale),
        *_time_axis(scale, chart.zone, height - BOTTOM),
        *_bounds(scale, chart.bounds),
        f'<path class="series" d="{_outline(scale, chart.low, chart.high)}"/>',
        *(one for n, lane in enumerate(chart.lanes) for one in _lane(scale, lane, n)),
        *_events(scale, chart.events, height - BOTTOM),
    ]
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'


@dataclass(frozen=True, slots=True)
class _Scale:
    from_us: int
    to_us: int
    lowest: float
    highest: float

    def x(self, us: float) -> float:
        share = (us - self.from_us) / (self.to_us - self.from_us)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - 4)

    def y(self, value: float) -> float:
        return TOP + HEIGHT * (self.highest - value) / (self.highest - self.lowest)


def _range_of(chart: Chart) -> tuple[float, float]:
    """Choose what is shown: all values, and bounds that are not far away from them."""
    known = np.concatenate([chart.low, chart.high])
    known = known[np.isfinite(known)]
    if not len(known):
        values = [one.value for one in chart.bounds] or [0.0]
        lowest, highest = min(values), max(values)
    else:
        lowest, highest = float(known.min()), float(known.max())
        reach = max(highest - lowest, abs(highest) * 1e-3, 1e-9)
        near = [one.value for one in chart.bounds if lowest - reach <= one.value <= highest + reach]
        lowest, highest = min([lowest, *near]), max([highest, *near])
    margin = (highest - lowest) * 0.05 or max(abs(highest) * 0.05, 0.5)
    return lowest - margin, highest + margin


def _outline(scale: _Scale, low: Values, high: Values) -> str:
    """Go along the highest values and back along the lowest; a gap breaks the line.

    Readings may be rarer than pieces, so a gap is what is longer than is usual between them.
    """
    there = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    if not len(there):
        return ""
    apart = np.diff(there)
    usual = float(np.median(apart)) if len(apart) else 1.0
    width_us = (scale.to_us - scale.from_us) / len(low)
    paths = []
    for run in np.split(there, np.flatnonzero(apart > GAP * usual) + 1):
        x = [scale.x(scale.from_us + (n + 0.5) * width_us) for n in run.tolist()]
        up = [f"{a:.1f} {scale.y(float(b)):.1f}" for a, b in zip(x, high[run], strict=True)]
        down = [f"{a:.1f} {scale.y(float(b)):.1f}" for a, b in zip(x, low[run], strict=True)]
        paths.append("M" + "L".join([*up, *reversed(down)]) + "Z")
    return "".join(paths)


def _values_axis(scale: _Scale) -> Iterator[str]:
    for value in _round_values(scale.lowest, scale.highest):
        y = scale.y(value)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - 4}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.6g}</text>'


def _round_values(lowest: float, highest: float) -> list[float]:
    step = 10.0 ** math.floor(math.log10((highest - lowest) / 2))
    while (highest - lowest) / step > 6:
        step *= 2 if round(step / 10.0 ** math.floor(math.log10(step) + 1e-9)) != 2 else 2.5
    first = math.ceil(lowest / step)
    return [n * step for n in range(first, math.floor(highest / step) + 1)]


def _time_axis(scale: _Scale, zone: tzinfo, y: int) -> Iterator[str]:
    span_s = (scale.to_us - scale.from_us) / 1e6
    step_s = next((one for one in STEPS_S if span_s / one <= LABELS_MAX), STEPS_S[-1])
    form = "%Y-%m-%d" if step_s >= 86_400 else "%m-%d %H:%M"
    offset = instant_at(scale.from_us).astimezone(zone).utcoffset()
    offset_us = round(offset.total_seconds() * 1e6) if offset is not None else 0
    step_us = step_s * 1_000_000
    for local_us in range(
        -(-(scale.from_us + offset_us) // step_us) * step_us, scale.to_us + offset_us, step_us
    ):
        x = scale.x(local_us - offset_us)
        label = instant_at(local_us).strftime(form)
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{y}"/>'
        if x < WIDTH - 36:
            yield f'<text x="{x:.1f}" y="{y + 15}" text-anchor="middle">{label}</text>'


def _bounds(scale: _Scale, bounds: Sequence[Bound]) -> Iterator[str]:
    for one in bounds:
        if scale.lowest <= one.value <= scale.highest:
            y, dashes = scale.y(one.value), ' stroke-dasharray="6 4"' if one.dashed else ""
            yield (
                f'<path d="M{LEFT} {y:.1f}H{WIDTH - 4}" stroke="{COLOURS[one.level]}"{dashes}>'
                f"<title>{one.value:.6g}</title></path>"
            )


def _lane(scale: _Scale, spans: Sequence[Span], number: int) -> Iterator[str]:
    y = TOP + HEIGHT + LANE * number
    yield f'<rect class="lane" x="{LEFT}" y="{y}" width="{WIDTH - 4 - LEFT}" height="{LANE - 2}"/>'
    for one in spans:
        x = scale.x(one.begin_us)
        width = max(scale.x(one.end_us) - x, 1.5)
        yield (
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{LANE - 2}" '
            f'fill="{COLOURS[one.level]}"><title>{escape(one.title)}</title></rect>'
        )


def _events(scale: _Scale, events: Sequence[tuple[int, str]], y: int) -> Iterator[str]:
    for at_us, name in events:
        if scale.from_us <= at_us < scale.to_us:
            x = scale.x(at_us)
            yield (
                f'<path class="event" d="M{x:.1f} {TOP}V{y}"><title>{escape(name)}</title></path>'
            )
