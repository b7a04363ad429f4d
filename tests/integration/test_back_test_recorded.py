"""In the recorded order a back-test says what the live process said: key by key, evidence too."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ingest_bench import fetch
from ingest_site import (
    BEGAN_US,
    HOUR_US,
    MINUTE_US,
    NAME,
    SECOND_US,
    block,
    group_in,
    plan_in,
    site_document,
    write_site,
)
from psycopg import AsyncConnection
from recorded_order import as_told, of_the_ground, replayed
from recovery_bench import FAULTS, FORGET, Plan, Run
from recovery_script import Arrive, Step, script

from alarms.backtest.running import BackTestRequest, back_test
from historian.connection import connect
from ingest import flush

FIRST_PLAN = plan_in(site_document())
# Steps after which an alarm stands whose rule leaves with the new site file.
NEW_FILE_AFTER = {1: 35, 2: 15, 3: 40}


class Silent:
    """Nobody looks."""

    def begin(self, _what: str, _total: int, /) -> Callable[[int], None]:
        return lambda _steps: None


def late_data(first_seq: int) -> list[Step]:
    """A logger's rows in no order that means anything: most come after newer ones."""
    rows = [(30, 1.0), (12, 99.0), (31, 60.0), (29, 99.0), (33, 70.0), (34, 70.0), (32, 2.0)]
    return [
        Arrive(
            "hill-edge",
            first_seq + n,
            block(
                FIRST_PLAN,
                "cracks",
                [[crack]],
                at_us=[BEGAN_US + minute * MINUTE_US],
                monotonic_us=[0],
                in_order=False,
            ),
            BEGAN_US + (40 + n) * MINUTE_US + SECOND_US,
        )
        for n, (minute, crack) in enumerate(rows)
    ]


def last_seq(steps: list[Step]) -> int:
    return max(one.seq for one in steps if isinstance(one, Arrive) and one.edge == "hill-edge")


def stricter(tree: dict[str, Any]) -> dict[str, Any]:
    """The same mine, whose people have set other limits meanwhile, and dropped one."""
    pond, toe = group_in(tree, "levels")["channels"]
    pond["limits"][0]["levels"] = {"yellow": 6.0, "orange": 9.0, "red": 14.0}
    toe["limits"] = []
    return tree


def with_votes(tree: dict[str, Any]) -> dict[str, Any]:
    """The same mine, whose dam votes: a pond at yellow makes both of its items yellow."""
    toe = ["toe"] if group_in(tree, "levels")["channels"][1]["limits"] else []
    ladder = {"blue_to_yellow": 2, "yellow_to_orange": 2, "orange_to_red": 2, "source": "Design"}
    tree["structures"][0]["voting"] = {
        "every_s": 60,
        "max_age_s": 180,
        "ladder": ladder,
        "items": [
            {"id": "pool", "slot": 1, "name": NAME, "points": ["pond"]},
            {"id": "line", "slot": 2, "name": NAME, "points": ["pond", *toe, "together"]},
        ],
    }
    return tree


async def lived(
    dsn: str, folder: Path, seed: int, change: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> list[dict[str, Any]]:
    """Let a mine live: failed commits, restarts, late rows, a new site file; read its journal."""
    steps = script(seed)
    half = NEW_FILE_AFTER[seed]
    steps += late_data(last_seq(steps) + 1)
    every = range(0, 1000, 2)
    async with await connect(dsn, name="test", autocommit=True) as connection:
        await connection.execute(FAULTS)
        await connection.execute(FORGET)
        first = Run(dsn, write_site(folder, change(site_document())), connection)
        await first.through(steps[:half], Plan(every, {half // 3}, {4, 8}))
        second = Run(dsn, write_site(folder, change(stricter(site_document()))), connection)
        rest = steps[half:]
        await second.through(rest, Plan(every, {len(rest) // 3, len(rest) - 4}, {26}))
        rows = await fetch(connection, "select body from journal order by number")
    return [json.loads(row["body"]) for row in rows]


@pytest.mark.parametrize("seed", NEW_FILE_AFTER)
@pytest.mark.parametrize("checkpoint_every", [2, 300])
def test_the_recorded_order_says_what_was_told_live(
    postgres_dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    checkpoint_every: int,
) -> None:
    monkeypatch.setattr(flush, "CHECKPOINT_EVERY_FLUSHES", checkpoint_every)
    journal = of_the_ground(asyncio.run(lived(postgres_dsn, tmp_path, seed)))
    said = of_the_ground(as_told(asyncio.run(replayed(postgres_dsn))))

    assert said == journal
    assert {"raise", "rise", "clear", "acknowledge"} <= {one["change"] for one in journal}
    assert {"pond", "toe", "crack"} <= {one["channel"] for one in journal}
    # Both versions of the site file have judged.
    bounds = {one["evidence"].get("bound") for one in journal}
    assert bounds & {10.0, 20.0}
    assert bounds & {6.0, 9.0, 14.0}


@pytest.mark.parametrize("seed", NEW_FILE_AFTER)
async def test_votes_are_said_again_as_they_were_told_live(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, seed: int
) -> None:
    journal = of_the_ground(await lived(postgres_dsn, tmp_path, seed, with_votes))
    said = of_the_ground(as_told(await replayed(postgres_dsn)))

    assert said == journal
    votes = [one for one in journal if one["rule"] == "vote"]
    assert {"dam"} <= {one["channel"] for one in votes}
    assert {"raise", "clear"} <= {one["change"] for one in votes}
    # The newest vote is kept as it stands; the levels before it are scans of the structure.
    (kept,) = await fetch(connection, "select structure, time, document from vote")
    stored = await fetch(
        connection,
        "select time, value from scan join scan_group using (site_id, group_id) where key = 'dam'"
        " order by time desc",
    )
    assert kept["structure"] == "dam"
    assert kept["time"] == stored[0]["time"]
    assert kept["document"]["voted"] == stored[0]["value"][0]
    assert len(stored) > 10


@pytest.mark.parametrize("seed", NEW_FILE_AFTER)
async def test_the_run_has_late_data_faults_and_an_end_of_a_rule(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, seed: int
) -> None:
    journal = await lived(postgres_dsn, tmp_path, seed)

    late = await fetch(connection, "select from scan where ordinal < 0")
    (attempts,) = await fetch(connection, "select last_value from attempts")
    (site,) = await fetch(connection, "select flush_id from site")
    assert len(late) >= 3
    assert attempts["last_value"] - site["flush_id"] == 3
    reasons = {one["evidence"].get("reason") for one in journal}
    assert "the rule has left the configuration" in reasons


def test_a_back_test_leaves_the_store_as_it_was(postgres_dsn: str, tmp_path: Path) -> None:
    journal = asyncio.run(lived(postgres_dsn, tmp_path, 2))
    before = asyncio.run(contents(postgres_dsn))
    request = BackTestRequest(
        site=tmp_path / "mine.yaml",
        dsn=postgres_dsn,
        from_us=BEGAN_US,
        to_us=BEGAN_US + HOUR_US,
        charts=True,
    )

    found = asyncio.run(back_test(request, Silent()))

    assert found.finding.order == "recorded"
    raised = [one for one in of_the_ground(journal) if one["change"] == "raise"]
    assert found.finding.process.alarms == len(raised)
    assert asyncio.run(contents(postgres_dsn)) == before


async def contents(dsn: str) -> dict[str, str]:
    """A digest of every table."""
    async with await connect(dsn, name="test", autocommit=True) as connection:
        tables = await fetch(connection, "select relname from pg_stat_user_tables order by 1")
        found = {}
        for table in [row["relname"] for row in tables]:
            rows = await fetch(connection, f"select t::text as row from {table} as t order by 1")
            text = "\n".join(str(row["row"]) for row in rows)
            found[table] = hashlib.sha256(text.encode()).hexdigest()
    return found
