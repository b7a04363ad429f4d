"""A JSON message as events, by the mapping that the site file gives.

A message is one event, or holds a list of them (`rows`). An event is of the instant that the
message says, never of its arrival: an event without an id or an instant is complained about, and
the message kept aside. A number that can't be read is unknown, and complained about as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.event import (
    EVENTS_MAX,
    ID_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    EventBlock,
)
from telemetry.json_message import COMPLAINTS_MAX, NO_OFFSET, MessageError, parsed, rows_of
from telemetry.json_values import (
    MISSING,
    Path,
    column_of,
    found_at,
    instant_in,
    path_of,
    shown,
)
from telemetry.plan import EventSourcePlan
from telemetry.unread import storable

PLACE_KEYS: Final = ("east_m", "north_m", "elevation_m")
ID_LETTERS: Final = "an id is a text of at most 64 letters, or a whole number"


@dataclass(frozen=True, slots=True, eq=False)
class MessageEvents:
    """What a message says about events; in blocks that the wire takes."""

    blocks: tuple[EventBlock, ...]
    complaints: tuple[str, ...] = ()


class EventDecoder:
    """Reads the messages of one source of events."""

    def __init__(self, site: str, plan: EventSourcePlan) -> None:
        """Take a source of a checked site, whose message has a time."""
        source = plan.source
        assert source.message.time is not None
        self.message = source.message
        self._site = site
        self._source = source
        self._rows = None if self.message.rows is None else path_of(self.message.rows)
        self._time = path_of(source.message.time)
        self._id = path_of(source.fields.id)
        place = source.fields.place
        self._place: list[Path | None] = [
            None if place is None or (text := getattr(place, key)) is None else path_of(text)
            for key in PLACE_KEYS
        ]
        self._numbers = {name: path_of(text) for name, text in source.fields.numbers.items()}
        self._texts = {name: path_of(text) for name, text in source.fields.texts.items()}

    def decode(self, topic: str, payload: bytes) -> MessageEvents:
        """Read a message; raise `MessageError` when nothing in it can be used."""
        rows = rows_of(topic, parsed(topic, payload), self.message.rows, self._rows, "event")
        complaints: list[str] = []
        ids, named = self._ids(topic, rows, complaints)
        sampled_us, timed = self._instants(topic, rows, complaints)
        taken = np.flatnonzero(named & timed)
        if not len(taken):
            raise MessageError("; ".join(complaints[:COMPLAINTS_MAX]))
        chosen = [rows[n] for n in taken.tolist()]
        block = EventBlock(
            site=self._site,
            source=self._source.id,
            kind=self._source.kind,
            event_id=tuple(ids[n] for n in taken.tolist()),
            sampled_us=sampled_us[taken],
            place=self._places(topic, chosen, complaints),
            number_names=tuple(self._numbers),
            numbers=self._columns(topic, chosen, complaints),
            text_names=tuple(self._texts),
            texts=tuple(
                tuple(_text(found_at(path, row)) for row in chosen) for path in self._texts.values()
            ),
        )
        return MessageEvents(cut(block), tuple(complaints[:COMPLAINTS_MAX]))

    def _ids(
        self, topic: str, rows: Sequence[object], complaints: list[str]
    ) -> tuple[list[str], NDArray[np.bool_]]:
        values = [found_at(self._id, row) for row in rows]
        ids = [_id(value) for value in values]
        named = np.array([one != "" for one in ids], np.bool_)
        if not named.all():
            wrong = values[int(np.argmin(named))]
            complaints.append(
                f"the message on {topic} has {shown(wrong)} in the field {self._source.fields.id} "
                f"where the event's id should be ({ID_LETTERS}); correct `fields.id` of the "
                f"source {self._source.id} in the site file, or the device"
            )
        return ids, named

    def _instants(
        self, topic: str, rows: Sequence[object], complaints: list[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        values = [found_at(self._time, row) for row in rows]
        instants = [instant_in(value, self.message) for value in values]
        timed = np.array([one is not None for one in instants], np.bool_)
        if not timed.all():
            wrong = values[int(np.argmin(timed))]
            hint = NO_OFFSET if self.message.time_format == "iso8601" else ""
            complaints.append(
                f"the message on {topic} has {shown(wrong)} in the field {self.message.time}, "
                f"which is no instant as {self.message.time_format}; an event without its instant "
                f"is of no use: correct `time` or `time_format` in the site file, or the "
                f"device{hint}"
            )
        return np.array([one or 0 for one in instants], np.int64), timed

    def _places(
        self, topic: str, rows: Sequence[object], complaints: list[str]
    ) -> NDArray[np.float64]:
        place = np.full((len(rows), len(PLACE_KEYS)), np.nan)
        for n, (key, path) in enumerate(zip(PLACE_KEYS, self._place, strict=True)):
            if path is not None:
                place[:, n] = self._column(topic, rows, key, path, complaints)
        return place

    def _columns(
        self, topic: str, rows: Sequence[object], complaints: list[str]
    ) -> NDArray[np.float64]:
        numbers = np.full((len(rows), len(self._numbers)), np.nan)
        for n, (name, path) in enumerate(self._numbers.items()):
            numbers[:, n] = self._column(topic, rows, name, path, complaints)
        return numbers

    def _column(
        self, topic: str, rows: Sequence[object], name: str, path: Path, complaints: list[str]
    ) -> NDArray[np.float64]:
        values = [found_at(path, row) for row in rows]
        column, _, wrong = column_of(values)
        if wrong is not None:
            complaints.append(
                f"the message on {topic} has {shown(values[wrong])} for {name} of an event of "
                f"{self._source.id}, which is no number; correct `fields` in the site file, or let "
                "the device publish a number"
            )
        return column


def cut(block: EventBlock) -> tuple[EventBlock, ...]:
    """Cut events into blocks that are no longer than the wire takes."""
    return tuple(
        block.rows(np.arange(begin, min(begin + EVENTS_MAX, len(block))))
        for begin in range(0, len(block), EVENTS_MAX)
    )


def _id(value: object) -> str:
    """Read an id; empty where there is none that can be kept."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int) and value.bit_length() > 128:
        return ""
    text = str(value).strip()
    return text if len(text) <= ID_CHARACTERS_MAX and storable(text) == text else ""


def _text(value: object) -> str:
    """Read a text, cut to what is kept; what is no text is shown as JSON people would write it."""
    if value is None or value is MISSING or isinstance(value, dict | list):
        return ""
    text = value if isinstance(value, str) else shown(value)
    return storable(text)[:TEXT_CHARACTERS_MAX]
