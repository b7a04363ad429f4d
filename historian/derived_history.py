"""Calculated channels over imported history: what they are computed from, and their own rows.

Rows of this kind have no stream, as all that is calculated, but a seq (0), by which they are told
from what a running centre has computed. That is never touched; where it comes later, it takes the
place of what was computed from history.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from historian.scan_rows import COPY_SCANS, ScanWrite, encode_scans
from telemetry.clock import instant_at, instant_us
from telemetry.quality import Quality, shown

READ_SCANS = """
    select time, coalesce(value, raw), coalesce(raw, value), quality from scan
    where site_id = %s and group_id = %s and time >= %s and time < %s
    order by time, revision
"""
DELETE_HISTORY = """
    delete from scan where site_id = %s and group_id = %s and time >= %s and time < %s
      and stream_id is null and seq is not null
"""
NEWEST = "select max(time) from scan where site_id = %s and group_id = %s"
NEWEST_BEFORE = "select max(time) from scan where site_id = %s and group_id = %s and time < %s"
COMPUTED_LIVE = """
    select time from scan where site_id = %s and group_id = %s and time >= %s and time < %s
"""


# What the centre computes live, of instants that history has reached before.
GIVE_WAY = """
    delete from scan using unnest(%s::integer[], %s::timestamptz[]) as live (group_id, time)
    where site_id = %s and scan.time between %s and %s
      and scan.group_id = live.group_id and scan.time = live.time
      and stream_id is null and seq is not null
"""
HISTORY_SEQ = 0


@dataclass(frozen=True, slots=True, eq=False)
class StoredScans:
    """Scans of a group over a span, one an instant."""

    at_us: NDArray[np.int64]  # [scan] ascending
    value: NDArray[np.float64]  # [scan, slot]
    quality: NDArray[np.int16]  # [scan, slot]


async def read_scans(
    connection: AsyncConnection, site_id: int, group_id: int, span_us: range, slots: int
) -> StoredScans:
    """Read what is stored of a group over a span.

    Where scans of one instant contradict each other, the number counts that came first, slot by
    slot: a file that differs in one channel may be the only one that knows of the others.
    """
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(READ_SCANS, _key(site_id, group_id, span_us))
        rows = await cursor.fetchall()
    at_us, row_of = np.unique(
        np.array([instant_us(time) for time, *_ in rows], np.int64), return_inverse=True
    )
    value = np.full((len(at_us), slots), np.nan)
    quality = np.full(value.shape, Quality.NO_VALUE, np.int16)
    measured = np.zeros(value.shape, np.bool_)
    for row, (_, numbers, raw, qualities) in zip(row_of.tolist(), rows, strict=True):
        known = min(slots, len(numbers))
        came = ~np.isnan(np.array(raw[:known], np.float64))
        fills = np.flatnonzero(~measured[row, :known] & came)
        good = np.zeros(known, np.int16)
        value[row, fills] = np.array(numbers[:known], np.float64)[fills]
        quality[row, fills] = (good if qualities is None else np.array(qualities[:known]))[fills]
        measured[row, fills] = True
    return StoredScans(at_us, shown(value, quality), quality)


async def newest_us(
    connection: AsyncConnection, site_id: int, group_id: int, *, before_us: int | None = None
) -> int | None:
    """Return the instant of a group's newest stored scan, of all or of those before an instant."""
    if before_us is None:
        cursor = await connection.execute(NEWEST, [site_id, group_id])
    else:
        key = [site_id, group_id, instant_at(before_us)]
        cursor = await connection.execute(NEWEST_BEFORE, key)
    row = await cursor.fetchone()
    return None if row is None or row[0] is None else instant_us(row[0])


async def replace_history(
    connection: AsyncConnection, site_id: int, flush_id: int, write: ScanWrite, span_us: range
) -> int:
    """Put calculated scans in the place of those that were computed over a span before.

    The caller has locked the site. Returns how many there are now.
    """
    key = _key(site_id, write.group_id, span_us)
    await connection.execute(DELETE_HISTORY, key)
    cursor = await connection.execute(COMPUTED_LIVE, key)
    live = np.array([instant_us(time) for (time,) in await cursor.fetchall()], np.int64)
    kept = write.rows(np.flatnonzero(~np.isin(write.time_us, live)))
    if len(kept):
        kept = replace(kept, seq=HISTORY_SEQ)
        async with connection.cursor() as cursor, cursor.copy(COPY_SCANS) as copy:
            await copy.write(encode_scans(site_id, flush_id, [kept]))
    return len(kept)


async def give_way(connection: AsyncConnection, site_id: int, writes: Sequence[ScanWrite]) -> None:
    """Take away what was computed from history where the centre now computes live."""
    live = [one for one in writes if one.stream_id is None and one.seq is None]
    keys = sorted({(one.group_id, us) for one in live for us in one.time_us.tolist()})
    if not keys:
        return
    instants = [instant_at(us) for _, us in keys]
    group_ids = [group_id for group_id, _ in keys]
    await connection.execute(GIVE_WAY, [group_ids, instants, site_id, min(instants), max(instants)])


def _key(site_id: int, group_id: int, span_us: range) -> Sequence[object]:
    return [site_id, group_id, instant_at(span_us.start), instant_at(span_us.stop)]
