"""The parts of a demonstration: no process is forgotten, and the watcher never gives up."""

import asyncio
from pathlib import Path

import pytest
from stream_server import stream_server

from simulators.proving import demonstration as stage
from simulators.proving.demonstration import Cast, Demonstration
from simulators.proving.processes import ProcessEndedError, Worker, start, start_each
from simulators.proving.ready import Addresses
from simulators.proving.watcher import Watcher

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
