"""Load: many edges in one sender, and a ledger that finds what is missing or invented."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from ingest_bench import HandClock, IngestBench, ingest
from psycopg import AsyncConnection
from typer.testing import CliRunner
from waiting import until

import groundwatch
from simulators.load import LoadEdge, LoadSettings, edges_of, run_load, write_ledger
from simulators.load_numbers import STEPS, LoadNumbers, site_of, write_load_sites
from simulators.proving.bench_ingest import BenchSettings, run_bench_ingest
from simulators.proving.load_ledger import LoadBalance, load_balance
from telemetry.clock import MachineClock
from telemetry.site_file import read_site_file

EDGES, CHANNELS, SCANS = 21, 3, 4  # On two sites.
ENOUGH_BLOCKS = 3


async def settings_for(bench: IngestBench, folder: Path) -> LoadSettings:
    tokens = [await bench.token(f"edge-{n:04d}", site_of(n)) for n in range(EDGES)]
    (folder / "tokens").write_text("\n".join(tokens), encoding="utf-8")
    return LoadSettings(
        edges=EDGES,
        channels=CHANNELS,
        centre=f"ws://127.0.0.1:{bench.port}",
        tokens=folder / "tokens",
        ledger=folder / "ledger.json",
        scans_per_block=SCANS,
        supervised=False,
    )


async def send_some(edges: list[LoadEdge], centre: str) -> None:
    """Let every edge send until it has a few blocks committed."""
    gate = asyncio.Semaphore(EDGES)
    await asyncio.gather(*(one.open(centre, gate) for one in edges))
    stop = asyncio.Event()

    async def watch() -> None:
        await until(lambda: min(one.committed_blocks for one in edges) >= ENOUGH_BLOCKS)
        stop.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        for one in edges:
            tasks.create_task(one.send(stop, 0.0))


async def test_what_is_sent_is_stored_once_and_the_ledger_would_see_it_if_not(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    sites = write_load_sites(EDGES, CHANNELS, tmp_path)
    async with ingest(postgres_dsn, *sites, clock=HandClock(MachineClock().now_us())) as bench:
        settings = await settings_for(bench, tmp_path)
        edges = edges_of(settings)
        await send_some(edges, settings.centre)
        write_ledger(settings, edges)
    sent = sum(one.blocks for one in edges) * SCANS * CHANNELS

    assert await load_balance(connection, settings.ledger) == LoadBalance(sent, 0, 0)

    one_row = "(select site_id, group_id, time from scan limit 1)"
    await connection.execute(f"delete from scan where (site_id, group_id, time) = {one_row}")
    assert await load_balance(connection, settings.ledger) == LoadBalance(
        sent - CHANNELS, CHANNELS, 0
    )
    await connection.execute(
        f"update scan set raw[1] = raw[1] + 0.25 where (site_id, group_id, time) = {one_row}"
    )
    assert await load_balance(connection, settings.ledger) == LoadBalance(
        sent - CHANNELS, 2 * CHANNELS, CHANNELS
    )


def test_a_sender_without_enough_tokens_says_so(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("one\n", encoding="utf-8")
    settings = LoadSettings(
        edges=2,
        channels=1,
        centre="ws://127.0.0.1:1",
        tokens=tmp_path / "tokens",
        ledger=tmp_path / "ledger.json",
        scans_per_block=1,
        supervised=False,
    )
    with pytest.raises(Exception, match="has 1 tokens, not 2"):
        edges_of(settings)


def test_site_files_of_a_load_pass_the_check(tmp_path: Path) -> None:
    first, second = write_load_sites(EDGES, CHANNELS, tmp_path)
    assert len(read_site_file(first).buses) == 20
    assert len(read_site_file(second).buses) == 1


def test_numbers_are_the_same_whoever_makes_them() -> None:
    steps = np.arange(STEPS * 3)
    one, other = LoadNumbers(5).of(7, steps), LoadNumbers(5).of(7, steps)
    assert np.array_equal(one, other)
    assert not np.array_equal(one, LoadNumbers(5).of(8, steps))


@pytest.mark.real_processes
def test_the_bench_runs_a_whole_centre_and_finds_nothing_lost(
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings = BenchSettings(
        edges=4,
        channels=8,
        for_s=2.0,
        warm_up_s=1.0,
        scans_per_block=5,
        offered_per_s=2_000.0,
        as_json=True,
    )
    assert run_bench_ingest(settings) == 0
    report = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert report["lost"] == report["duplicated"] == 0
    assert report["stored"] > 0
    assert set(report["cores"]) >= {"senders", "ingest", "api", "postgres", "supervisor"}
    assert report["wal_bytes_per_reading"] > 0
    assert report["bytes_per_reading"] > 0


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (None, "tokens can't be read"),
        ("gw_1", "has 1 tokens, not 3"),
        ("gw_1 gw_2 gw_3", "The centre ws://127.0.0.1:1 takes no edge"),
    ],
)
def test_why_a_load_cannot_begin_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tokens: str | None, said: str
) -> None:
    if tokens is not None:
        (tmp_path / "tokens").write_text(tokens, encoding="utf-8")
    settings = LoadSettings(
        edges=3,
        channels=1,
        centre="ws://127.0.0.1:1",
        tokens=tmp_path / "tokens",
        ledger=tmp_path / "ledger.json",
        scans_per_block=1,
        supervised=False,
    )

    assert run_load(settings) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    asked = ["simulate", "--write-sites", str(tmp_path / "file" / "sites")]
    found = CliRunner().invoke(groundwatch.app, asked)

    assert (found.exit_code, found.exception.__class__) == (2, SystemExit)
    assert "can't be written" in found.stderr
