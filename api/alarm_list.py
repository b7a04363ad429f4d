"""Alarms as they stand, read from the table that follows from the journal."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection

from api.freshness import Freshness
from api.site_directory import SiteRecord
from api.views import AlarmsQuery, AlarmView, LocalSoundingView
from telemetry.site import Level

COLUMNS = """
    select site_id, occurrence, kind, structure, channel, rule, state, level, worst_level,
           raised_at, changed_at, cleared_at, acknowledged_at, acknowledged_by, comment,
           evidence, number,
           (select jsonb_agg(jsonb_build_object('sounder', source, 'what', attributes ->> 'what',
                                                'at', event.time) order by event.time)
            from event
            where event.site_id = alarm.site_id and event.kind = 'sounding'
              and event.attributes ->> 'alarm' = alarm.occurrence),
           count(*) over ()
    from alarm
"""
FILTERED = (
    COLUMNS
    + """
    where site_id = %(site_id)s
      and (%(states)s::text[] is null or state = any(%(states)s))
      and (%(levels)s::smallint[] is null or worst_level = any(%(levels)s))
      and (%(kind)s::text is null or kind = %(kind)s)
      and (%(structure)s::text is null or structure = %(structure)s)
      and (%(open)s::boolean is null or (state <> 'normal') = %(open)s)
    order by (state <> 'normal') desc, (state <> 'normal' and kind = 'process') desc, level desc,
             raised_at desc, number desc
    limit %(limit)s
"""
)
BY_OCCURRENCE = (
    COLUMNS
    + """
    join unnest(%s::integer[], %s::text[]) as wanted (site_id, occurrence)
      using (site_id, occurrence)
"""
)
COUNTS = """
    select structure,
           coalesce(max(level) filter (where kind = 'process'), 0),
           count(*) filter (where state in ('unacknowledged', 'returned_unacknowledged')),
           count(*) filter (where state in ('unacknowledged', 'acknowledged'))
    from alarm where site_id = %s and state <> 'normal' group by structure
"""

Row = Sequence[Any]
FreshnessBySubject = Mapping[str, Freshness]


async def read_alarms(
    conn: AsyncConnection[Any],
    record: SiteRecord,
    query: AlarmsQuery,
    freshness: FreshnessBySubject,
) -> tuple[list[AlarmView], int]:
    """Read the alarms that fit a query: open ones first, the ground's and the worst before others.

    So a limit never leaves out an old red one for the sake of a flood of newer, lesser ones.
    Beside them stands how many fit, with those that the limit leaves out.
    """
    cursor = await conn.execute(
        FILTERED,
        {
            "site_id": record.site_id,
            "states": [state.value for state in query.state] or None,
            "levels": [int(Level[level.upper()]) for level in query.level] or None,
            "kind": query.kind,
            "structure": query.structure,
            "open": query.open,
            "limit": query.limit,
        },
    )
    rows = await cursor.fetchall()
    return [_view(record, row, freshness) for row in rows], rows[0][-1] if rows else 0


async def read_occurrences(
    conn: AsyncConnection[Any],
    wanted: Collection[tuple[int, str]],
    records: Mapping[int, SiteRecord],
    freshness: Mapping[int, FreshnessBySubject],
) -> dict[tuple[int, str], AlarmView]:
    """Read alarms of any sites by (site_id, occurrence)."""
    cursor = await conn.execute(
        BY_OCCURRENCE, ([one[0] for one in wanted], [one[1] for one in wanted])
    )
    return {
        (row[0], row[1]): _view(records[row[0]], row, freshness[row[0]])
        for row in await cursor.fetchall()
    }


async def count_alarms(
    conn: AsyncConnection[Any], site_id: int
) -> dict[str | None, tuple[int, int, int]]:
    """Count per structure: worst process level, unacknowledged, standing."""
    cursor = await conn.execute(COUNTS, (site_id,))
    return {row[0]: (row[1], row[2], row[3]) for row in await cursor.fetchall()}


def level_word(level: int) -> Any:  # noqa: ANN401 - a Literal that pydantic checks
    """Name a level.

    >>> level_word(4), level_word(0)
    ('red', 'none')
    """
    return Level(level).name.lower()


def _view(record: SiteRecord, row: Row, freshness: FreshnessBySubject) -> AlarmView:
    channel = record.plan.channel_by_key.get(row[4])
    source = record.plan.event_source_by_key.get(row[4])
    of_events = None if source is None else source.source.name
    return AlarmView(
        site=record.key,
        occurrence=row[1],
        kind=row[2],
        structure=row[3],
        channel=row[4],
        channel_name=of_events if channel is None else channel.channel.name,
        rule=row[5],
        state=row[6],
        level=level_word(row[7]),
        worst_level=level_word(row[8]),
        raised_at=row[9],
        changed_at=row[10],
        cleared_at=row[11],
        acknowledged_at=row[12],
        acknowledged_by=row[13],
        comment=row[14],
        evidence=row[15],
        number=row[16],
        freshness=freshness.get(row[4], Freshness.UNKNOWN),
        sounded=[LocalSoundingView(**one) for one in row[17] or ()],
    )
