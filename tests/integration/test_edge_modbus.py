"""The edge agent between real Modbus servers in another process and a real websocket."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from centre_double import centre_double
from edge_stage import (
    BEGAN_US,
    PERIOD_S,
    agent,
    begin,
    group,
    readings_of,
    settings_of,
    spooled,
)
from modbus_bench import SPARSE_UNIT, Bench
from stream_server import stream_server
from waiting import until

from edge_agent.spool import read_ledger
from edge_agent.storing import SpoolThread, StoreFailedError
from telemetry.quality import Quality
from telemetry.ranges import RangeSet


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench() as opened:
        yield opened


async def test_numbers_arrive_at_their_instants(bench: Bench, tmp_path: Path) -> None:
    groups = [group("one", 1, [0, 7, 150]), group("two", 2, [3])]
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, groups)
        async with agent(settings):
            await centre.wait_until(lambda: centre.connections == 1)  # Before the clock runs.
            begin(settings)
            await centre.wait_until(lambda: centre.scans_of("two") >= 4)
        blocks = centre.blocks

        sampled_us, raw, quality = readings_of(blocks, "one")
        period_us = round(PERIOD_S * 1e6)
        assert sampled_us[0] == BEGAN_US + period_us
        assert (np.diff(sampled_us) == period_us).all()
        assert (raw == [1000, 1007, 1150]).all()
        assert not quality.any()
        assert (readings_of(blocks, "two")[1] == 2003).all()
        # What was taken is what was delivered, number by number.
        (stream,) = centre.contents.values()
        assert list(read_ledger(settings.spool)) == stream


async def test_a_bus_that_nothing_is_read_from_yet_is_left_alone(tmp_path: Path) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, 502, centre, [group("one", 1, [0])])
        site = json.loads(settings.site.read_text(encoding="utf-8"))
        site["buses"].append({**site["buses"][0], "id": "spare"})
        settings.site.write_text(json.dumps(site), encoding="utf-8")
        async with agent(settings):
            await centre.wait_until(lambda: centre.connections == 1)


async def test_a_dead_unit_leaves_its_neighbours_alone(bench: Bench, tmp_path: Path) -> None:
    groups = [group("dead", 1, [0]), group("alive", 2, [0]), group("other", 3, [0])]
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, groups)
        bench.order("1 silent")
        async with agent(settings):
            begin(settings)
            await centre.wait_until(lambda: centre.scans_of("other") >= 8)
            bench.order("1 works")
            await centre.wait_until(lambda: 1000.0 in readings_of(centre.blocks, "dead")[1])
        blocks = centre.blocks

    period_us = round(PERIOD_S * 1e6)
    for name in ("dead", "alive", "other"):
        sampled_us, raw, quality = readings_of(blocks, name)
        assert (np.diff(sampled_us) == period_us).all(), name  # Nothing was skipped.
        if name == "dead":
            assert (quality[:8] == Quality.NO_REPLY).all()
            assert np.isnan(raw[:8]).all()
        else:
            assert not quality.any()


async def test_an_exception_is_a_quality_and_heals(bench: Bench, tmp_path: Path) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0, 1])])
        bench.order("1 code 4")
        async with agent(settings):
            begin(settings)
            await centre.wait_for_blocks(2)
            bench.order("1 works")
            await centre.wait_until(lambda: not centre.blocks[-1].quality[-1].any())
        _, raw, quality = readings_of(centre.blocks, "one")

    assert (quality[0] == Quality.DEVICE_ERROR).all()
    assert np.isnan(raw[0]).all()
    assert raw[-1].tolist() == [1000, 1001]


async def test_a_device_that_refuses_gaps_is_read_around_them(bench: Bench, tmp_path: Path) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", SPARSE_UNIT, [0, 4])])
        async with agent(settings):
            begin(settings)
            await centre.wait_until(lambda: centre.scans_of("one") >= 2)
        _, raw, quality = readings_of(centre.blocks, "one")

    assert quality[:2].tolist() == [[Quality.DEVICE_ERROR] * 2, [Quality.GOOD] * 2]
    assert raw[1].tolist() == [9000, 9004]


async def test_a_bus_that_is_gone_comes_back(bench: Bench, tmp_path: Path) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0])])
        async with agent(settings):
            begin(settings)
            await centre.wait_for_blocks(1)
            bench.kill()
            await centre.wait_until(
                lambda: centre.blocks[-1].quality[-1, 0] == Quality.NO_CONNECTION
            )
            with Bench(bench.port):
                await centre.wait_until(lambda: centre.blocks[-1].quality[-1, 0] == Quality.GOOD)
        sampled_us, raw, quality = readings_of(centre.blocks, "one")

    assert (np.diff(sampled_us) == round(PERIOD_S * 1e6)).all()
    assert (np.isnan(raw) == (quality != Quality.GOOD)).all()
    assert (raw[quality == Quality.GOOD] == 1000).all()


async def test_polling_goes_on_while_the_line_is_down(bench: Bench, tmp_path: Path) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0])])
        async with agent(settings):
            begin(settings)
            await centre.wait_for_blocks(1)
            await centre.close()
            had = len(centre.blocks)
            await spooled(settings, had + 4)
            await centre.open()
            await centre.wait_for_blocks(had + 4)
        sampled_us, _, _ = readings_of(centre.blocks, "one")
        (stream,) = centre.contents.values()

    assert (np.diff(sampled_us) == round(PERIOD_S * 1e6)).all()
    assert [seq for seq, _ in stream] == list(range(1, len(stream) + 1))


async def test_what_the_centre_never_committed_is_sent_again(bench: Bench, tmp_path: Path) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0])])
        centre.committing = False
        async with agent(settings):
            begin(settings)
            await centre.wait_until(lambda: centre.connections == 1)
            await spooled(settings, 3)
            await centre.close()
            centre.committing = True
            await centre.open()
            await centre.wait_for_blocks(4)
        (stream,) = centre.contents.values()
        assert list(read_ledger(settings.spool)) == stream


async def test_what_a_restored_centre_lacks_is_kept_until_it_has_it_again(
    bench: Bench, tmp_path: Path
) -> None:
    """Else the spool would free it after a week, or first of all when it is full."""
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0])])

        async with agent(settings):
            begin(settings)
            await centre.wait_for_blocks(3)
            await until(lambda: not {1, 2, 3}.intersection(owed(settings.spool)))
            await centre.close()
            (epoch,) = centre.delivered
            centre.delivered[epoch] = RangeSet([(1, 1)])
            centre.committing = False
            await centre.open()
            await until(lambda: owed(settings.spool)[:2] == [2, 3])
            await centre.close()
            centre.committing = True
            await centre.open()
            await centre.wait_until(lambda: centre.delivered[epoch].first_absent(1) > 3)
        assert owed(settings.spool) == []


def owed(spool: Path) -> list[int]:
    """Numbers of the blocks that the centre is not known to have."""
    with closing(sqlite3.connect(f"{spool.absolute().as_uri()}?mode=ro", uri=True)) as database:
        found = database.execute("select seq from block where acknowledged = 0 order by seq")
        return [seq for (seq,) in found]


async def test_a_failing_read_of_the_disk_stops_neither_polling_nor_delivery(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = SpoolThread.read
    failures = 2

    async def read(*arguments: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise StoreFailedError("disk I/O error")
        return await works(*arguments)

    monkeypatch.setattr(SpoolThread, "read", read)
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0])])
        begin(settings)
        async with agent(settings):
            await centre.wait_for_blocks(5)
        sampled_us, _, _ = readings_of(centre.blocks, "one")

    assert failures == 0
    assert (np.diff(sampled_us) == round(PERIOD_S * 1e6)).all()


def damage_under_way(spool: Path) -> None:
    """Overwrite a spool in use, and have its user look at it again instead of at its memory."""
    with closing(sqlite3.connect(spool, isolation_level=None)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
        with spool.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(spool.stat().st_size - 4096))
        database.execute("pragma user_version = 1")


async def test_a_spool_that_is_damaged_while_running_costs_no_scan_to_come(
    bench: Bench, tmp_path: Path
) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0])])
        begin(settings)
        async with agent(settings):
            await centre.wait_for_blocks(3)
            await asyncio.to_thread(damage_under_way, settings.spool)
            await centre.wait_until(lambda: len(centre.contents) == 2)
            had = len(centre.blocks)
            await centre.wait_for_blocks(had + 3)
        sampled_us, _, _ = readings_of(centre.blocks, "one")

    assert (np.diff(sampled_us) == round(PERIOD_S * 1e6)).all()
    assert centre.lost == [(1, 1)]
    assert centre.reasons[0].startswith("the edge's spool was damaged")


async def test_a_spool_that_is_damaged_while_nobody_runs_delays_no_start(
    bench: Bench, tmp_path: Path
) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0])])
        begin(settings)
        async with agent(settings):
            await centre.wait_for_blocks(2)
        settings.spool.write_bytes(os.urandom(settings.spool.stat().st_size))
        had = len(centre.blocks)
        async with agent(settings), asyncio.timeout(10):
            await centre.wait_for_blocks(had + 1)

    assert len(centre.contents) == 2
    assert centre.lost == [(1, 1)]


async def test_a_restart_takes_no_instant_twice(bench: Bench, tmp_path: Path) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0])])
        begin(settings)
        async with agent(settings):
            await centre.wait_for_blocks(2)
        async with agent(settings):
            await centre.wait_for_blocks(4)
        sampled_us, _, _ = readings_of(centre.blocks, "one")

    assert len(centre.contents) == 1
    assert (np.diff(sampled_us) > 0).all()


@pytest.mark.parametrize("way", ["SIGTERM", "the supervisor is gone"])
async def test_an_agent_that_is_asked_to_stop_drains_and_exits_with_zero(
    bench: Bench, tmp_path: Path, way: str
) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0])])
        begin(settings)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys; from edge_agent.agent import run_edge;"
            "from edge_agent.settings import EdgeSettings;"
            "sys.exit(run_edge(EdgeSettings.model_validate_json(sys.argv[1])))",
            settings.model_dump_json(),
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, "GROUNDWATCH_SUPERVISED": "1"},
        )
        assert process.stdin is not None
        try:
            await centre.wait_for_blocks(2)
            if way == "SIGTERM":
                process.send_signal(signal.SIGTERM)
            else:
                process.stdin.close()
            assert await asyncio.wait_for(process.wait(), 20) == 0
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()  # Closes its end of the pipe, too.
        (stream,) = centre.contents.values()

    assert list(read_ledger(settings.spool)) == stream


async def test_an_agent_that_is_stopped_before_its_clock_begins_hangs_up(tmp_path: Path) -> None:
    came, left = asyncio.Event(), asyncio.Event()

    async def device(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()
        left.set()

    async with centre_double() as centre, stream_server(device) as port, asyncio.timeout(20):
        async with agent(settings_of(tmp_path, port, centre, [group("one", 1, [0])])):
            await came.wait()
        await left.wait()


async def test_a_wrong_token_keeps_the_scans_at_the_edge(bench: Bench, tmp_path: Path) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, bench.port, centre, [group("one", 1, [0])])
        settings = settings.model_copy(update={"drain_s": 0.1})
        settings.token_file.write_text("gw_1_wrong", encoding="utf-8")
        begin(settings)
        async with agent(settings):
            await spooled(settings, 1)

        assert centre.connections == 0
