"""The ledger of a day: what edges say they took, against what the store holds of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from hill import SECOND_US, START_US, make_hill, scans
from psycopg import AsyncConnection

from historian.daily_statement import Statement, as_text, day_of, state
from historian.ledger import read_day
from historian.partition import ensure_partitions
from historian.streams import (
    LossWrite,
    announce,
    open_stream,
    record_delivered,
    record_lost,
    write_losses,
)
from historian.writer import QuarantineWrite, write_quarantine, write_scans

DAY_S = 86400
EPOCH = UUID("00000000-0000-4000-8000-000000000001")
NEXT_EPOCH = UUID("00000000-0000-4000-8000-000000000002")
FIRST = date(2025, 7, 1)


@pytest.fixture
async def site_id(connection: AsyncConnection) -> int:
    site_id = await make_hill(connection)
    room = range(START_US - DAY_S * SECOND_US, START_US + 3 * DAY_S * SECOND_US)
    await ensure_partitions(connection, room)
    for slot in (0, 1):
        await connection.execute(
            "insert into channel values (%s, 1, %s, %s, 'level', 'm')",
            [site_id, slot, f"level-{slot}"],
        )
    stream = await open_stream(connection, site_id, "dam-edge", EPOCH)
    assert stream.stream_id == 1
    return site_id


async def deliver(
    connection: AsyncConnection,
    site_id: int,
    seq: int,
    at_s: int,
    *,
    raw: Sequence[float] = (1.0, 2.0),
    quality: list[list[int]] | None = None,
) -> None:
    """A block with one scan of two slots, taken at_s after the beginning of the first day."""
    write = scans([list(raw)], seq=seq, first=at_s, quality=quality)
    async with connection.transaction():
        await write_scans(connection, site_id, 1, [write])
    await record_delivered(connection, 1, [(seq, seq)])


async def stated(
    connection: AsyncConnection, site_id: int, day: date = FIRST, *, after_days: float = 9.0
) -> Statement:
    span = day_of("hill", day, "UTC")
    records = await read_day(connection, site_id, span.from_us, span.to_us)
    return state(span, records, ["dam-edge"], span.from_us + round(after_days * DAY_S * SECOND_US))


def numbers(said: Statement) -> tuple[int, int, int, int, int]:
    return said.taken, said.stored, said.missing, said.declared_lost, said.in_quarantine


async def test_a_day_of_which_all_is_stored_is_whole(
    connection: AsyncConnection, site_id: int
) -> None:
    for seq in (1, 2, 3):
        await deliver(connection, site_id, seq, seq)
    await announce(connection, 1, 3, START_US + DAY_S * SECOND_US)

    said = await stated(connection, site_id)

    assert numbers(said) == (3, 3, 0, 0, 0)
    assert said.is_whole
    assert "taken 3, stored 3, missing 0 (blocks)" in as_text(said)


async def test_what_an_edge_gave_out_and_nobody_has_is_missing_until_it_comes(
    connection: AsyncConnection, site_id: int
) -> None:
    await deliver(connection, site_id, 1, 1)
    await deliver(connection, site_id, 4, 4)
    await announce(connection, 1, 6, START_US + DAY_S * SECOND_US)

    before = await stated(connection, site_id)
    for seq in (2, 3, 5, 6):
        await deliver(connection, site_id, seq, seq)
    after = await stated(connection, site_id)

    assert numbers(before) == (6, 2, 4, 0, 0)
    assert not before.is_whole
    assert [(one.first, one.last) for one in before.records.gaps] == [(2, 3), (5, 6)]
    assert numbers(after) == (6, 6, 0, 0, 0)
    assert after.is_whole


async def test_what_is_lost_is_told_with_the_reason_and_is_not_missing(
    connection: AsyncConnection, site_id: int
) -> None:
    await deliver(connection, site_id, 1, 1)
    await deliver(connection, site_id, 5, 5)
    await record_lost(connection, 1, [(2, 4)])
    await write_losses(connection, [LossWrite(1, 2, 4, "the spool was full", START_US)])
    await record_delivered(connection, 1, [(3, 3)])  # Found again, and kept in quarantine.
    found = QuarantineWrite(START_US, "dam-edge", 1, 3, "found_again", "…", b"bytes")
    await write_quarantine(connection, site_id, [found])

    said = await stated(connection, site_id)

    assert numbers(said) == (5, 2, 0, 2, 1)
    assert "2 to 2 lost (the spool was full)" in as_text(said)
    assert "number 3, found_again" in as_text(said)


async def test_a_gap_is_counted_only_where_it_may_have_been_taken(
    connection: AsyncConnection, site_id: int
) -> None:
    await deliver(connection, site_id, 1, -10)  # The day before.
    await deliver(connection, site_id, 3, 10)
    await deliver(connection, site_id, 4, 20)
    await deliver(connection, site_id, 6, 2 * DAY_S + 10)

    days = [date(2025, 6, 30), FIRST, date(2025, 7, 2), date(2025, 7, 3), date(2025, 7, 4)]
    missing = [
        [(one.first, one.last) for one in (await stated(connection, site_id, day)).records.gaps]
        for day in days
    ]

    # 2 lies between the first two days; 5 was taken on the first, the second or the third.
    assert missing == [[(2, 2)], [(2, 2), (5, 5)], [(5, 5)], [(5, 5)], []]


async def test_an_old_spool_leaves_nothing_missing_after_the_next_began(
    connection: AsyncConnection, site_id: int
) -> None:
    await deliver(connection, site_id, 1, 10)
    await announce(connection, 1, 3, START_US + 20 * SECOND_US)
    await open_stream(connection, site_id, "dam-edge", NEXT_EPOCH)
    write = scans([[1.0, 2.0]], seq=1, first=30)
    write = replace(write, stream_id=2)
    async with connection.transaction():
        await write_scans(connection, site_id, 1, [write])
    await record_delivered(connection, 2, [(1, 1)])

    assert (await stated(connection, site_id)).missing == 2
    assert (await stated(connection, site_id, date(2025, 7, 2))).missing == 0


async def test_an_open_day_and_a_silent_edge_are_told(
    connection: AsyncConnection, site_id: int
) -> None:
    await deliver(connection, site_id, 1, 1)

    open_ = await stated(connection, site_id, after_days=0.5)
    over = await stated(connection, site_id)
    await announce(connection, 1, 1, START_US + DAY_S * SECOND_US)
    heard = await stated(connection, site_id)

    assert (open_.is_open, open_.is_whole) == (True, False)
    assert "The day is not over" in as_text(open_)
    assert (over.unheard_edges, over.is_whole) == (("dam-edge",), False)
    assert (heard.unheard_edges, heard.is_whole) == ((), True)


async def test_channels_are_counted_by_what_their_readings_are_worth(
    connection: AsyncConnection, site_id: int
) -> None:
    await deliver(connection, site_id, 1, 1)
    await deliver(connection, site_id, 2, 2, quality=[[0, 101]])
    await deliver(connection, site_id, 3, 3, quality=[[1, 112]])
    await deliver(connection, site_id, 4, 3, raw=(5.0, 6.0))  # The same instant again.

    records = (await stated(connection, site_id)).records
    first, second = records.channels

    assert (first.good, first.uncertain, first.bad, first.unread) == (2, 1, 0, 0)
    assert (second.good, second.uncertain, second.bad, second.unread) == (1, 0, 1, 1)
    assert records.conflicts == 1
