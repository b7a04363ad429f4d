"""Forecasts that the slow tier tells are kept once, and the same, whatever happens between."""

import asyncio
from pathlib import Path
from typing import Any

from ingest_bench import fetch
from ingest_site import (
    BEGAN_US,
    MINUTE_US,
    SECOND_US,
    SOURCE,
    block,
    group_in,
    plan_in,
    site_document,
    write_site,
)
from recovery_bench import FAULTS, FORGET, Plan
from recovery_script import Arrive, Step
from slow_run import SlowRun
from told_forecasts import FAILING

from historian.connection import connect
from telemetry.clock import instant_at

ASKED = {"method": "failure_time", "bin_s": 60, "levels": {"red": 24.0}, "source": SOURCE}
BLOCKS, BLOCK_MINUTES = 50, 10
JUDGED_FROM = 300  # What came before a tier's first look is its past, and is not asked about.
KEPT = """
    select channel, asked_at, verdict, fails_at, answers, inputs, value from forecast
    where asked_at >= %s order by channel, asked_at
"""


def forecasting_site() -> dict[str, Any]:
    tree = site_document()
    for channel in group_in(tree, "cracks")["channels"]:
        channel["trends"] = [ASKED]
    return tree


def a_crack_that_opens() -> list[Step]:
    """The failing slope of other tests, a minute where they have an hour."""
    opened = 0.1 * (FAILING - FAILING[0])
    steps: list[Step] = []
    for number in range(BLOCKS):
        first = number * BLOCK_MINUTES
        rows = opened[first : first + BLOCK_MINUTES, None]
        content = block(plan_in(forecasting_site()), "cracks", rows, first=first)
        received_us = BEGAN_US + (first + BLOCK_MINUTES) * MINUTE_US + SECOND_US
        steps.append(Arrive("hill-edge", number + 1, content, received_us))
    return steps


async def lived(dsn: str, folder: Path, plan: Plan, looks_every: int = 1) -> list[Any]:
    """Let the mine live once; read its forecasts."""
    async with await connect(dsn, name="test", autocommit=True) as connection:
        await connection.execute(FORGET)
        run = SlowRun(dsn, write_site(folder, forecasting_site()), connection)
        run.looks_every = looks_every
        await run.through(a_crack_that_opens(), plan)
        return await fetch(connection, KEPT, instant_at(BEGAN_US + JUDGED_FROM * MINUTE_US))


def test_kills_and_rare_looks_change_nothing_that_is_kept(
    postgres_dsn: str, tmp_path: Path
) -> None:
    async def prepare() -> None:
        async with await connect(postgres_dsn, name="test", autocommit=True) as connection:
            await connection.execute(FAULTS)

    asyncio.run(prepare())
    quiet = asyncio.run(lived(postgres_dsn, tmp_path, Plan(range(1000))))
    disturbed = Plan(range(0, 1000, 3), {9, 21, 33}, {4, 8, 15})
    other = asyncio.run(lived(postgres_dsn, tmp_path, disturbed, 4))

    assert {row["inputs"]["bin_us"] for row in quiet} == {MINUTE_US}
    assert {row["inputs"]["configuration"] for row in quiet} == {1}
    assert [row["verdict"] for row in quiet].count("forecast") > 5
    assert quiet[-1]["fails_at"] > quiet[-1]["asked_at"]
    assert other == quiet
