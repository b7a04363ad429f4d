"""The journal against a real PostgreSQL: numbers, chain, and the alarms that follow from it."""

import asyncio

import pytest
from ground import HOUR_US, START_US, insert_site, transition
from psycopg import AsyncConnection

from alarms import journal
from alarms.transition import AlarmState, Change, Transition
from historian.connection import connect


@pytest.fixture
async def site_id(connection: AsyncConnection) -> int:
    return await insert_site(connection)


async def record(
    connection: AsyncConnection, site_id: int, *transitions: Transition, flush_id: int = 1
) -> list[tuple[int, Transition]]:
    async with connection.transaction():
        return await journal.append(connection, site_id, flush_id, transitions, START_US + HOUR_US)


async def alarm(connection: AsyncConnection, site_id: int) -> dict:
    cursor = await connection.execute(
        "select state, level, worst_level, cleared_at is not null, acknowledged_by, comment,"
        " evidence, number from alarm where site_id = %s",
        [site_id],
    )
    rows = await cursor.fetchall()
    assert len(rows) == 1
    names = ("state", "level", "worst", "cleared", "by", "comment", "evidence", "number")
    return dict(zip(names, rows[0], strict=True))


LIFE = (
    transition(Change.RAISE, "blue", at_s=0, evidence={"value": 1.0}),
    transition(Change.RISE, "yellow", at_s=10, evidence={"value": 2.0}),
    transition(Change.ACKNOWLEDGE, "yellow", at_s=20, state=AlarmState.ACKNOWLEDGED),
    transition(
        Change.FALL, "blue", at_s=30, state=AlarmState.ACKNOWLEDGED, evidence={"value": 1.5}
    ),
    transition(Change.CLEAR, "blue", at_s=40, state=AlarmState.NORMAL, evidence={"value": 0.0}),
)


async def test_entries_are_numbered_and_replays_add_nothing(
    connection: AsyncConnection, site_id: int
) -> None:
    first = await record(connection, site_id, *LIFE[:2])
    again = await record(connection, site_id, *LIFE[:3], flush_id=2)

    assert [number for number, _ in first] == [1, 2]
    assert [(number, one.change) for number, one in again] == [(3, Change.ACKNOWLEDGE)]
    entries = await journal.read_after(connection, site_id, 1, 10)
    assert [entry.number for entry in entries] == [2, 3]
    assert entries[0].body["level"] == "yellow"
    assert entries[0].stored_us == START_US + HOUR_US


async def test_one_transition_given_twice_in_a_flush_is_recorded_once(
    connection: AsyncConnection, site_id: int
) -> None:
    appended = await record(connection, site_id, LIFE[0], LIFE[0], LIFE[1])

    assert [number for number, _ in appended] == [1, 2]


async def test_the_alarm_follows_its_life(connection: AsyncConnection, site_id: int) -> None:
    await record(connection, site_id, *LIFE[:2])
    raised = await alarm(connection, site_id)
    assert (raised["state"], raised["level"], raised["by"]) == ("unacknowledged", 2, None)
    assert raised["evidence"] == {"value": 2.0}

    await record(connection, site_id, LIFE[2])
    acknowledged = await alarm(connection, site_id)
    assert (acknowledged["state"], acknowledged["level"]) == ("acknowledged", 2)
    assert (acknowledged["by"], acknowledged["comment"]) == ("Li Na", "seen")
    assert acknowledged["evidence"] == {"value": 2.0}

    await record(connection, site_id, *LIFE[3:])
    cleared = await alarm(connection, site_id)
    assert (cleared["state"], cleared["level"], cleared["worst"]) == ("normal", 0, 2)
    assert cleared["cleared"]
    assert cleared["by"] == "Li Na"
    assert cleared["evidence"] == {"value": 1.5}
    assert cleared["number"] == 5


async def test_a_rise_asks_for_acknowledgement_again(
    connection: AsyncConnection, site_id: int
) -> None:
    await record(connection, site_id, *LIFE[:3], transition(Change.RISE, "red", at_s=25))

    risen = await alarm(connection, site_id)
    assert (risen["state"], risen["level"]) == ("unacknowledged", 4)
    assert (risen["by"], risen["comment"]) == (None, None)


async def test_acknowledging_what_has_returned_keeps_it_cleared(
    connection: AsyncConnection, site_id: int
) -> None:
    await record(
        connection,
        site_id,
        LIFE[0],
        transition(Change.CLEAR, "blue", at_s=5, state=AlarmState.RETURNED_UNACKNOWLEDGED),
        transition(Change.ACKNOWLEDGE, "blue", at_s=9, state=AlarmState.NORMAL),
    )

    ended = await alarm(connection, site_id)
    assert (ended["state"], ended["level"], ended["cleared"]) == ("normal", 0, True)


async def test_two_writers_take_turns_and_the_chain_stays_whole(
    connection: AsyncConnection, site_id: int, postgres_dsn: str
) -> None:
    async def write(name: str) -> None:
        async with await connect(postgres_dsn, name="writer", autocommit=True) as other:
            for step in range(10):
                await record(other, site_id, transition(Change.RAISE, "blue", at_s=step, of=name))

    await asyncio.gather(write("one"), write("two"), write("three"))

    verified = await journal.verify_journal(connection, site_id)
    assert verified == journal.Verification(entries=30, broken_at=None)


@pytest.fixture
async def whole_journal(connection: AsyncConnection, site_id: int) -> int:
    await record(connection, site_id, *LIFE)
    return site_id


@pytest.mark.parametrize(
    ("tampering", "broken_at"),
    [
        ("update journal set body = replace(body, 'yellow', 'blue') where number = 2", 2),
        ("delete from journal where number = 3", 3),
        ("delete from journal where number = 5", 5),
        ("delete from journal", 1),
        ("update journal set number = 9 where number = 5", 5),
        ("update journal_head set hash = sha256('x')", 6),
        ("update journal_head set number = 4", 5),
    ],
)
async def test_tampering_is_found(
    connection: AsyncConnection, whole_journal: int, tampering: str, broken_at: int
) -> None:
    await connection.execute(tampering)

    verified = await journal.verify_journal(connection, whole_journal)
    assert verified.broken_at == broken_at


async def test_pushed_is_recorded_once(connection: AsyncConnection, whole_journal: int) -> None:
    await journal.mark_pushed(connection, whole_journal, {1: START_US, 2: START_US + 5})
    await journal.mark_pushed(connection, whole_journal, {2: START_US + 99, 3: START_US + 99})

    entries = await journal.read_after(connection, whole_journal, 0, 10)
    assert [entry.pushed_us for entry in entries[:4]] == [
        START_US,
        START_US + 5,
        START_US + 99,
        None,
    ]


async def test_sites_are_read_together_each_from_its_own_number(
    connection: AsyncConnection, whole_journal: int
) -> None:
    other = await insert_site(connection, "south-mine")
    await record(connection, other, *LIFE[:2])

    found = await journal.read_after_each(connection, {whole_journal: 3, other: 0}, 10)
    assert {key: [one.number for one in of] for key, of in found.items()} == {
        whole_journal: [4, 5],
        other: [1, 2],
    }
