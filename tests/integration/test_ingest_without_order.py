"""Scans without an order of their own, stored once each, and replayed as judged."""

import random
from math import isnan
from pathlib import Path

import pytest
from ingest_bench import IngestBench, edge_line, fetch, ingest, transitions
from ingest_site import (
    BEGAN_US,
    HOUR_US,
    MINUTE_US,
    NAN,
    block,
    plan_in,
    site_document,
    write_site,
)
from psycopg import AsyncConnection

from alarms.checkpoint import encode
from historian.connection import connect
from ingest import metrics
from ingest.opening import open_site
from ingest.recovery import recover
from telemetry.clock import instant_at, instant_us

PLAN = plan_in(site_document())
ROWS = """
    select time, revision, raw, quality, ordinal, judged_at from scan
    where stream_id is not null order by time, revision
"""
LATEST = """
    select time, raw from latest join scan_group using (site_id, group_id) where key = 'levels'
"""


def levels(raw: list[list[float]], minutes: list[int]) -> bytes:
    at_us = [BEGAN_US + minute * MINUTE_US for minute in minutes]
    zeros = [0] * len(minutes)
    return block(PLAN, "levels", raw, at_us=at_us, monotonic_us=zeros, in_order=False)


def late_so_far() -> float:
    return metrics.LATE.labels("mine")._value.get()


async def state_of_a_replay(bench: IngestBench) -> bytes:
    """Recover from the first flush, as another process would."""
    desk = await open_site(bench.dsn, bench.sites[0], bench.clock)
    async with await connect(bench.dsn, name="test", autocommit=True) as conn:
        await conn.execute("delete from checkpoint")
        await recover(conn, desk)
    return encode(desk.engine, desk.state)


async def test_a_late_scan_is_stored_under_its_stamp_and_raises_nothing(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    before = late_so_far()
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        bench.clock.us = BEGAN_US + HOUR_US
        await line.put(levels([[1.0, 1.0]], [30]))
        await line.put(levels([[99.0, 1.0], [2.0, 2.0], [98.0, 1.0]], [10, 31, 31]))
        await line.drained()
        (newest,) = await fetch(connection, LATEST)

    rows = await fetch(connection, ROWS)
    stored = [(row["time"], row["revision"], row["raw"], row["ordinal"]) for row in rows]
    at = {n: instant_at(BEGAN_US + n * MINUTE_US) for n in (10, 30, 31)}
    assert stored == [
        (at[10], 0, [99.0, 1.0], -1),
        (at[30], 0, [1.0, 1.0], 0),
        (at[31], 0, [2.0, 2.0], 1),
        (at[31], 1, [98.0, 1.0], -3),
    ]
    assert all(row["judged_at"] is None for row in rows)
    assert (newest["time"], newest["raw"]) == (at[31], [2.0, 2.0])
    assert await transitions(connection) == []
    assert late_so_far() - before == 2


async def test_a_source_that_brings_only_late_scans_falls_silent(
    postgres_dsn: str, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        bench.clock.us = BEGAN_US + HOUR_US
        await line.put(levels([[1.0, 1.0]], [30]))
        await line.drained()
        (desk,) = bench.desks
        group = PLAN.group_by_key["levels"].index
        heard_s = desk.hearing.heard_s[group]
        await line.put(levels([[1.0, 1.0]], [29]))
        await line.drained()
        assert desk.hearing.heard_s[group] == heard_s
        await line.put(levels([[1.0, 1.0]], [31]))
        await line.drained()
        assert desk.hearing.heard_s[group] > heard_s


@pytest.mark.parametrize("seed", range(6))
async def test_every_value_is_stored_once_and_a_replay_sees_what_was_seen(
    seed: int, postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    sent: set[tuple[int, int, float]] = set()
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        bench.clock.us = BEGAN_US + HOUR_US
        for step in range(4, 40):
            minutes = [step + chance.randrange(-3, 3) for _ in range(chance.randrange(1, 6))]
            raw = [
                [chance.choice([NAN, 1.0, 12.0, 25.0]), chance.choice([NAN, 3.0])] for _ in minutes
            ]
            for minute, row in zip(minutes, raw, strict=True):
                sent |= {(minute, slot, one) for slot, one in enumerate(row) if not isnan(one)}
            await line.put(levels(raw, minutes))
            if chance.random() < 0.6:
                await line.drained()
        await line.drained()
    (desk,) = bench.desks

    stored: set[tuple[int, int, float]] = set()
    for row in await fetch(connection, ROWS):
        minute = (instant_us(row["time"]) - BEGAN_US) // MINUTE_US
        of_row = {(minute, slot, one) for slot, one in enumerate(row["raw"]) if not isnan(one)}
        # A conflict stores its whole scan beside the other, with what is equal in it too.
        assert not of_row or not row["revision"] or of_row - stored
        stored |= of_row
    assert stored == sent
    assert await fetch(connection, "select from site where flush_id > 5")
    live = encode(desk.engine, desk.state)
    assert await state_of_a_replay(bench) == live
