"""Streams remember what was delivered, and which block had which number."""

from uuid import UUID

import psycopg
import pytest
from hill import SECOND_US, START_US, make_hill
from psycopg import AsyncConnection

from historian.streams import (
    BlockWrite,
    block_hashes,
    forget_blocks,
    open_stream,
    record_delivered,
    record_lost,
    write_blocks,
)

EPOCH = UUID("00000000-0000-4000-8000-000000000001")
NEXT_EPOCH = UUID("00000000-0000-4000-8000-000000000002")


@pytest.fixture
async def site_id(connection: AsyncConnection) -> int:
    return await make_hill(connection)


async def test_a_stream_is_found_again_with_what_it_delivered(
    connection: AsyncConnection, site_id: int
) -> None:
    stream = await open_stream(connection, site_id, "dam-edge", EPOCH)
    assert (stream.delivered, stream.lost) == ([], [])

    await record_delivered(connection, stream.stream_id, [(0, 4), (9, 9)])
    await record_delivered(connection, stream.stream_id, [(5, 6), (3, 5)])
    await record_lost(connection, stream.stream_id, [(7, 8)])

    again = await open_stream(connection, site_id, "dam-edge", EPOCH)
    assert again.stream_id == stream.stream_id
    assert again.delivered == [(0, 6), (9, 9)]
    assert again.lost == [(7, 8)]


async def test_a_new_spool_is_a_new_stream(connection: AsyncConnection, site_id: int) -> None:
    first = await open_stream(connection, site_id, "dam-edge", EPOCH)
    await record_delivered(connection, first.stream_id, [(0, 100)])

    second = await open_stream(connection, site_id, "dam-edge", NEXT_EPOCH)
    third = await open_stream(connection, site_id, "slope-edge", EPOCH)

    assert len({first.stream_id, second.stream_id, third.stream_id}) == 3
    assert second.delivered == third.delivered == []


async def test_a_number_is_used_for_one_block_only(
    connection: AsyncConnection, site_id: int
) -> None:
    stream = (await open_stream(connection, site_id, "dam-edge", EPOCH)).stream_id
    blocks = [
        BlockWrite(stream, 1, b"one", 1, START_US),
        BlockWrite(stream, 2, b"two", None, START_US + 10 * SECOND_US),
    ]
    await write_blocks(connection, 1, blocks)

    assert await block_hashes(connection, stream, [1, 2, 3]) == {1: b"one", 2: b"two"}
    with pytest.raises(psycopg.errors.UniqueViolation):
        await write_blocks(connection, 2, [BlockWrite(stream, 2, b"other", 1, START_US)])

    assert await forget_blocks(connection, site_id, START_US + SECOND_US) == 1
    assert await block_hashes(connection, stream, [1, 2]) == {2: b"two"}
