"""The parts of a demonstration: no process is forgotten, and the watcher never gives up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from stream_server import stream_server
from websockets.asyncio.server import ServerConnection, serve

from simulators.proving import demonstration as stage
from simulators.proving import watcher as watcher_module
from simulators.proving.demonstration import Cast, Demonstration
from simulators.proving.processes import ProcessEndedError, Worker, start, start_each
from simulators.proving.ready import Addresses
from simulators.proving.watcher import Watcher
from telemetry.clock import ScenarioClock

TIMEOUT_S = 20.0


async def test_a_start_that_is_cut_short_leaves_no_process_unknown(tmp_path: Path) -> None:
    workers: list[Worker] = []
    wanted = [
        ("fan", ("simulate", "fan", "--port", "0")),
        ("no/such/folder", ("simulate", "fan", "--port", "0")),
    ]
    with pytest.raises(FileNotFoundError):
        await start_each(workers, wanted, tmp_path)
    try:
        assert [worker.name for worker in workers] == ["fan"]
        assert workers[0].runs
    finally:
        await asyncio.gather(*(worker.kill() for worker in workers))


async def test_what_keeps_a_demonstration_from_beginning_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demonstration = Demonstration(Cast("demo-mine", "", (), (), 0, 60.0), tmp_path)
    nobody = "http://127.0.0.1:9"
    demonstration.addresses = Addresses("", nobody, nobody.replace("http", "ws"), "")
    demonstration.watcher = Watcher("ws://127.0.0.1:9", "demo-mine", "gw_1_secret")
    demonstration.watcher.connected.set()
    demonstration.centre = await start("centre", ("simulate", "fan", "--port", "0"), tmp_path)
    try:
        monkeypatch.setattr(stage, "READY_WITHIN_S", 0.2)
        with pytest.raises(ProcessEndedError, match="The centre was not ready after"):
            await demonstration.wait_until_ready()
        with pytest.raises(ProcessEndedError, match="Not every edge had reached the centre"):
            await demonstration._wait_until_connected()
        monkeypatch.setattr(stage, "READY_WITHIN_S", TIMEOUT_S)
        await start_each(demonstration.edges, [("fan-edge", ("edge", "--edge", "fan"))], tmp_path)
        with pytest.raises(ProcessEndedError, match=r"fan-edge has ended:\n.*--site is missing"):
            await demonstration._wait_until_connected()
    finally:
        await demonstration.centre.kill()


async def test_a_watcher_comes_back_after_an_answer_that_is_no_http(tmp_path: Path) -> None:
    calls = 0
    came_back = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            came_back.set()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"the page is not ready\r\n")

    async with stream_server(answer) as port:
        watcher = Watcher(f"ws://127.0.0.1:{port}/api/v1/live", "demo-mine", "gw_1_secret")
        watching = asyncio.create_task(watcher.run())
        coming = asyncio.create_task(came_back.wait())
        await asyncio.wait(
            {watching, coming}, timeout=TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        for task in (watching, coming):
            task.cancel()
        await asyncio.gather(watching, coming, return_exceptions=True)

    assert came_back.is_set()


@asynccontextmanager
async def live_line(
    answer: Callable[[ServerConnection], Awaitable[None]],
) -> AsyncIterator[Watcher]:
    """A watcher of a centre that answers like this."""
    async with serve(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Watcher(f"ws://127.0.0.1:{port}/live", "demo-mine", "gw_1_secret")


async def test_a_watcher_that_ends_is_seen(tmp_path: Path) -> None:
    """Its silence would look like a mine without alarms."""

    async def nonsense(line: ServerConnection) -> None:
        await line.send("{}")
        await line.wait_closed()

    demonstration = Demonstration(Cast("demo-mine", "", (), (), 0, 60.0), tmp_path)
    async with live_line(nonsense) as watcher:
        demonstration._watching = asyncio.create_task(watcher.run())
        await asyncio.wait([demonstration._watching], timeout=TIMEOUT_S)

    with pytest.raises(ProcessEndedError, match="The watcher has ended: KeyError"):
        demonstration.see_that_all_run()


async def test_a_watcher_pauses_after_a_line_that_ended_in_good_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watcher_module, "RETRY_S", TIMEOUT_S)
    calls: list[ServerConnection] = []
    closed = asyncio.Event()

    async def hang_up(line: ServerConnection) -> None:
        calls.append(line)
        await line.send('{"type": "hello"}')
        await line.close()
        closed.set()

    async with live_line(hang_up) as watcher:
        watching = asyncio.create_task(watcher.run())
        await asyncio.wait_for(closed.wait(), TIMEOUT_S)
        await asyncio.wait([watching], timeout=0.5)
        assert len(calls) == 1
        assert not watcher.connected.is_set()
        watching.cancel()
        await asyncio.wait([watching])


async def test_a_centre_that_does_not_answer_in_the_end_costs_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "TOLD_WITHIN_S", 0.2)
    demonstration = Demonstration(Cast("demo-mine", "", (), (), 0, 60.0), tmp_path)
    demonstration.addresses = Addresses("", "http://127.0.0.1:9", "", "")
    demonstration.watcher = Watcher("ws://127.0.0.1:9", "demo-mine", "gw_1_secret")

    await demonstration._complete_entries()


def test_what_a_watcher_remembers_of_latencies_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watcher_module, "LATENCIES_KEPT", 3)
    watcher = Watcher("", "demo-mine", "", clock=ScenarioClock(0, 0, 1.0))
    for _ in range(5):
        watcher._time([{"sampled_at": "2025-07-01T00:00:00Z"}], ScenarioClock(0, 0, 1.0))
    assert len(watcher.latencies_ms) == 3
    assert watcher.percentile_ms(50) is not None
