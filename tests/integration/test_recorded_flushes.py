"""What the engine was told comes back flush by flush, in the recorded order, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
from hill import NAN, SECOND_US, START_US, make_hill, scans
from psycopg import AsyncConnection

from historian import replay
from historian.replay import FLUSHES_AT_ONCE, SCANS_AT_ONCE, FlushRecord, flushes_after
from historian.writer import (
    InputWrite,
    ScanWrite,
    begin_flush,
    take_site,
    unstored_inputs,
    write_inputs,
    write_scans,
)
from telemetry.quality import Quality


@pytest.fixture
async def site_id(connection: AsyncConnection) -> int:
    return await make_hill(connection)


async def flush(
    connection: AsyncConnection, site_id: int, term: int, *writes: ScanWrite, **inputs: int
) -> int:
    """Write a flush as ingest does: what is not stored becomes an input before the others."""
    async with connection.transaction():
        flush_id = await begin_flush(connection, site_id, term)
        outcome = await write_scans(connection, site_id, flush_id, writes)
        ticks = [InputWrite("tick", {name: number}) for name, number in inputs.items()]
        await write_inputs(connection, site_id, flush_id, [*unstored_inputs(outcome), *ticks])
    return flush_id


async def replayed(
    connection: AsyncConnection, site_id: int, flush_id: int = 0
) -> list[FlushRecord]:
    return [record async for record in flushes_after(connection, site_id, flush_id)]


async def test_scans_come_back_in_the_order_of_streams_and_blocks(
    connection: AsyncConnection, site_id: int
) -> None:
    _, term = await take_site(connection, "hill")
    suspect = replace(
        scans([[1.0, NAN], [2.0, 3.0]], seq=5, quality=[[1, 101], [0, 0]]),
        judged_us=np.array([START_US + 7, START_US + SECOND_US]),
    )
    earlier = scans([[8.0, 9.0]], seq=4, first=50, value=[[80.0, NAN]], quality=[[0, 112]])
    other = scans([[4.0]], group_id=2, seq=6)
    number = await flush(connection, site_id, term, other, suspect, earlier)

    (record,) = await replayed(connection, site_id)

    assert record.flush_id == number
    first, second = record.scans
    assert (first.group_id, second.group_id) == (1, 2)
    assert first.seq.tolist() == [4, 5, 5]
    assert first.ordinal.tolist() == [0, 0, 1]
    assert first.time_us.tolist() == [
        START_US + 50 * SECOND_US,
        START_US,
        START_US + SECOND_US,
    ]
    assert first.judged_us.tolist() == [
        START_US + 50 * SECOND_US,
        START_US + 7,
        START_US + SECOND_US,
    ]
    np.testing.assert_array_equal(first.raw, [[8.0, 9.0], [1.0, NAN], [2.0, 3.0]])
    np.testing.assert_array_equal(first.value, [[80.0, NAN], [1.0, NAN], [2.0, 3.0]])
    np.testing.assert_array_equal(first.quality, [[0, 112], [1, 101], [0, 0]])
    np.testing.assert_array_equal(second.raw, [[4.0]])


async def test_scans_that_no_row_holds_come_back_in_their_place(
    connection: AsyncConnection, site_id: int
) -> None:
    _, term = await take_site(connection, "hill")
    await flush(connection, site_id, term, scans([[1.0, 0.1]], first=1))
    again = scans([[0.5, 0.5], [1.0, 0.1], [2.0, NAN]], seq=1)
    number = await flush(connection, site_id, term, again, group=3)

    (record,) = await replayed(connection, site_id, number - 1)

    (group,) = record.scans
    assert group.ordinal.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(group.raw, again.raw)
    np.testing.assert_array_equal(group.quality, again.quality)
    assert record.inputs == [(1, "tick", {"group": 3})]


async def test_calculated_scans_are_left_out(connection: AsyncConnection, site_id: int) -> None:
    _, term = await take_site(connection, "hill")
    calculated = replace(scans([[3.0]], group_id=2), raw=None, stream_id=None, seq=None)
    await flush(connection, site_id, term, calculated, at_us=START_US)
    await flush(connection, site_id, term, calculated)

    (record,) = await replayed(connection, site_id)

    assert record.scans == []
    assert record.inputs == [(0, "tick", {"at_us": START_US})]


async def test_scans_of_an_older_layout_are_filled_up(
    connection: AsyncConnection, site_id: int
) -> None:
    _, term = await take_site(connection, "hill")
    await flush(
        connection, site_id, term, scans([[1.0]], seq=0), scans([[2.0, 3.0]], seq=1, first=1)
    )

    (record,) = await replayed(connection, site_id)

    np.testing.assert_array_equal(record.scans[0].raw, [[1.0, NAN], [2.0, 3.0]])
    assert record.scans[0].quality.tolist() == [[0, Quality.NO_VALUE], [0, 0]]


@pytest.mark.parametrize("scans_at_once", [1, 3, SCANS_AT_ONCE])
async def test_every_flush_above_the_number_comes_once(
    connection: AsyncConnection,
    site_id: int,
    monkeypatch: pytest.MonkeyPatch,
    scans_at_once: int,
) -> None:
    monkeypatch.setattr(replay, "SCANS_AT_ONCE", scans_at_once)
    _, term = await take_site(connection, "hill")
    written = 2 * FLUSHES_AT_ONCE + 3
    async with connection.transaction():
        for n in range(written):
            await flush(connection, site_id, term, scans([[float(n)]], first=n, seq=n))

    records = await replayed(connection, site_id, 2)

    assert [record.flush_id for record in records] == list(range(3, written + 1))
    assert [record.scans[0].raw[0, 0] for record in records] == [*range(2, written)]
    assert await replayed(connection, site_id, written) == []
