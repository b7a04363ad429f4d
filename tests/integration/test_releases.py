"""What is in quarantine is seen, and is stored once its obstacle is gone."""

import asyncio
import re
from pathlib import Path

import pytest
from ingest_bench import edge_line, fetch, ingest, transitions
from ingest_site import (
    BEGAN_US,
    MINUTE_US,
    block,
    group_in,
    plan_in,
    site_document,
    write_site,
)
from psycopg import AsyncConnection
from typer.testing import CliRunner, Result

import groundwatch
from ingest import kept_blocks
from telemetry.clock import instant_at

PLAN = plan_in(site_document())
WIDER = site_document()
group_in(WIDER, "levels")["channels"].append(
    {
        "id": "abutment",
        "instrument": "gauge",
        "quantity": "water_level",
        "unit": "m",
        "slot": 2,
        "register": {"address": 8, "type": "float32"},
    }
)
WIDER_PLAN = plan_in(WIDER)
SCANS = """
    select time, raw from scan join scan_group using (site_id, group_id)
    where key = 'levels' and seq is not null order by time
"""


async def command(dsn: str, *arguments: str) -> Result:
    """Run `groundwatch quarantine` in a thread, as another process would."""
    return await asyncio.to_thread(
        CliRunner().invoke, groundwatch.app, ["quarantine", *arguments, "--dsn", dsn]
    )


def lines(result: Result) -> list[str]:
    """What it printed about blocks; the ingest beside it logs to the same place."""
    return [line for line in result.stdout.splitlines() if re.match(r"\d+(: |  )", line)]


async def test_blocks_of_a_layout_that_came_too_early_are_stored_later(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(block(WIDER_PLAN, "levels", [[11.0, 1.0, 7.0]], first=1))
        await line.put(block(WIDER_PLAN, "levels", [[1.0, 1.0, 8.0]], first=2))
        await line.put(block(PLAN, "levels", [[21.0, 1.0]], first=10))
        await line.put(block(WIDER_PLAN, "levels", [[1.0, 1.0, 9.0]], first=20))
        await line.drained()
        listed = await command(postgres_dsn, "list", "--site", "mine", "--reason", "unknown_layout")
        refused = await command(postgres_dsn, "release", "1")
    assert [text.split()[0] for text in lines(listed)] == ["1", "2", "3"]
    assert "mine/dam-edge  block 1  unknown_layout" in listed.stdout
    assert refused.exit_code == 1
    assert "the centre has never known layout" in refused.stdout
    shown = await command(postgres_dsn, "show", "2", "--out", str(tmp_path / "kept.bin"))
    assert "scan group levels" in shown.stdout
    assert "1 scans of 3 slots" in shown.stdout
    assert (tmp_path / "kept.bin").read_bytes() == line.spool[2]

    async with ingest(postgres_dsn, write_site(tmp_path, WIDER)):
        released = await command(postgres_dsn, "release", "--reason", "unknown_layout")
        assert lines(released) == ["1: stored", "2: stored", "3: stored"]
        again = await command(postgres_dsn, "release", "2")
        assert lines(again) == ["2: it is not in quarantine"]

    rows = await fetch(connection, SCANS)
    minutes = [instant_at(BEGAN_US + minute * MINUTE_US) for minute in (1, 2, 10, 20)]
    assert [row["time"] for row in rows] == minutes
    assert [row["raw"] for row in rows] == [
        [11.0, 1.0, 7.0],
        [1.0, 1.0, 8.0],
        [21.0, 1.0],
        [1.0, 1.0, 9.0],
    ]
    assert await fetch(connection, "select from quarantine") == []
    # The yellow of minute 1 is history; that of minute 20 is news.
    told = [entry for entry in await transitions(connection, kind="process") if entry[0] == "pond"]
    assert [(change, level) for _, _, change, level in told] == [
        ("raise", "yellow"),
        ("rise", "red"),
        ("clear", "red"),
    ]


async def test_a_released_block_leaves_the_same_state_behind_as_a_replay(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(block(PLAN, "levels", [[1.0, 1.0]], first=10))
        await line.put(block(WIDER_PLAN, "levels", [[25.0, 1.0, 7.0]], first=3))
        await line.put(block(WIDER_PLAN, "levels", [[25.0, 1.0, 7.0]], first=30))
        await line.drained()
    async with ingest(postgres_dsn, write_site(tmp_path, WIDER)):
        released = await command(postgres_dsn, "release", "1", "2")
        assert released.exit_code == 0, released.stdout
    before = await transitions(connection)
    await connection.execute("delete from checkpoint")
    async with ingest(postgres_dsn, write_site(tmp_path, WIDER)) as bench:
        pass

    assert await transitions(connection) == before  # No healing: the replay judges the same.
    assert bench.desks[0].state.newest_us.max() == BEGAN_US + 30 * MINUTE_US


async def test_a_release_that_cannot_be_stored_holds_nobody_up(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(block(WIDER_PLAN, "levels", [[11.0, 1.0, 7.0]], first=1))
        await line.put(block(PLAN, "levels", [[1.0, 1.0]], at_us=[1_000_000]))
        await line.drained()
    await connection.execute(
        """
        create function refuse() returns trigger language plpgsql as
            $$ begin raise exception 'not this one'; end $$;
        create trigger refuse before insert on scan for each row when (new.raw[3] = 7)
            execute function refuse();
        """
    )
    async with (
        ingest(postgres_dsn, write_site(tmp_path, WIDER)) as bench,
        edge_line(bench) as line,
    ):
        refused = await command(postgres_dsn, "release", "1", "2")
        await line.put(block(WIDER_PLAN, "levels", [[1.0, 1.0, 8.0]], first=5))
        await line.drained()

    assert refused.exit_code == 1
    first, second = lines(refused)
    assert "storing it failed: not this one" in first
    assert second.startswith("2: its stamps can't be meant")
    assert line.rejected == []
    assert [row["number"] for row in await fetch(connection, "select number from quarantine")] == [
        1,
        2,
    ]


async def test_without_an_ingest_a_release_never_counts_later(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(block(WIDER_PLAN, "levels", [[11.0, 1.0, 7.0]], first=1))
        await line.drained()
    monkeypatch.setattr(kept_blocks, "DECIDED_WITHIN_S", 0.2)
    unanswered = await command(postgres_dsn, "release", "1")
    neither = await command(postgres_dsn, "release")
    unknown = await command(postgres_dsn, "show", "4711")
    async with ingest(postgres_dsn, write_site(tmp_path, WIDER)):
        pass

    assert unanswered.exit_code == 1
    assert "does the ingest run that owns mine?" in unanswered.stdout
    assert (neither.exit_code, unknown.exit_code) == (2, 2)
    assert await fetch(connection, SCANS) == []
