"""What an operator would have had to bear: how many alarms, chatter, floods, time in alarm, stale.

Definitions and bounds are those of ISA-18.2-2016 and IEC 62682: an alarm chatters that is raised
three times or more within a minute; a flood begins with more than ten new alarms within ten minutes
and ends with fewer than five; what stands for more than a day is stale. All of them can be chosen.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

import numpy as np
from numpy.typing import NDArray

from alarms.backtest.lives import AlarmLife
from telemetry.clock import instant_at
from telemetry.site import Level

DAY_US = 86_400_000_000
Instants = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """From when on alarms are too many, or too long."""

    chatter_raises: int = 3
    chatter_window_s: float = 60.0
    flood_begins_above: int = 10
    flood_ends_below: int = 5
    flood_window_s: float = 600.0
    stale_after_s: float = 86_400.0


@dataclass(slots=True, eq=False)
class ChannelFigures:
    """What one channel's alarms amount to."""

    structure: str | None
    by_level: Counter[Level] = field(default_factory=Counter)  # Alarms, by their worst level.
    # At exactly that level.
    time_s: dict[Level, float] = field(default_factory=lambda: defaultdict(float))
    chattering: int = 0  # Raises that were one of too many.
    stale: int = 0
    longest_s: float = 0.0

    @property
    def alarms(self) -> int:
        """How many were raised."""
        return self.by_level.total()


@dataclass(frozen=True, slots=True)
class Flood:
    """A stretch in which more alarms came than a person can answer."""

    begin_us: int
    end_us: int
    alarms: int


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What the alarms of a span amount to."""

    days: float
    by_channel: dict[str, ChannelFigures]
    by_day: dict[str, dict[str, Counter[Level]]]  # By date and channel.
    floods: list[Flood]

    @property
    def alarms(self) -> int:
        """How many alarms were raised."""
        return sum(one.alarms for one in self.by_channel.values())

    @property
    def by_level(self) -> Counter[Level]:
        """How many alarms were raised, by their worst level."""
        return sum((one.by_level for one in self.by_channel.values()), Counter())

    @property
    def time_s(self) -> dict[Level, float]:
        """How long alarms stood at each level, of all channels together."""
        channels = self.by_channel.values()
        return {one: sum(of.time_s.get(one, 0.0) for of in channels) for one in Level if one}


def figures_of(
    lives: Iterable[AlarmLife], from_us: int, to_us: int, bounds: Bounds, zone: tzinfo
) -> Figures:
    """Count what the alarms raised in a span amount to; days begin at midnight of the zone.

    Time in alarm counts also what was raised before the span, as far as it lies within.
    """
    by_channel: dict[str, ChannelFigures] = {}
    by_day: dict[str, dict[str, Counter[Level]]] = defaultdict(lambda: defaultdict(Counter))
    raises: dict[tuple[str, str], list[int]] = defaultdict(list)
    for life in lives:
        of = by_channel.setdefault(life.channel, ChannelFigures(life.structure))
        ended_us = to_us if life.ended_us is None else min(life.ended_us, to_us)
        for begin_us, end_us, level in life.stretches(to_us):
            within_us = min(end_us, to_us) - max(begin_us, from_us)
            if within_us > 0:
                of.time_s[level] += within_us / 1e6
        lasted_s = (ended_us - life.raised_us) / 1e6
        of.longest_s = max(of.longest_s, lasted_s)
        of.stale += lasted_s > bounds.stale_after_s
        if life.raised_us >= from_us:
            of.by_level[life.worst] += 1
            day = instant_at(life.raised_us).astimezone(zone).date().isoformat()
            by_day[day][life.channel][life.worst] += 1
            raises[life.channel, life.rule].append(life.raised_us)
    for (channel, _), instants in raises.items():
        chattering = in_chatter(_sorted(instants), bounds)
        by_channel[channel].chattering += int(chattering.sum())
    everything = _sorted([us for instants in raises.values() for us in instants])
    return Figures(
        days=(to_us - from_us) / DAY_US,
        by_channel=dict(sorted(by_channel.items())),
        by_day={day: dict(sorted(of.items())) for day, of in sorted(by_day.items())},
        floods=floods_in(everything, bounds),
    )


def in_chatter(raised_us: Instants, bounds: Bounds) -> NDArray[np.bool_]:  # [raise]
    """Tell which raises of one alarm are among too many within the window.

    >>> in_chatter(np.array([0, 20, 50, 500]) * 1_000_000, Bounds()).tolist()
    [True, True, True, False]
    """
    chatters = np.zeros(len(raised_us), np.bool_)
    span = bounds.chatter_raises - 1
    if len(raised_us) <= span:
        return chatters
    lasted_us = raised_us[span:] - raised_us[: len(raised_us) - span]
    for first in np.flatnonzero(lasted_us <= bounds.chatter_window_s * 1e6).tolist():
        chatters[first : first + bounds.chatter_raises] = True
    return chatters


def floods_in(raised_us: Instants, bounds: Bounds) -> list[Flood]:
    """Find the floods in the instants of all raises, ascending.

    A flood begins with the first of too many within the window, and ends with the last raise
    before the window holds few again.

    >>> [one.alarms for one in floods_in(np.arange(11) * 1_000_000, Bounds())]
    [11]
    >>> floods_in(np.arange(10) * 1_000_000, Bounds())
    []
    """
    window_us = round(bounds.flood_window_s * 1e6)
    first = np.searchsorted(raised_us, raised_us - window_us, side="right")
    held = np.arange(1, len(raised_us) + 1) - first  # [raise] within the window that it ends
    floods: list[Flood] = []
    begin: int | None = None
    ended = 0
    for n in np.flatnonzero(_may_matter(held, bounds)).tolist():
        if begin is not None and held[n] < bounds.flood_ends_below:
            floods.append(_flood(raised_us, begin, n))
            begin, ended = None, n
        if begin is None and held[n] > bounds.flood_begins_above:
            begin = max(int(first[n]), ended)
    if begin is not None:
        floods.append(_flood(raised_us, begin, len(raised_us)))
    return floods


def _may_matter(held: Instants, bounds: Bounds) -> NDArray[np.bool_]:
    return (held > bounds.flood_begins_above) | (held < bounds.flood_ends_below)


def _flood(raised_us: Instants, begin: int, end: int) -> Flood:
    return Flood(int(raised_us[begin]), int(raised_us[end - 1]), end - begin)


def _sorted(instants: Sequence[int]) -> Instants:
    return np.sort(np.array(instants, np.int64))
