"""The slow tier on a real database: what it believes is told once, whatever happens between."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from ingest_bench import fetch
from ingest_site import write_site
from psycopg import AsyncConnection
from recorded_order import as_told, of_the_ground, replayed
from recovery_bench import FAULTS, FORGET, Plan
from recovery_script import script
from slow_run import SlowRun, trending_site

from historian.connection import connect

SLOW_RULES = {"trend_rate_high_600", "trend_rate_low_600", "theil_sen_high_600"}
EVERY = Plan(range(1000))


async def prepare(dsn: str) -> None:
    async with await connect(dsn, name="test", autocommit=True) as connection:
        await connection.execute(FAULTS)


async def lived(dsn: str, folder: Path, seed: int, plan: Plan, looks_every: int = 1) -> list[Any]:
    """Let the mine live once; read its journal."""
    async with await connect(dsn, name="test", autocommit=True) as connection:
        await connection.execute(FORGET)
        run = SlowRun(dsn, write_site(folder, trending_site()), connection)
        run.looks_every = looks_every
        await run.through(script(seed), plan)
        rows = await fetch(connection, "select body from journal order by number")
    return [json.loads(row["body"]) for row in rows]


def beliefs_told(journal: list[Any]) -> list[Any]:
    found = [
        one
        for one in of_the_ground(journal)
        if one["rule"] in SLOW_RULES and one["change"] != "acknowledge"
    ]
    return sorted(found, key=lambda one: (one["sampled_us"], one["channel"], one["key"]))


@pytest.mark.parametrize("seed", [1, 2])
def test_kills_failed_commits_and_rare_looks_change_nothing_that_is_told(
    postgres_dsn: str, tmp_path: Path, seed: int
) -> None:
    asyncio.run(prepare(postgres_dsn))
    quiet = beliefs_told(asyncio.run(lived(postgres_dsn, tmp_path, seed, EVERY)))
    disturbed = Plan(range(0, 1000, 3), {9, 21, 33}, {4, 8, 15})

    other = beliefs_told(asyncio.run(lived(postgres_dsn, tmp_path, seed, disturbed, 4)))

    assert {"raise", "clear"} <= {one["change"] for one in quiet}
    assert {"pond", "together"} <= {one["channel"] for one in quiet}
    assert other == quiet


@pytest.mark.parametrize("seed", [1, 3])
def test_the_recorded_order_says_what_was_told_with_beliefs_in_it(
    postgres_dsn: str, tmp_path: Path, seed: int
) -> None:
    asyncio.run(prepare(postgres_dsn))
    disturbed = Plan(range(0, 1000, 2), {11, 29}, {4, 8})
    journal = of_the_ground(asyncio.run(lived(postgres_dsn, tmp_path, seed, disturbed)))

    said = of_the_ground(as_told(asyncio.run(replayed(postgres_dsn))))

    assert said == journal
    assert {one["rule"] for one in journal} & SLOW_RULES


OPEN = "select channel, rule, level from alarm where level > 0 and rule = any(%s) order by 1, 2"


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_lost_state_leaves_no_alarm_standing_for_ever(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, seed: int
) -> None:
    """While an alarm stands the slow tier's state is damaged; what it ends at is the same."""
    await prepare(postgres_dsn)
    await lived(postgres_dsn, tmp_path, seed, EVERY)
    expected = await fetch(connection, OPEN, list(SLOW_RULES))
    steps = script(seed)
    for half in range(len(steps) - 1, 0, -1):  # The last place where one stands that will clear.
        await connection.execute(FORGET)
        path = write_site(tmp_path, trending_site())
        await SlowRun(postgres_dsn, path, connection).through(steps[:half], EVERY)
        if await fetch(connection, OPEN, list(SLOW_RULES)) not in ([], expected):
            break
    else:
        raise AssertionError("no alarm stands anywhere")
    await connection.execute("update slow_checkpoint set state = 'damaged'")

    await SlowRun(postgres_dsn, path, connection).through(steps[half:], EVERY)

    assert await fetch(connection, OPEN, list(SLOW_RULES)) == expected


async def test_what_rules_say_now_can_be_read_and_is_of_this_file(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await prepare(postgres_dsn)
    await lived(postgres_dsn, tmp_path, 1, EVERY)
    rows = await fetch(connection, "select channel, rule, unit, figure, level from trend")
    waiting = await fetch(connection, "select from belief where taken_flush_id is null")

    assert {(one["channel"], one["rule"], one["unit"]) for one in rows} == {
        ("pond", "trend_rate_high_600", "m/h"),
        ("pond", "trend_rate_low_600", "m/h"),
        ("together", "theil_sen_high_600", "m/h"),
    }
    assert any(one["figure"] is not None for one in rows)
    assert not waiting
