"""The bookkeeping of imports: files and their streams, flushes of their own, weeks to calculate.

An import writes beside a running ingest. It locks the site for the length of a transaction, as
every flush does, but takes nothing over: the term stays the ingest's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection

from historian.streams import OpenStream, open_stream
from telemetry.clock import instant_at, instant_us

EDGE = "import"  # What the column `edge` says of a stream that no edge made.

BEGIN_FOREIGN_FLUSH = """
    update site set flush_id = flush_id + 1 where site_id = %s returning flush_id
"""
MARK_AS_IMPORT = "update stream set kind = 'import' where stream_id = %s and kind <> 'import'"
HAS_IMPORTS = "select exists (select from stream where site_id = %s and kind = 'import')"
INSERT_FILE = """
    insert into imported_file (stream_id, site_id, name, sha256, bytes, began_at)
    values (%s, %s, %s, %s, %s, %s) on conflict (stream_id) do nothing
"""
FINISH_FILE = "update imported_file set finished_at = %s where stream_id = %s"
IN_FORCE = """
    select sha256, version from configuration join site using (site_id)
    where key = %s order by version desc limit 1
"""
OWE_CALCULATION = """
    insert into uncalculated (site_id, group_id, week_at, flush_id)
    select %s, unnest(%s::integer[]), unnest(%s::timestamptz[]), %s
    on conflict (site_id, group_id, week_at) do update set flush_id = excluded.flush_id
"""
OWED = """
    select group_id, week_at, flush_id from uncalculated where site_id = %s
    order by group_id, week_at
"""
SETTLE = """
    delete from uncalculated using unnest(%s::integer[], %s::timestamptz[], %s::bigint[])
        as done (group_id, week_at, flush_id)
    where uncalculated.site_id = %s and uncalculated.group_id = done.group_id
      and uncalculated.week_at = done.week_at and uncalculated.flush_id = done.flush_id
"""
# Repeated stamps make no gap. A stretch is one when a whole period or more is missing.
COVERAGE = """
    select count(*), min(time), max(time),
           count(*) filter (where extract(epoch from time - before) >= 2 * %(period_s)s - 1e-3)
    from (select time, lag(time) over (order by time) as before from scan
          where site_id = %(site_id)s and group_id = %(group_id)s
            and time between %(first_at)s and %(last_at)s) as steps
"""


@dataclass(frozen=True, slots=True)
class OwedWeek:
    """A week of a group from which calculated channels are to be computed."""

    group_id: int
    week_us: int
    flush_id: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is stored of a group over a span."""

    scans: int
    first_us: int | None
    last_us: int | None
    gaps: int


async def has_imports(connection: AsyncConnection, site_id: int) -> bool:
    """Tell whether old files have been imported for a site."""
    row = await (await connection.execute(HAS_IMPORTS, [site_id])).fetchone()
    return row is not None and bool(row[0])


async def begin_foreign_flush(connection: AsyncConnection, site_id: int) -> int:
    """Lock a site for the rest of the transaction, and number the flush, whoever owns it."""
    row = await (await connection.execute(BEGIN_FOREIGN_FLUSH, [site_id])).fetchone()
    assert row is not None, f"site number {site_id} is gone"
    return int(row[0])


async def configuration_in_force(
    connection: AsyncConnection, site_key: str
) -> tuple[bytes, int] | None:
    """Return the hash and the version of a site's file; None when the site is new."""
    row = await (await connection.execute(IN_FORCE, [site_key])).fetchone()
    return None if row is None else (bytes(row[0]), int(row[1]))


async def open_imported_file(
    connection: AsyncConnection,
    site_id: int,
    epoch: UUID,
    *,
    name: str,
    sha256: bytes,
    size: int,
    now_us: int,
) -> OpenStream:
    """Find the stream of a file, or begin it."""
    async with connection.transaction():
        stream = await open_stream(connection, site_id, EDGE, epoch)
        await connection.execute(MARK_AS_IMPORT, [stream.stream_id])
        values = [stream.stream_id, site_id, name, sha256, size, instant_at(now_us)]
        await connection.execute(INSERT_FILE, values)
    return stream


async def finish_imported_file(connection: AsyncConnection, stream_id: int, now_us: int) -> None:
    """Note that all of a file is stored."""
    await connection.execute(FINISH_FILE, [instant_at(now_us), stream_id])


async def owe_calculation(
    connection: AsyncConnection, site_id: int, flush_id: int, weeks: Iterable[tuple[int, int]]
) -> None:
    """Note (group_id, week) whose calculated channels are not right any more."""
    wanted = sorted(set(weeks))
    group_ids = [group_id for group_id, _ in wanted]
    instants = [instant_at(week_us) for _, week_us in wanted]
    await connection.execute(OWE_CALCULATION, [site_id, group_ids, instants, flush_id])


async def weeks_owed(connection: AsyncConnection, site_id: int) -> list[OwedWeek]:
    """List what is to be calculated."""
    cursor = await connection.execute(OWED, [site_id])
    return [OwedWeek(row[0], instant_us(row[1]), row[2]) for row in await cursor.fetchall()]


async def settle_weeks(
    connection: AsyncConnection, site_id: int, weeks: Sequence[OwedWeek]
) -> None:
    """Note that weeks are calculated; what has changed again since stays owed."""
    group_ids = [one.group_id for one in weeks]
    instants = [instant_at(one.week_us) for one in weeks]
    flush_ids = [one.flush_id for one in weeks]
    await connection.execute(SETTLE, [group_ids, instants, flush_ids, site_id])


async def coverage(
    connection: AsyncConnection,
    site_id: int,
    group_id: int,
    span_us: tuple[int, int],
    period_s: float,
) -> Coverage:
    """Count a group's scans and gaps between two instants, both included."""
    first_us, last_us = span_us
    arguments = {
        "site_id": site_id,
        "group_id": group_id,
        "first_at": instant_at(first_us),
        "last_at": instant_at(last_us),
        "period_s": period_s,
    }
    row = await (await connection.execute(COVERAGE, arguments)).fetchone()
    assert row is not None
    scans, first_at, last_at, gaps = row
    return Coverage(
        scans,
        None if first_at is None else instant_us(first_at),
        None if last_at is None else instant_us(last_at),
        gaps,
    )
