"""Scans are stored exactly once, whatever comes again."""

from dataclasses import replace
from typing import Any

import numpy as np
import psycopg
import pytest
from hill import NAN, SECOND_US, START_US, make_hill, scans
from numpy.typing import NDArray
from psycopg import AsyncConnection

from historian.writer import (
    Checkpoint,
    InputWrite,
    LatestScan,
    OwnershipLostError,
    QuarantineWrite,
    RoomMissingError,
    ScanOutcome,
    ScanWrite,
    UnknownSiteError,
    begin_flush,
    mark_silent,
    read_checkpoint,
    take_site,
    unstored_inputs,
    write_checkpoint,
    write_inputs,
    write_latest,
    write_quarantine,
    write_scans,
)
from telemetry.clock import instant_at
from telemetry.quality import Quality


@pytest.fixture
async def site_id(connection: AsyncConnection) -> int:
    return await make_hill(connection)


async def flush(
    connection: AsyncConnection, site_id: int, *writes: ScanWrite, flush_id: int = 1
) -> ScanOutcome:
    async with connection.transaction():
        return await write_scans(connection, site_id, flush_id, writes)


async def stored(connection: AsyncConnection) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(
        """select group_id, (extract(epoch from time) * 1000000)::bigint, revision,
                  raw, value, quality
           from scan order by group_id, time, revision"""
    )
    return await cursor.fetchall()


async def test_new_scans_are_stored_as_they_are(connection: AsyncConnection, site_id: int) -> None:
    equal = scans([[1.5, NAN], [2.5, -0.25]], seq=7)
    other = replace(
        scans([[10.0], [20.0]], group_id=2, value=[[1.0], [NAN]], quality=[[0], [112]], seq=8),
        judged_us=np.array([START_US, START_US + 5 * SECOND_US]),
    )

    outcome = await flush(connection, site_id, equal, other, flush_id=42)

    assert (outcome.new, outcome.duplicates, outcome.merged, outcome.conflicts) == (4, 0, 0, 0)
    cursor = await connection.execute(
        """select group_id, time, revision, raw::text, value::text, quality,
                  flush_id, stream_id, seq, ordinal, judged_at
           from scan order by group_id, time"""
    )
    first, second = instant_at(START_US), instant_at(START_US + SECOND_US)
    assert await cursor.fetchall() == [
        (1, first, 0, "{1.5,NaN}", None, None, 42, 1, 7, 0, None),
        (1, second, 0, "{2.5,-0.25}", None, None, 42, 1, 7, 1, None),
        (2, first, 0, "{10}", "{1}", None, 42, 1, 8, 0, None),
        (2, second, 0, "{20}", "{NaN}", [112], 42, 1, 8, 1, instant_at(START_US + 5 * SECOND_US)),
    ]


async def test_calculated_scans_have_neither_raw_numbers_nor_a_stream(
    connection: AsyncConnection, site_id: int
) -> None:
    calculated = replace(scans([[3.0, NAN]]), raw=None, stream_id=None, seq=None)

    assert (await flush(connection, site_id, calculated)).new == 1
    assert (await flush(connection, site_id, calculated)).duplicates == 1

    cursor = await connection.execute("select raw, value::text, stream_id, seq from scan")
    assert await cursor.fetchall() == [(None, "{3,NaN}", None, None)]


async def test_a_repeated_scan_is_stored_once(connection: AsyncConnection, site_id: int) -> None:
    await flush(connection, site_id, scans([[1.0, NAN], [2.0, 5.0]]))
    before = str(await stored(connection))  # As text, because no NaN equals another.

    outcome = await flush(
        connection, site_id, scans([[2.0, 5.0], [3.0, 6.0]], first=1, seq=1), flush_id=2
    )

    assert (outcome.new, outcome.duplicates, outcome.merged, outcome.conflicts) == (1, 1, 0, 0)
    after = await stored(connection)
    assert str(after[:2]) == before
    assert [row[3] for row in after[2:]] == [[3.0, 6.0]]


async def test_a_new_conversion_makes_no_new_measurement(
    connection: AsyncConnection, site_id: int
) -> None:
    await flush(connection, site_id, scans([[100.0]], value=[[1.0]]))

    outcome = await flush(connection, site_id, scans([[100.0]], value=[[1.1]]))

    assert outcome.duplicates == 1
    assert (await stored(connection))[0][4] == [1.0]


async def test_missing_slots_are_filled_in(connection: AsyncConnection, site_id: int) -> None:
    missing = int(Quality.NO_REPLY)
    await flush(connection, site_id, scans([[1.0, NAN]], quality=[[0, missing]]))

    outcome = await flush(connection, site_id, scans([[NAN, 2.0, 3.0]], quality=[[missing, 0, 0]]))

    assert (outcome.new, outcome.duplicates, outcome.merged, outcome.conflicts) == (0, 0, 1, 0)
    assert await stored(connection) == [(1, START_US, 0, [1.0, 2.0, 3.0], None, None)]


async def test_a_contradiction_is_stored_beside_the_first_scan(
    connection: AsyncConnection, site_id: int
) -> None:
    await flush(connection, site_id, scans([[1.0, 7.0, NAN]], quality=[[0, 0, 101]]))

    outcome = await flush(connection, site_id, scans([[2.0, 7.0, 8.0]]))
    again = await flush(connection, site_id, scans([[2.0, 7.0, 8.0]]))

    assert (outcome.new, outcome.duplicates, outcome.merged, outcome.conflicts) == (0, 0, 0, 1)
    assert again.duplicates == 1
    first, second = await stored(connection)
    assert first[3][:2] == [1.0, 7.0]
    assert first[5] == [0, 0, 101]
    assert second[2:] == (1, [2.0, 7.0, 8.0], None, [int(Quality.CONFLICT), 0, 0])


async def test_a_bad_reading_in_a_contradiction_stays_bad(
    connection: AsyncConnection, site_id: int
) -> None:
    await flush(connection, site_id, scans([[1.0, 7.0]]))
    electrical = int(Quality.ELECTRICAL)

    await flush(connection, site_id, scans([[9999.0, 8.0]], quality=[[electrical, 0]]))

    assert (await stored(connection))[1][5] == [electrical, int(Quality.CONFLICT)]


async def test_the_same_instant_twice_in_one_flush(
    connection: AsyncConnection, site_id: int
) -> None:
    outcome = await flush(
        connection,
        site_id,
        scans([[1.0, NAN], [5.0, 5.0]]),
        scans([[1.0, 2.0]], seq=1),
        scans([[9.0, 2.0]], seq=2),
    )

    assert (outcome.new, outcome.duplicates, outcome.merged, outcome.conflicts) == (2, 0, 1, 1)
    assert [(row[1], row[2], row[3]) for row in await stored(connection)] == [
        (START_US, 0, [1.0, 2.0]),
        (START_US, 1, [9.0, 2.0]),
        (START_US + SECOND_US, 0, [5.0, 5.0]),
    ]


async def test_what_is_not_stored_can_be_recorded(
    connection: AsyncConnection, site_id: int
) -> None:
    await flush(connection, site_id, scans([[1.0]]))
    outcome = await flush(connection, site_id, scans([[1.0], [2.0]], seq=9))

    (one,) = unstored_inputs(outcome)

    assert one.kind == "unstored_scans"
    assert (one.body["group_id"], one.body["seq"], one.body["time_us"]) == (1, 9, [START_US])


async def test_without_room_nothing_is_stored_and_the_flush_goes_on(
    connection: AsyncConnection, site_id: int
) -> None:
    late = scans([[1.0]], first=400 * 86_400)
    async with connection.transaction():
        with pytest.raises(RoomMissingError, match="no partition"):
            await write_scans(connection, site_id, 1, [late])
        outcome = await write_scans(connection, site_id, 1, [scans([[1.0]])])

    assert outcome.new == 1
    assert len(await stored(connection)) == 1


async def test_a_flush_that_is_taken_back_leaves_nothing(
    connection: AsyncConnection, site_id: int
) -> None:
    async with connection.transaction():
        await write_scans(connection, site_id, 1, [scans([[1.0]])])
        raise psycopg.Rollback

    assert await stored(connection) == []


async def test_only_the_owner_of_a_site_flushes(connection: AsyncConnection, site_id: int) -> None:
    taken, term = await take_site(connection, "hill")
    assert taken == site_id
    assert await begin_flush(connection, site_id, term) == 1
    assert await begin_flush(connection, site_id, term) == 2

    _, later = await take_site(connection, "hill")

    assert later > term
    with pytest.raises(OwnershipLostError):
        await begin_flush(connection, site_id, term)
    assert await begin_flush(connection, site_id, later) == 3
    with pytest.raises(UnknownSiteError, match="valley"):
        await take_site(connection, "valley")


def latest(group_id: int, second: int, value: list[float], **more: NDArray[Any]) -> LatestScan:
    numbers = np.array(value)
    return LatestScan(
        group_id=group_id,
        time_us=START_US + second * SECOND_US,
        raw=more.get("raw", numbers),
        value=numbers,
        quality=more.get("quality", np.zeros(len(value), np.int16)),
    )


async def test_the_newest_scan_of_each_group_is_kept(
    connection: AsyncConnection, site_id: int
) -> None:
    async with connection.transaction():
        await write_latest(
            connection,
            site_id,
            1,
            [latest(1, 5, [1.0, 2.0]), latest(2, 5, [3.0]), latest(1, 6, [1.5, 2.5])],
        )
        await mark_silent(connection, site_id, 1, [1, 2])
    async with connection.transaction():
        await write_latest(
            connection,
            site_id,
            2,
            [latest(1, 4, [0.0, 0.0]), latest(2, 7, [NAN], quality=np.array([101], np.int16))],
        )

    cursor = await connection.execute(
        "select group_id, time, value::text, quality, silent, flush_id from latest order by 1"
    )
    assert await cursor.fetchall() == [
        (1, instant_at(START_US + 6 * SECOND_US), "{1.5,2.5}", None, True, 1),
        (2, instant_at(START_US + 7 * SECOND_US), "{NaN}", [101], False, 2),
    ]


async def test_a_checkpoint_replaces_the_one_before(
    connection: AsyncConnection, site_id: int
) -> None:
    assert await read_checkpoint(connection, site_id) is None
    for number in (1, 2):
        checkpoint = Checkpoint(flush_id=number, version=1, state=bytes([0, number, 255]))
        await write_checkpoint(connection, site_id, checkpoint, START_US)

    assert await read_checkpoint(connection, site_id) == Checkpoint(2, 1, b"\x00\x02\xff")


async def test_inputs_keep_their_order(connection: AsyncConnection, site_id: int) -> None:
    inputs = [InputWrite("silence", {"group": 2}), InputWrite("tick", {"group": 1})]
    await write_inputs(connection, site_id, 3, inputs)

    cursor = await connection.execute("select flush_id, ordinal, kind, body from input order by 2")
    assert await cursor.fetchall() == [
        (3, 0, "silence", {"group": 2}),
        (3, 1, "tick", {"group": 1}),
    ]
    with pytest.raises(psycopg.errors.CheckViolation):
        await write_inputs(connection, site_id, 4, [InputWrite("rumour", {})])  # type: ignore[arg-type]


async def test_the_quarantine_keeps_the_bytes(connection: AsyncConnection, site_id: int) -> None:
    bad = QuarantineWrite(START_US, "dam-edge", None, 4, "truncated", "It ends early.", b"\0\xff")
    await write_quarantine(connection, site_id, [bad])

    cursor = await connection.execute("select edge, seq, reason, message, content from quarantine")
    assert await cursor.fetchall() == [("dam-edge", 4, "truncated", "It ends early.", b"\0\xff")]
