"""Streams: what each spool of each edge has delivered, and what it said was lost.

The delivered ranges are the authority on what was received; they are changed in the
transaction that stores the blocks. A range is (first, last), both belonging to it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.multirange import Int8Multirange
from psycopg.types.range import Range

from telemetry.clock import instant_at

SeqRange = tuple[int, int]
StreamKind = Literal["edge", "gateway", "import"]

INSERT_STREAM = """
    insert into stream (site_id, edge, epoch, kind) values (%s, %s, %s, %s)
    on conflict (site_id, edge, epoch) do nothing
"""
READ_STREAM = """
    select stream_id, delivered, declared_lost from stream
    where site_id = %s and edge = %s and epoch = %s
"""
ADD_DELIVERED = "update stream set delivered = delivered + %s where stream_id = %s"
ADD_LOST = "update stream set declared_lost = declared_lost + %s where stream_id = %s"
ANNOUNCE = """
    update stream set announced = greatest(announced, %s), announced_at = %s where stream_id = %s
"""
INSERT_LOSS = """
    insert into loss (stream_id, first, last, reason, declared_at) values (%s, %s, %s, %s, %s)
    on conflict do nothing
"""
INSERT_BLOCKS = """
    insert into block (stream_id, seq, hash, group_id, flush_id, received_at)
    select unnest(%s::integer[]), unnest(%s::bigint[]), unnest(%s::bytea[]),
           unnest(%s::integer[]), %s, unnest(%s::timestamptz[])
"""
READ_SETTLED = """
    select block.hash, declared_lost @> asked.seq and not delivered @> asked.seq
    from unnest(%s::integer[], %s::bigint[]) with ordinality as asked (stream_id, seq, place)
    left join stream using (stream_id) left join block using (stream_id, seq)
    order by place
"""
FORGET_BLOCKS = """
    delete from block using stream
    where stream.stream_id = block.stream_id and site_id = %s and received_at < %s
"""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream as the centre knows it."""

    stream_id: int
    delivered: list[SeqRange]  # Committed.
    lost: list[SeqRange]  # Declared lost by the edge.


@dataclass(frozen=True, slots=True)
class BlockWrite:
    """A block that was received, remembered so that its number is not used again for another."""

    stream_id: int
    seq: int
    hash: bytes
    group_id: int | None  # None: quarantined before its group was known.
    received_us: int


@dataclass(frozen=True, slots=True)
class LossWrite:
    """Numbers first to last that an edge declared lost, and why."""

    stream_id: int
    first: int
    last: int
    reason: str
    declared_us: int


@dataclass(frozen=True, slots=True)
class SettledBlock:
    """What is known of a number for which nothing more was to come."""

    hash: bytes | None  # None: nothing came, or it was forgotten since.
    is_lost: bool  # It was declared lost, and nothing has come under it.


async def open_stream(
    connection: AsyncConnection, site_id: int, edge: str, epoch: UUID, kind: StreamKind = "edge"
) -> OpenStream:
    """Find a stream, or begin it."""
    await connection.execute(INSERT_STREAM, [site_id, edge, epoch, kind])
    row = await (await connection.execute(READ_STREAM, [site_id, edge, epoch])).fetchone()
    assert row is not None
    return OpenStream(stream_id=row[0], delivered=_ranges(row[1]), lost=_ranges(row[2]))


async def record_delivered(
    connection: AsyncConnection, stream_id: int, ranges: Iterable[SeqRange]
) -> None:
    """Remember that blocks are stored; to be acknowledged after COMMIT."""
    await connection.execute(ADD_DELIVERED, [_multirange(ranges), stream_id])


async def record_lost(
    connection: AsyncConnection, stream_id: int, ranges: Iterable[SeqRange]
) -> None:
    """Remember that the edge will never send these blocks."""
    await connection.execute(ADD_LOST, [_multirange(ranges), stream_id])


async def write_losses(connection: AsyncConnection, losses: Sequence[LossWrite]) -> None:
    """Remember why numbers were declared lost; what was said first of them stands."""
    if not losses:
        return
    async with connection.cursor() as cursor:
        await cursor.executemany(
            INSERT_LOSS,
            [
                (one.stream_id, one.first, one.last, one.reason, instant_at(one.declared_us))
                for one in losses
            ],
        )


async def announce(connection: AsyncConnection, stream_id: int, announced: int, at_us: int) -> None:
    """Remember which number an edge gave out last, by its own word at an instant."""
    await connection.execute(ANNOUNCE, [announced, instant_at(at_us), stream_id])


async def write_blocks(
    connection: AsyncConnection, flush_id: int, blocks: Sequence[BlockWrite]
) -> None:
    """Remember the blocks of a flush by their hashes."""
    if not blocks:
        return
    await connection.execute(
        INSERT_BLOCKS,
        [
            [block.stream_id for block in blocks],
            [block.seq for block in blocks],
            [block.hash for block in blocks],
            [block.group_id for block in blocks],
            flush_id,
            [instant_at(block.received_us) for block in blocks],
        ],
    )


async def settled_blocks(
    connection: AsyncConnection, numbers: Sequence[tuple[int, int]]
) -> list[SettledBlock]:
    """Tell for each (stream_id, seq), in order, what is known of the block that had it."""
    if not numbers:
        return []
    cursor = await connection.execute(
        READ_SETTLED, [[stream_id for stream_id, _ in numbers], [seq for _, seq in numbers]]
    )
    return [SettledBlock(known, bool(is_lost)) for known, is_lost in await cursor.fetchall()]


async def forget_blocks(connection: AsyncConnection, site_id: int, before_us: int) -> int:
    """Forget the hashes of old blocks; their numbers stay delivered. Return how many."""
    cursor = await connection.execute(FORGET_BLOCKS, [site_id, instant_at(before_us)])
    return cursor.rowcount


def _multirange(ranges: Iterable[SeqRange]) -> Int8Multirange:
    return Int8Multirange([Range(first, last + 1) for first, last in ranges])


def _ranges(multirange: Iterable[Range[int]]) -> list[SeqRange]:
    ranges = []
    for one in multirange:
        assert one.lower is not None
        assert one.upper is not None
        ranges.append((one.lower, one.upper - 1))
    return ranges
