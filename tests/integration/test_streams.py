"""Streams remember what was delivered, and which block had which number."""

from uuid import UUID

import psycopg
import pytest
from hill import SECOND_US, START_US, make_hill
from psycopg import AsyncConnection

from historian.streams import (
    BlockWrite,
    SettledBlock,
    forget_blocks,
    open_stream,
    record_delivered,
    record_lost,
    settled_blocks,
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

    assert await hashes(connection, stream) == [b"one", b"two", None]
    with pytest.raises(psycopg.errors.UniqueViolation):
        await write_blocks(connection, 2, [BlockWrite(stream, 2, b"other", 1, START_US)])

    assert await forget_blocks(connection, site_id, START_US + SECOND_US) == 1
    assert await hashes(connection, stream) == [None, b"two", None]


async def hashes(connection: AsyncConnection, stream_id: int) -> list[bytes | None]:
    settled = await settled_blocks(connection, [(stream_id, seq) for seq in (1, 2, 3)])
    return [one.hash for one in settled]


async def test_what_is_known_of_many_numbers_is_told_in_the_order_of_asking(
    connection: AsyncConnection, site_id: int
) -> None:
    first, second = [
        (await open_stream(connection, site_id, "dam-edge", epoch)).stream_id
        for epoch in (EPOCH, NEXT_EPOCH)
    ]
    await write_blocks(connection, 1, [BlockWrite(second, 2, b"two", 1, START_US)])
    await record_delivered(connection, second, [(2, 2), (5, 5)])
    await record_lost(connection, second, [(3, 5)])

    asked = [(second, 4), (first, 2), (second, 2), (second, 5), (second, 4), (4711, 1)]
    assert await settled_blocks(connection, asked) == [
        SettledBlock(None, is_lost=True),
        SettledBlock(None, is_lost=False),
        SettledBlock(b"two", is_lost=False),
        SettledBlock(None, is_lost=False),
        SettledBlock(None, is_lost=True),
        SettledBlock(None, is_lost=False),
    ]
    assert await settled_blocks(connection, []) == []
