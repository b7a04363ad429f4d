"""Judged scans as they are stored, measured and calculated: what the slow tier looks at.

Values are those that were judged, screens and all; a scan that contradicts another of its instant
is left out, because only the first was judged. Of a flush, a scan is what it was in that flush,
also where it has been completed since: else it would depend on the moment of reading what is read.
"""

from collections.abc import AsyncIterator, Sequence

import numpy as np
from psycopg import AsyncConnection

from historian.measured_history import ROWS_AT_ONCE, MeasuredScans, unpacked
from historian.recorded_scans import scans_of
from historian.replay import stretches
from telemetry.clock import instant_at

PACKED = """
    select int4send(group_id) || timestamptz_send(time)
           || timestamptz_send(coalesce(judged_at, time))
           || int2send(cardinality(coalesce(value, raw))::smallint) || boolsend(quality is not null)
           || array_send(coalesce(value, raw)) || coalesce(array_send(quality), ''::bytea)
    from scan
    where site_id = %(site_id)s and group_id = any(%(group_ids)s) and revision = 0
      and cardinality(coalesce(value, raw)) > 0
"""
OF_FLUSHES = """
      and flush_id > %(after)s and flush_id <= %(until)s
    order by group_id, coalesce(judged_at, time)
"""
# What was there before a row was completed has an ordinal below 0: see `historian.writer`.
COMPLETED = """
    select body from input
    where site_id = %(site_id)s and flush_id > %(after)s and flush_id <= %(until)s
      and kind = 'unstored_scans' and ordinal < 0
      and (body ->> 'group_id')::integer = any(%(group_ids)s)
"""
OF_TIME = """
      and flush_id <= %(until)s and time >= %(from_at)s and time < %(to_at)s
    order by group_id, coalesce(judged_at, time)
"""
WEIGHTS = """
    select flush_id, count(*) from scan
    where site_id = %(site_id)s and group_id = any(%(group_ids)s)
      and flush_id > %(after)s and flush_id <= %(until)s
    group by flush_id order by flush_id
"""
FLUSHES_AT_ONCE = 1_000
SCANS_AT_ONCE = 20_000
DAY_US = 86_400_000_000


async def scans_of_flushes(
    connection: AsyncConnection,
    site_id: int,
    group_ids: Sequence[int],
    after: int,
    until: int,
) -> AsyncIterator[tuple[int, list[MeasuredScans]]]:
    """Yield what the flushes after one up to another have stored, in stretches of whole flushes.

    Each comes with the number of its last flush. `raw` holds the judged values. A stretch that
    stored nothing of the groups comes too, so that a reader gets on.
    """
    for begin in range(after, until, FLUSHES_AT_ONCE):
        end = min(begin + FLUSHES_AT_ONCE, until)
        asked = {"site_id": site_id, "group_ids": list(group_ids), "after": begin, "until": end}
        cursor = await connection.execute(WEIGHTS, asked)
        lasts = stretches(await cursor.fetchall(), SCANS_AT_ONCE)
        if not lasts:
            yield end, []
            continue
        for first, last in zip([begin, *lasts[:-1]], [*lasts[:-1], end], strict=True):
            part = asked | {"after": first, "until": last}
            found = await _read(connection, PACKED + OF_FLUSHES, part)
            before = await _before_completion(connection, part)
            yield last, [*(_without(one, before) for one in found), *before]


async def scans_of_span(
    connection: AsyncConnection,
    site_id: int,
    group_ids: Sequence[int],
    span_us: range,
    until: int,
) -> AsyncIterator[list[MeasuredScans]]:
    """Yield what is stored of a span by the flushes up to one, day by day."""
    asked = {"site_id": site_id, "group_ids": list(group_ids), "until": until}
    for begin_us in range(span_us.start, span_us.stop, DAY_US):
        end_us = min(begin_us + DAY_US, span_us.stop)
        day = {"from_at": instant_at(begin_us), "to_at": instant_at(end_us)}
        if found := await _read(connection, PACKED + OF_TIME, asked | day):
            yield found


async def _before_completion(
    connection: AsyncConnection, asked: dict[str, object]
) -> list[MeasuredScans]:
    """Read scans as they were before later ones completed them."""
    bodies = await (await connection.execute(COMPLETED, asked)).fetchall()
    return [
        MeasuredScans(one.group_id, one.time_us, one.judged_us, one.value, one.quality)
        for one in (scans_of(body) for (body,) in bodies)
    ]


def _without(scans: MeasuredScans, others: Sequence[MeasuredScans]) -> MeasuredScans:
    """Leave out the scans of instants that others hold."""
    held = [one.time_us for one in others if one.group_id == scans.group_id]
    if not held:
        return scans
    rows = ~np.isin(scans.time_us, np.concatenate(held))
    return MeasuredScans(
        scans.group_id,
        scans.time_us[rows],
        scans.judged_us[rows],
        scans.raw[rows],
        scans.quality[rows],
    )


async def _read(
    connection: AsyncConnection, statement: str, asked: dict[str, object]
) -> list[MeasuredScans]:
    rows: list[bytes] = []
    async with connection.transaction(), connection.cursor(name="judged", binary=True) as cursor:
        await cursor.execute(statement, asked)
        while fetched := await cursor.fetchmany(ROWS_AT_ONCE):
            rows.extend(packed for (packed,) in fetched)
    return unpacked(rows)
