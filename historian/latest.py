"""The newest scan of each group, kept apart so that a page opens without searching."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from historian.copy_binary import Column, Rows, encode
from telemetry.clock import instant_us
from telemetry.quality import Quality, shown

# A table of this connection only, emptied by each commit; made when first used.
MAKE_INCOMING = """
    create temporary table if not exists incoming_latest (
        site_id integer, group_id integer, time timestamptz,
        raw double precision[], value double precision[], quality smallint[],
        warming smallint[], stream_id integer, monotonic_us bigint, received_at timestamptz
    ) on commit delete rows
"""
COPY_INCOMING = """
    copy incoming_latest (site_id, group_id, time, raw, value, quality,
                          warming, stream_id, monotonic_us, received_at)
    from stdin (format binary)
"""
# Of several scans of one group the newest counts, and none that is older than what is known.
UPSERT = """
    insert into latest (site_id, group_id, time, raw, value, quality, silent, flush_id,
                        warming, stream_id, monotonic_us, received_at)
    select distinct on (group_id) site_id, group_id, time, raw, value, quality, false, %s,
                                  warming, stream_id, monotonic_us, received_at
    from incoming_latest where site_id = %s order by group_id, time desc
    on conflict (site_id, group_id) do update set
        time = excluded.time, raw = excluded.raw, value = excluded.value,
        quality = excluded.quality, silent = false, flush_id = excluded.flush_id,
        warming = excluded.warming, stream_id = excluded.stream_id,
        monotonic_us = excluded.monotonic_us, received_at = excluded.received_at
    where latest.time <= excluded.time
"""
MARK_SILENT = """
    update latest set silent = %s, flush_id = %s
    where site_id = %s and group_id = any(%s) and silent <> %s
"""
READ = """
    select group_id, time, raw, value, quality, silent, flush_id, warming
    from latest where site_id = %s order by group_id
"""
READ_ANCHORS = """
    select group_id, time, stream_id, monotonic_us, received_at
    from latest where site_id = %s and stream_id is not null
"""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The clocks at a group's newest scan; the next is judged by them if its stamp is wrong."""

    stream_id: int
    monotonic_us: int  # By the edge.
    received_us: int


@dataclass(frozen=True, slots=True, eq=False)
class LatestScan:
    """The newest scan of a group."""

    group_id: int
    time_us: int
    raw: NDArray[np.float64] | None  # [slot]; None: calculated
    value: NDArray[np.float64]  # [slot]
    quality: NDArray[np.int16]  # [slot]
    silent: bool = False  # No scan for longer than three periods.
    flush_id: int = 0  # Set when read: the flush that changed it last.
    anchor: Anchor | None = None  # None: calculated.
    # [slot] which kinds of rules warm up: see `alarms.warming`; None: none of any slot.
    warming: NDArray[np.int16] | None = None


async def write_latest(
    connection: AsyncConnection, site_id: int, flush_id: int, rows: Sequence[LatestScan]
) -> None:
    """Keep the newest scan of each group; whoever sends is not silent any more."""
    if not rows:
        return
    await connection.execute(MAKE_INCOMING)
    assert connection.info.transaction_status == TransactionStatus.INTRANS
    async with connection.cursor() as cursor:
        async with cursor.copy(COPY_INCOMING) as copy:
            await copy.write(encode(_rows_of(site_id, alike) for alike in _alike(rows)))
        await cursor.execute(UPSERT, [flush_id, site_id])


async def mark_silent(
    connection: AsyncConnection,
    site_id: int,
    flush_id: int,
    group_ids: Sequence[int],
    *,
    silent: bool = True,
) -> None:
    """Remember which groups have fallen silent."""
    await connection.execute(MARK_SILENT, [silent, flush_id, site_id, list(group_ids), silent])


async def read_latest(connection: AsyncConnection, site_id: int) -> list[LatestScan]:
    """Return the newest scan of each group of a site."""
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(READ, [site_id])
        rows = await cursor.fetchall()
    return [_latest(*row) for row in rows]


def _latest(
    group_id: int,
    time: datetime,
    raw: list[float] | None,
    value: list[float],
    quality: list[int] | None,
    silent: bool,
    flush_id: int,
    warming: list[int] | None,
) -> LatestScan:
    judged = np.zeros(len(value), np.int16) if quality is None else np.array(quality, np.int16)
    return LatestScan(
        group_id=group_id,
        time_us=instant_us(time),
        raw=None if raw is None else np.array(raw, np.float64),
        value=shown(np.array(value, np.float64), judged),
        quality=judged,
        silent=silent,
        flush_id=flush_id,
        warming=None if warming is None else np.array(warming, np.int16),
    )


async def read_anchors(connection: AsyncConnection, site_id: int) -> dict[int, tuple[int, Anchor]]:
    """Return by group_id the instant at which the newest scan was judged, and its clocks."""
    cursor = await connection.execute(READ_ANCHORS, [site_id])
    return {
        group_id: (instant_us(time), Anchor(stream_id, monotonic_us, instant_us(received_at)))
        for group_id, time, stream_id, monotonic_us, received_at in await cursor.fetchall()
    }


def _alike(rows: Sequence[LatestScan]) -> list[list[LatestScan]]:
    """Put scans together that can be packed as one: equal slots, raw or none."""

    def kind(row: LatestScan) -> tuple[int, bool]:
        return len(row.value), row.raw is None

    return [list(alike) for _, alike in groupby(sorted(rows, key=kind), key=kind)]


def _rows_of(site_id: int, alike: Sequence[LatestScan]) -> Rows:
    quality = np.stack([row.quality for row in alike])
    raw = [row.raw for row in alike if row.raw is not None]
    unknown = np.array([row.anchor is None for row in alike])
    anchors = np.array(
        [
            (0, 0, 0)
            if (one := row.anchor) is None
            else (one.stream_id, one.monotonic_us, one.received_us)
            for row in alike
        ],
        np.int64,
    )
    nothing = np.zeros(quality.shape[1], np.int16)
    warming = np.stack([nothing if row.warming is None else row.warming for row in alike])
    columns = [
        Column("int4", np.full(len(alike), site_id)),
        Column("int4", np.array([row.group_id for row in alike])),
        Column("timestamptz", np.array([row.time_us for row in alike])),
        Column("float8[]", np.stack(raw) if raw else None),
        Column("float8[]", np.stack([row.value for row in alike])),
        Column("int2[]", quality, (quality == Quality.GOOD).all(axis=1)),
        Column("int2[]", warming, (warming == 0).all(axis=1)),
        Column("int4", anchors[:, 0], unknown),
        Column("int8", anchors[:, 1], unknown),
        Column("timestamptz", anchors[:, 2], unknown),
    ]
    return Rows(columns, len(alike))
