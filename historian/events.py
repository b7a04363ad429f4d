"""Events, written in the flush that brings them, and known again when they come twice.

The same event with the same content is a repetition, whichever of its revisions said so: an edge
that was restored from an old copy sends old revisions again, and they must not become the newest
word. Other content is the next revision. The caller's transaction holds the site.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import numpy as np
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from telemetry.clock import instant_at
from telemetry.event import EventBlock

STORED: Final = """
    select event_id, revision, hash from event where site_id = %s and event_id = any(%s)
"""
INSERT: Final = """
    insert into event (site_id, event_id, revision, source, time, kind, place, attributes, hash,
                       received_at, flush_id, stream_id, seq, ordinal)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True, eq=False)
class EventWrite:
    """Events of one block that are to be stored."""

    stream_id: int
    seq: int
    received_us: int
    block: EventBlock
    ordinal: Sequence[int]  # [event] row within the block as it came


@dataclass(slots=True)
class EventOutcome:
    """What became of the events of a flush."""

    new: int = 0
    revised: int = 0  # Known, with other content: stored as the next revision.
    repeated: int = 0  # Known, with this content: not stored again.


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One event as the table has it."""

    event_id: str
    source: str
    time: datetime
    kind: str
    place: list[float] | None
    attributes: dict[str, float | str]
    hash: bytes
    received_at: datetime
    stream_id: int
    seq: int
    ordinal: int


async def write_events(
    connection: AsyncConnection, site_id: int, flush_id: int, writes: Sequence[EventWrite]
) -> EventOutcome:
    """Store events exactly once, in the order in which they came."""
    rows = [row for write in writes for row in _rows_of(write)]
    outcome = EventOutcome()
    if not rows:
        return outcome
    known = await _known(connection, site_id, sorted({row.event_id for row in rows}))
    values: list[tuple[Any, ...]] = []
    for row in rows:
        hashes = known.setdefault(row.event_id, {})
        if row.hash in hashes:
            outcome.repeated += 1
            continue
        revision = 1 + max(hashes.values(), default=-1)
        hashes[row.hash] = revision
        outcome.new += revision == 0
        outcome.revised += revision > 0
        values.append(
            (
                *(site_id, row.event_id, revision, row.source, row.time, row.kind),
                *(row.place, Jsonb(row.attributes), row.hash, row.received_at),
                *(flush_id, row.stream_id, row.seq, row.ordinal),
            )
        )
    async with connection.cursor() as cursor:
        await cursor.executemany(INSERT, values)
    return outcome


def attributes_of(block: EventBlock, event: int) -> dict[str, float | str]:
    """What one event of a block says about itself; what is unknown is left out."""
    numbers = zip(block.number_names, block.numbers[event].tolist(), strict=True)
    texts = (
        (name, column[event]) for name, column in zip(block.text_names, block.texts, strict=True)
    )
    return {
        **{name: number for name, number in numbers if not math.isnan(number)},
        **{name: text for name, text in texts if text},
    }


async def _known(
    connection: AsyncConnection, site_id: int, event_ids: list[str]
) -> dict[str, dict[bytes, int]]:
    """Read what is stored of some events: each revision's number, by the hash of its content."""
    known: dict[str, dict[bytes, int]] = {}
    cursor = await connection.execute(STORED, [site_id, event_ids])
    for event_id, revision, content_hash in await cursor.fetchall():
        known.setdefault(event_id, {})[bytes(content_hash)] = revision
    return known


def _rows_of(write: EventWrite) -> Iterator[_Row]:
    block = write.block
    for n, ordinal in enumerate(write.ordinal):
        place = None if bool(np.isnan(block.place[n]).all()) else block.place[n].tolist()
        attributes = attributes_of(block, n)
        yield _Row(
            event_id=f"{block.source}/{block.event_id[n]}",
            source=block.source,
            time=instant_at(int(block.sampled_us[n])),
            kind=block.kind,
            place=place,
            attributes=attributes,
            hash=_hash(int(block.sampled_us[n]), block.kind, place, attributes),
            received_at=instant_at(write.received_us),
            stream_id=write.stream_id,
            seq=write.seq,
            ordinal=ordinal,
        )


def _hash(
    time_us: int, kind: str, place: list[float] | None, attributes: dict[str, float | str]
) -> bytes:
    """Name what an event says: equal content has equal bytes, in whichever order it was said."""
    # A NaN has many bit patterns, and all of them say "unknown".
    known = None if place is None else [None if math.isnan(one) else one for one in place]
    said = msgspec.msgpack.encode([time_us, kind, known, sorted(attributes.items())])
    return hashlib.sha256(said).digest()
