"""A flush, written: its scans exactly once, and what goes with them in the same transaction.

The caller opens the transaction, calls `begin_flush` first, and acknowledges to the edges
after COMMIT. Nothing here commits. What goes with the scans stands in files of its own, and is
named here once more so that a flush has one door.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from psycopg import AsyncConnection, errors
from psycopg.types.json import Jsonb

from historian.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from historian.derived_history import give_way
from historian.inputs import InputWrite, write_inputs
from historian.latest import LatestScan, mark_silent, write_latest
from historian.quarantine import QuarantineWrite, write_quarantine
from historian.recorded_scans import body_of
from historian.repeated_scans import Fates, FatesCounted, Repeats, ScanRow, decide
from historian.scan_rows import COPY_SCANS, ScanWrite, encode_scans, same_numbers
from telemetry.clock import instant_at, instant_us
from telemetry.quality import Quality

__all__ = [
    "Checkpoint",
    "InputWrite",
    "LatestScan",
    "OwnershipLostError",
    "QuarantineWrite",
    "RoomMissingError",
    "ScanOutcome",
    "ScanWrite",
    "UnknownSiteError",
    "begin_flush",
    "mark_silent",
    "read_checkpoint",
    "take_site",
    "unstored_inputs",
    "write_checkpoint",
    "write_inputs",
    "write_latest",
    "write_quarantine",
    "write_scans",
]

TAKE_SITE = "update site set term = term + 1 where key = %s returning site_id, term"
BEGIN_FLUSH = """
    update site set flush_id = flush_id + 1 where site_id = %s and term = %s returning flush_id
"""
# The bounds on time let the server leave out partitions before it begins to look.
FETCH_STORED = """
    select group_id, time, revision, raw, value, quality
    from scan join unnest(%s::integer[], %s::timestamptz[]) as wanted (group_id, time)
        using (group_id, time)
    where site_id = %s and scan.time between %s and %s
    order by group_id, time, revision
"""
# A row that has been merged holds no longer what came first, and the engine saw that. So it is
# recorded as an input of the flush in which it came; the negative ordinal keeps the row itself
# out of replays, and the input's out of the way of those that a flush numbers from 0.
READ_BEFORE_MERGE = """
    select flush_id, stream_id, seq, ordinal, judged_at, raw, value, quality from scan
    where site_id = %s and group_id = %s and time = %s and revision = %s
      and stream_id is not null and ordinal >= 0
"""
RECORD_BEFORE_MERGE = """
    insert into input (site_id, flush_id, ordinal, kind, body)
    select %(site_id)s, %(flush_id)s, least(0, min(ordinal)) - 1, 'unstored_scans', %(body)s
    from input where site_id = %(site_id)s and flush_id = %(flush_id)s
"""
REPLACE_MERGED = """
    update scan set raw = %s, value = %s, quality = %s, ordinal = least(ordinal, -1 - ordinal)
    where site_id = %s and group_id = %s and time = %s and revision = %s
"""


class OwnershipLostError(Exception):
    """Another ingest has taken the site over; whoever gets this must stop writing for it."""


class RoomMissingError(Exception):
    """No partition takes these instants: make room (`ensure_partitions`) and repeat."""


class UnknownSiteError(Exception):
    """No site of this name has been registered."""


@dataclass(frozen=True, slots=True, eq=False)
class ScanOutcome(FatesCounted):
    """What became of the scans of a flush."""

    fates: tuple[Fates, ...] = ()  # As the writes.
    # Duplicates and merged scans: the engine sees them, but no row of this flush holds them.
    # They are to be recorded by `unstored_inputs`, or a replay would not see them.
    unstored: tuple[ScanWrite, ...] = ()


async def take_site(connection: AsyncConnection, site_key: str) -> tuple[int, int]:
    """Take a site over from whoever wrote for it; return its number and our term."""
    row = await (await connection.execute(TAKE_SITE, [site_key])).fetchone()
    if row is None:
        raise UnknownSiteError(f"The store knows no site {site_key!r}; register it first.")
    return row[0], row[1]


async def begin_flush(connection: AsyncConnection, site_id: int, term: int) -> int:
    """Lock the site for the rest of the transaction, and number the flush."""
    row = await (await connection.execute(BEGIN_FLUSH, [site_id, term])).fetchone()
    if row is None:
        raise OwnershipLostError(
            f"Another ingest has taken over site number {site_id} since term {term}."
        )
    return int(row[0])


async def write_scans(
    connection: AsyncConnection, site_id: int, flush_id: int, writes: Sequence[ScanWrite]
) -> ScanOutcome:
    """Store scans exactly once: straight in when all are new, else one by one."""
    total = sum(len(write) for write in writes)
    if total == 0:
        return ScanOutcome(tuple(Fates() for _ in writes))
    try:
        async with connection.transaction():
            await _copy(connection, encode_scans(site_id, flush_id, writes))
    except errors.UniqueViolation:
        await give_way(connection, site_id, writes)
        stored = await _fetch_stored(connection, site_id, writes)
        repeats = decide(stored, writes)
        await _carry_out(connection, site_id, flush_id, repeats)
        return ScanOutcome(tuple(repeats.fates), tuple(repeats.unstored))
    except errors.CheckViolation as error:
        raise RoomMissingError(str(error)) from error
    return ScanOutcome(tuple(Fates(new=len(write)) for write in writes))


def unstored_inputs(outcome: ScanOutcome) -> list[InputWrite]:
    """Say as inputs what the engine saw and no row of this flush holds.

    The engine was not shown late scans, whose ordinals are negative.
    """
    seen = [write.rows(np.flatnonzero(write.ordinal >= 0)) for write in outcome.unstored]
    return [InputWrite("unstored_scans", body_of(write)) for write in seen if len(write)]


async def _copy(connection: AsyncConnection, packed: bytes) -> None:
    async with connection.cursor() as cursor, cursor.copy(COPY_SCANS) as copy:
        await copy.write(packed)


async def _fetch_stored(
    connection: AsyncConnection, site_id: int, writes: Sequence[ScanWrite]
) -> list[ScanRow]:
    """Read what is stored at the instants of these scans."""
    wanted = sorted({(one.group_id, us) for one in writes for us in one.time_us.tolist()})
    group_ids = [group_id for group_id, _ in wanted]
    instants = [instant_at(us) for _, us in wanted]
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(
            FETCH_STORED, [group_ids, instants, site_id, min(instants), max(instants)]
        )
        rows = await cursor.fetchall()
    return [
        _scan_row(group_id, instant_us(time), revision, raw=raw, value=value, quality=quality)
        for group_id, time, revision, raw, value, quality in rows
    ]


async def _carry_out(
    connection: AsyncConnection, site_id: int, flush_id: int, repeats: Repeats
) -> None:
    """Store what `decide` decided; merged rows last, because some may be new themselves."""
    for revision in sorted({revision for revision, _ in repeats.writes}):
        of_revision = [write for number, write in repeats.writes if number == revision]
        packed = encode_scans(site_id, flush_id, of_revision, revision=revision)
        try:
            async with connection.transaction():
                await _copy(connection, packed)
        except errors.CheckViolation as error:
            raise RoomMissingError(str(error)) from error
    for row in repeats.merged_rows:
        await _record_before_merge(connection, site_id, row)
        await connection.execute(
            REPLACE_MERGED,
            [*_columns_of(row), site_id, row.group_id, instant_at(row.time_us), row.revision],
        )


async def _record_before_merge(connection: AsyncConnection, site_id: int, merged: ScanRow) -> None:
    """Record a row as it came, once, before it is replaced by more than that."""
    key = [site_id, merged.group_id, instant_at(merged.time_us), merged.revision]
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(READ_BEFORE_MERGE, key)
        found = await cursor.fetchone()
    if found is None:
        return
    flush_id, stream_id, seq, ordinal, judged_at, raw, value, quality = found
    row = _scan_row(
        merged.group_id, merged.time_us, merged.revision, raw=raw, value=value, quality=quality
    )
    judged_us = merged.time_us if judged_at is None else instant_us(judged_at)
    before = ScanWrite(
        group_id=merged.group_id,
        stream_id=stream_id,
        seq=seq,
        time_us=np.array([merged.time_us]),
        judged_us=np.array([judged_us]),
        ordinal=np.array([ordinal], np.int16),
        raw=None if row.raw is None else row.raw[np.newaxis],
        value=row.value[np.newaxis],
        quality=row.quality[np.newaxis],
    )
    await connection.execute(
        RECORD_BEFORE_MERGE,
        {"site_id": site_id, "flush_id": flush_id, "body": Jsonb(body_of(before))},
    )


def _scan_row(
    group_id: int,
    time_us: int,
    revision: int,
    *,
    raw: list[float] | None,
    value: list[float] | None,
    quality: list[int] | None,
) -> ScanRow:
    """Undo what the NULLs of a row leave out."""
    numbers = np.array(raw if value is None else value, np.float64)
    return ScanRow(
        group_id=group_id,
        time_us=time_us,
        revision=revision,
        raw=None if raw is None else np.array(raw, np.float64),
        value=numbers,
        quality=np.zeros(len(numbers), np.int16)
        if quality is None
        else np.array(quality, np.int16),
    )


def _columns_of(row: ScanRow) -> list[list[float] | list[int] | None]:
    """Leave out what the NULLs of a row can say."""
    equal = row.raw is not None and bool(same_numbers(row.raw[None], row.value[None]).all())
    good = bool((row.quality == Quality.GOOD).all())
    return [
        None if row.raw is None else row.raw.tolist(),
        None if equal else row.value.tolist(),
        None if good else row.quality.tolist(),
    ]
