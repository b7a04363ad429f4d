"""Events read back: the newest revision of each, and what a flush has brought."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection

from telemetry.clock import instant_at, instant_us

Attributes = dict[str, float | int | str]

# The newest revision says when an event happened; the bounds look at it alone.
NEWEST: Final = """
    select event_id, revision, source, time, kind, place, attributes, received_at
    from event as one
    where site_id = %(site_id)s and time >= %(from_at)s and time < %(to_at)s
      and kind = coalesce(%(kind)s::text, nullif(kind, 'sounding'))
      and (%(source)s::text is null or source = %(source)s)
      and (%(before_at)s::timestamptz is null
           or (time, event_id) < (%(before_at)s, %(before_id)s::text))
      and not exists (select from event as later
                      where later.site_id = one.site_id and later.event_id = one.event_id
                        and later.revision > one.revision)
    order by time desc, event_id desc limit %(limit)s
"""
# As it was when a flush had been committed, whatever has come since.
AS_OF: Final = """
    select event_id, revision, source, time, kind, place, attributes, received_at
    from event as one
    where site_id = %(site_id)s and time >= %(from_at)s and flush_id <= %(until)s
      and kind <> 'sounding'
      and not exists (select from event as later
                      where later.site_id = one.site_id and later.event_id = one.event_id
                        and later.revision > one.revision and later.flush_id <= %(until)s)
    order by time, event_id
"""
EARLIEST: Final = """
    select source, min(time) from event where site_id = %s and flush_id <= %s group by source
"""
# The newest instant that each flush was about, as the engine judged it.
TIMES: Final = """
    select flush_id, max(coalesce(judged_at, time)) from scan
    where site_id = %s and flush_id > %s and flush_id <= %s
      and stream_id is not null and ordinal >= 0
    group by flush_id
"""
RECORDED: Final = """
    select event_id, revision, source, time, kind, place, attributes, received_at, flush_id
    from event
    where site_id = %s and flush_id > %s and flush_id <= %s and kind <> 'sounding'
    order by flush_id, stream_id, seq, ordinal, revision
"""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as one of its revisions says."""

    event_id: str  # source/id
    revision: int
    source: str
    at_us: int
    kind: str
    place: tuple[float, float, float] | None  # NaN where unknown
    attributes: Attributes
    received_us: int


@dataclass(frozen=True, slots=True)
class EventPlaceInList:
    """Where a list of events goes on: after this one."""

    at_us: int
    event_id: str


async def newest_events(
    connection: AsyncConnection[Any],
    site_id: int,
    from_at: datetime,
    to_at: datetime,
    *,
    kind: str | None = None,
    source: str | None = None,
    before: EventPlaceInList | None = None,
    limit: int,
) -> list[StoredEvent]:
    """Read events of a span, the newest first."""
    cursor = await connection.execute(
        NEWEST,
        {
            "site_id": site_id,
            "from_at": from_at,
            "to_at": to_at,
            "kind": kind,
            "source": source,
            "before_at": None if before is None else instant_at(before.at_us),
            "before_id": None if before is None else before.event_id,
            "limit": limit,
        },
    )
    return [_event(row) for row in await cursor.fetchall()]


async def recorded_events(
    connection: AsyncConnection[Any], site_id: int, after: int, until: int
) -> list[tuple[int, StoredEvent]]:
    """Read what flushes above one number, up to another, have stored, in recorded order."""
    cursor = await connection.execute(RECORDED, [site_id, after, until])
    return [(row[-1], _event(row)) for row in await cursor.fetchall()]


async def events_as_of(
    connection: AsyncConnection[Any], site_id: int, from_us: int, until: int
) -> list[StoredEvent]:
    """Read the events since an instant as they were known when a flush had been committed."""
    about = {"site_id": site_id, "from_at": instant_at(from_us), "until": until}
    cursor = await connection.execute(AS_OF, about)
    return [_event(row) for row in await cursor.fetchall()]


async def earliest_events(
    connection: AsyncConnection[Any], site_id: int, until: int
) -> dict[str, int]:
    """Read when the first event of each source happened that a flush knew of."""
    cursor = await connection.execute(EARLIEST, [site_id, until])
    return {source: instant_us(time) for source, time in await cursor.fetchall()}


async def times_of_flushes(
    connection: AsyncConnection[Any], site_id: int, after: int, until: int
) -> dict[int, int]:
    """Read up to which instant the scans of each flush reach."""
    cursor = await connection.execute(TIMES, [site_id, after, until])
    return {flush_id: instant_us(time) for flush_id, time in await cursor.fetchall()}


def _event(row: tuple[Any, ...]) -> StoredEvent:
    event_id, revision, source, time, kind, place, attributes, received_at = row[:8]
    return StoredEvent(
        event_id=event_id,
        revision=revision,
        source=source,
        at_us=instant_us(time),
        kind=kind,
        place=None if place is None else (place[0], place[1], place[2]),
        attributes=json.loads(attributes) if isinstance(attributes, str) else attributes,
        received_us=instant_us(received_at),
    )
