"""A block of events as bytes, in the packing of `telemetry.wire`, known by its beginning.

    "GWE" version:u8 length:u32 | zstd( header length:u32 | header | columns )

The header is msgpack: site, source, kind, the events' ids, the names of numbers and texts, and the
texts. The columns are raw little-endian numbers: instant i8[n], place f8[n, 3], numbers f8[n, m].
`decode_events` believes nothing: it returns a whole block or raises `WireError`.
"""

from itertools import chain
from typing import Annotated, Final

import msgspec
import numpy as np

from telemetry.event import (
    EVENTS_MAX,
    ID_CHARACTERS_MAX,
    NUMBERS_MAX,
    TEXT_CHARACTERS_MAX,
    TEXTS_MAX,
    EventBlock,
    ToldKind,
)
from telemetry.unread import storable
from telemetry.wire import WireError, WireKey, packed, read_header, unpacked

MAGIC: Final = b"GWE"
PLACE: Final = 3  # East, north, elevation.

EventId = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]
Text = Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS_MAX)]


class EventHeader(msgspec.Struct, array_like=True, frozen=True):
    """What the columns are, and the columns that are words."""

    site: WireKey
    source: WireKey
    kind: ToldKind
    ids: Annotated[tuple[EventId, ...], msgspec.Meta(min_length=1, max_length=EVENTS_MAX)]
    number_names: Annotated[tuple[WireKey, ...], msgspec.Meta(max_length=NUMBERS_MAX)]
    text_names: Annotated[tuple[WireKey, ...], msgspec.Meta(max_length=TEXTS_MAX)]
    texts: Annotated[
        tuple[Annotated[tuple[Text, ...], msgspec.Meta(max_length=EVENTS_MAX)], ...],
        msgspec.Meta(max_length=TEXTS_MAX),
    ]


def is_event_block(data: bytes) -> bool:
    """Tell whether bytes claim to be events, and not scans."""
    return data.startswith(MAGIC)


def encode_events(block: EventBlock) -> bytes:
    """Write a block as bytes; it must hold at least one event and at most `EVENTS_MAX`."""
    if not 1 <= len(block) <= EVENTS_MAX:
        raise WireError("malformed", f"a block of {len(block)} events is not sent")
    header = EventHeader(
        block.site,
        block.source,
        block.kind,
        block.event_id,
        block.number_names,
        block.text_names,
        block.texts,
    )
    return packed(
        MAGIC,
        header,
        [
            np.ascontiguousarray(block.sampled_us, "<i8").tobytes(),
            np.ascontiguousarray(block.place, "<f8").tobytes(),
            np.ascontiguousarray(block.numbers, "<f8").tobytes(),
        ],
    )


def decode_events(data: bytes) -> EventBlock:
    """Read a block from untrusted bytes, or raise `WireError` with the reason."""
    content = unpacked(MAGIC, data)
    header, begin = read_header(content, EventHeader)
    _check_words(header)
    events, numbers = len(header.ids), len(header.number_names)
    expected = begin + 8 * events * (1 + PLACE + numbers)
    if len(content) != expected:
        raise WireError(
            "malformed",
            f"{events} events with {numbers} numbers take {expected} bytes, "
            f"but the block holds {len(content)}",
        )
    sampled_us = np.frombuffer(content, "<i8", events, begin).astype(np.int64)
    floats = np.frombuffer(content, "<f8", -1, begin + 8 * events).astype(np.float64)
    if np.isinf(floats).any():
        raise WireError("malformed", "a number of an event is infinite")
    return EventBlock(
        site=header.site,
        source=header.source,
        kind=header.kind,
        event_id=header.ids,
        sampled_us=sampled_us,
        place=floats[: PLACE * events].reshape(events, PLACE),
        number_names=header.number_names,
        numbers=floats[PLACE * events :].reshape(events, numbers),
        text_names=header.text_names,
        texts=header.texts,
    )


def _check_words(header: EventHeader) -> None:
    """Refuse words that no table holds, and columns that are not as long as the others."""
    if len(header.texts) != len(header.text_names) or any(
        len(column) != len(header.ids) for column in header.texts
    ):
        raise WireError("malformed", "the texts are not as many as the events")
    names = [*header.number_names, *header.text_names]
    if len(set(names)) != len(names):
        raise WireError("malformed", "two attributes have one name")
    if any(storable(word) != word for word in chain(header.ids, *header.texts)):
        raise WireError("malformed", "a word holds a character that can't be stored")
