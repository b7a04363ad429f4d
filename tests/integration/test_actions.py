"""An action counts when it is decided in time, and never after its asker gave it up."""

import asyncio
from uuid import UUID

import psycopg
import pytest
from ground import START_US, insert_site
from psycopg import AsyncConnection

from alarms.transition import Decision
from historian import actions
from historian.connection import connect

OCCURRENCE = f"crack-1/limit_high/{START_US}"


@pytest.fixture
async def site_id(connection: AsyncConnection) -> int:
    return await insert_site(connection)


async def ask(connection: AsyncConnection, site_id: int, *, lifetime_s: float = 60.0) -> UUID:
    return await actions.ask(
        connection,
        site_id=site_id,
        occurrence=OCCURRENCE,
        person="Li Na",
        comment="seen",
        asked_us=START_US,
        lifetime_s=lifetime_s,
    )


async def test_an_action_wakes_the_ingest_and_is_decided(
    connection: AsyncConnection, site_id: int, postgres_dsn: str
) -> None:
    async with await connect(postgres_dsn, name="ears", autocommit=True) as ears:
        await ears.execute("listen groundwatch")
        action_id = await ask(connection, site_id)
        payloads = [one.payload async for one in ears.notifies(timeout=5, stop_after=1)]
    assert payloads == ["action"]

    async with connection.transaction():
        [asked] = await actions.undecided(connection, site_id)
        assert (asked.occurrence, asked.person, asked.at_us) == (OCCURRENCE, "Li Na", START_US)
        await actions.decide(connection, [Decision(asked.action_id, True, "")], 7)
    assert await actions.decision_on(connection, action_id) == Decision(str(action_id), True, "")
    async with connection.transaction():
        assert await actions.undecided(connection, site_id) == ()


async def test_what_came_too_late_is_rejected(connection: AsyncConnection, site_id: int) -> None:
    action_id = await ask(connection, site_id, lifetime_s=0)
    async with connection.transaction():
        assert await actions.undecided(connection, site_id) == ()
    decision = await actions.decision_on(connection, action_id)
    assert decision == Decision(str(action_id), False, actions.EXPIRED)


async def test_a_flush_that_fails_leaves_the_action_undecided(
    connection: AsyncConnection, site_id: int
) -> None:
    action_id = await ask(connection, site_id)

    async def fail() -> None:
        async with connection.transaction():
            [asked] = await actions.undecided(connection, site_id)
            await actions.decide(connection, [Decision(asked.action_id, True, "")], 7)
            await connection.execute("select 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        await fail()
    assert await actions.decision_on(connection, action_id) is None


async def test_giving_up_waits_for_the_flush_that_is_just_deciding(
    connection: AsyncConnection, site_id: int, postgres_dsn: str
) -> None:
    action_id = await ask(connection, site_id)
    async with await connect(postgres_dsn, name="ingest", autocommit=True) as ingest:
        async with ingest.transaction():
            [asked] = await actions.undecided(ingest, site_id)
            giving_up = asyncio.create_task(actions.withdraw(connection, action_id))
            await blocked(ingest)
            await actions.decide(ingest, [Decision(asked.action_id, True, "")], 7)
        await giving_up
    decision = await actions.decision_on(connection, action_id)
    assert decision == Decision(str(action_id), True, "")


async def blocked(ingest: AsyncConnection) -> None:
    """Wait until somebody waits for our transaction."""
    async with asyncio.timeout(10):
        while True:
            cursor = await ingest.execute(
                "select count(*) from pg_stat_activity"
                " where pg_backend_pid() = any(pg_blocking_pids(pid))"
            )
            if await cursor.fetchone() != (0,):
                return


async def test_an_acceptance_after_giving_up_stops_the_flush(
    connection: AsyncConnection, site_id: int
) -> None:
    action_id = await ask(connection, site_id)
    # Taken outside of the deciding transaction, against the rule: the flush still may not count it.
    [asked] = await actions.undecided(connection, site_id)
    await actions.withdraw(connection, action_id)

    async def decide() -> None:
        async with connection.transaction():
            await actions.decide(connection, [Decision(asked.action_id, True, "")], 7)

    with pytest.raises(actions.ActionWithdrawnError):
        await decide()
    decision = await actions.decision_on(connection, action_id)
    assert decision == Decision(str(action_id), False, actions.EXPIRED)
