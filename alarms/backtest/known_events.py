"""Known events, and how well alarms announced them: detected, how long before, missed, false."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alarms.backtest.lives import AlarmLife
from alarms.transition import AlarmKind
from telemetry.clock import instant_in
from telemetry.plan import SitePlan
from telemetry.site import Level

COLUMNS: Final = ("name", "begins_at", "channel", "structure")
ANNOUNCING: Final = Level.ORANGE  # From this level on an alarm announces an event.


class KnownEventsError(ValueError):
    """The file of known events can't be used; the message names the lines."""


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """Something that happened: a slide, a collapse, an outflow."""

    name: str
    begins_us: int
    channel: str | None  # One of the two.
    structure: str | None

    def is_about(self, life: AlarmLife) -> bool:
        """Tell whether an alarm is about what it happened to."""
        if self.channel is not None:
            return life.channel == self.channel
        return life.structure == self.structure


@dataclass(frozen=True, slots=True)
class Detection:
    """How an event was announced, if it was."""

    event: KnownEvent
    lead_s: float | None  # None: it was missed.
    by: AlarmLife | None = None
    since_before: bool = False  # The alarm stood before the horizon: the lead is at least that.
    after_s: float | None = None  # Missed, but told so long after it began.


@dataclass(frozen=True, slots=True, eq=False)
class Announcements:
    """What alarms were worth beside the known events."""

    detections: list[Detection]
    false_alarms: list[AlarmLife]  # No event within the horizon after them, or just before.

    @property
    def missed(self) -> int:
        """How many events nothing announced."""
        return sum(one.lead_s is None for one in self.detections)


def read_events(path: Path, plan: SitePlan) -> list[KnownEvent]:
    """Read a CSV file with the columns name, begins_at, and channel or structure."""
    try:
        return events_in(path.read_text(encoding="utf-8-sig"), str(path), plan)
    except UnicodeDecodeError:
        raise KnownEventsError(f"{path} is not UTF-8 text.") from None
    except csv.Error as error:
        raise KnownEventsError(f"{path} is no CSV file: {error}.") from None


def events_in(text: str, source_name: str, plan: SitePlan) -> list[KnownEvent]:
    """Read the text of a file of known events; `source_name` is what complaints call it."""
    reader = csv.DictReader(io.StringIO(text))
    columns = [one.strip() for one in reader.fieldnames or ()]
    reader.fieldnames = columns
    if not {"name", "begins_at"} <= set(columns) <= set(COLUMNS) or len(columns) < 3:
        raise KnownEventsError(
            f"{source_name}:1: the columns are {', '.join(columns) or 'none'}; there have to be "
            "name, begins_at, and channel or structure."
        )
    structures = {one.structure.id for one in plan.groups}
    complaints: list[str] = []
    events: list[KnownEvent] = []
    for row in reader:
        try:
            events.append(_event_in(row, plan.channel_by_key, structures))
        except ValueError as error:
            complaints.append(f"{source_name}:{reader.line_num}: {error}")
    if complaints:
        raise KnownEventsError("\n".join(complaints))
    return sorted(events, key=lambda one: (one.begins_us, one.name))


def _event_in(
    row: Mapping[str | None, object], channels: Mapping[str, object], structures: set[str]
) -> KnownEvent:
    if None in row or None in row.values():
        raise ValueError("the row has not as many cells as there are columns.")
    cells = {str(key): str(cell).strip() for key, cell in row.items()}
    channel, structure = cells.get("channel") or None, cells.get("structure") or None
    if (channel is None) == (structure is None):
        raise ValueError("an event is about a channel or about a structure: name one of them.")
    if channel is not None and channel not in channels:
        raise ValueError(f"the site file has no channel {channel[:80]!r}.")
    if structure is not None and structure not in structures:
        known = ", ".join(sorted(structures))
        raise ValueError(f"the site file has no structure {structure[:80]!r}; it has {known}.")
    return KnownEvent(cells["name"], instant_in(cells["begins_at"]), channel, structure)


def announcements(
    lives: Sequence[AlarmLife],
    events: Iterable[KnownEvent],
    *,
    from_us: int,
    to_us: int,
    horizon_us: int,
) -> Announcements:
    """Hold process alarms and known events of a span beside each other.

    The lead of an event is the time from the first alarm of orange or above on it, not longer
    before than the horizon, until it began. An alarm is false when no event on it begins between
    its raise and the horizon after its end, nor had begun within the horizon before its raise.
    """
    told = [life for life in lives if life.kind is AlarmKind.PROCESS]
    known = [one for one in events if from_us <= one.begins_us < to_us]
    about: dict[str | None, list[KnownEvent]] = {}
    for one in known:
        about.setdefault(one.channel or one.structure, []).append(one)
    return Announcements(
        detections=[_detection(told, one, horizon_us) for one in known],
        false_alarms=[
            life
            for life in told
            if life.raised_us >= from_us
            and not any(
                one.is_about(life) and _belongs(life, one, horizon_us)
                for key in {life.channel, life.structure}
                for one in about.get(key, ())
            )
        ],
    )


def _belongs(life: AlarmLife, event: KnownEvent, horizon_us: int) -> bool:
    ended_us = event.begins_us if life.ended_us is None else life.ended_us
    announces = life.raised_us <= event.begins_us <= max(ended_us, life.raised_us) + horizon_us
    return announces or event.begins_us <= life.raised_us <= event.begins_us + horizon_us


def _detection(told: Sequence[AlarmLife], event: KnownEvent, horizon_us: int) -> Detection:
    earliest_us = event.begins_us - horizon_us
    best: tuple[int, AlarmLife] | None = None
    after_us: int | None = None
    for life in told:
        if not event.is_about(life):
            continue
        for begin_us, end_us, level in life.stretches(event.begins_us + horizon_us):
            if level < ANNOUNCING:
                continue
            if begin_us > event.begins_us:
                late_us = begin_us - event.begins_us
                after_us = late_us if after_us is None else min(after_us, late_us)
            elif end_us >= earliest_us and (best is None or begin_us < best[0]):
                best = begin_us, life
    if best is None:
        return Detection(event, None, after_s=None if after_us is None else after_us / 1e6)
    begin_us, life = best
    lead_us = event.begins_us - max(begin_us, earliest_us)
    return Detection(event, lead_us / 1e6, life, since_before=begin_us < earliest_us)
