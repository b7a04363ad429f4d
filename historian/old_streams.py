"""Streams of spools that are gone, so that an edge with many of them does not fill the store.

A spool that is renewed again and again, or somebody with an edge's token, begins one stream
after the other. The newest of each edge are kept, and those whose blocks are still remembered.
"""

from collections.abc import Iterable
from uuid import UUID

from psycopg import AsyncConnection

COUNT = """
    select count(*), coalesce(bool_or(epoch = %s), false) from stream
    where site_id = %s and edge = %s and kind = 'edge'
"""
FIND_OLD = """
    select stream_id, edge, epoch from (
        select *, row_number() over (partition by edge order by stream_id desc) as place
        from stream where site_id = %s and kind = 'edge'
    ) as of_edges
    where place > %s and not exists (select from block where block.stream_id = of_edges.stream_id)
"""
FORGET = """
    delete from stream where stream_id = any(%s)
      and not exists (select from block where block.stream_id = stream.stream_id)
"""


async def may_begin(
    connection: AsyncConnection, site_id: int, edge: str, epoch: UUID, most: int
) -> bool:
    """Tell whether an edge may go on with a stream, or begin it: not beyond so many."""
    cursor = await connection.execute(COUNT, [epoch, site_id, edge])
    row = await cursor.fetchone()
    assert row is not None
    return bool(row[1]) or row[0] < most


async def old_streams(
    connection: AsyncConnection, site_id: int, kept: int
) -> list[tuple[int, str, UUID]]:
    """Find streams (stream_id, edge, epoch) that nothing has come over for long."""
    return list(await (await connection.execute(FIND_OLD, [site_id, kept])).fetchall())


async def forget_streams(connection: AsyncConnection, stream_ids: Iterable[int]) -> int:
    """Forget streams; return how many. One that goes on after all begins anew."""
    return (await connection.execute(FORGET, [list(stream_ids)])).rowcount
