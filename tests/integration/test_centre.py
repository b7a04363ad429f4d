"""`groundwatch serve`: what must be right before anything starts, and what is kept running."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from simulators.proving.demonstration import database_processes, free_ports
from simulators.proving.processes import Worker, children_of, kill_now, start, wait_for_file
from simulators.scenario import demo_site_text, read_scenario

WITHIN_S = 40.0
CANNOT_START = 3


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(demo_site_text(read_scenario("calm"), {}), encoding="utf-8")
    return path


def arguments(site: Path, folder: Path, *more: str) -> list[str]:
    port, line_port = free_ports(2)
    return [
        *("serve", "--site", str(site), "--data", str(folder / "data")),
        *("--port", str(port), "--line-port", str(line_port)),
        *more,
    ]


async def ended(worker: Worker) -> int:
    async with asyncio.timeout(WITHIN_S):
        return await worker.process.wait()


async def test_a_wrong_site_file_starts_nothing(tmp_path: Path, site_file: Path) -> None:
    text = site_file.read_text(encoding="utf-8")
    site_file.write_text(text.replace("period_s: 30", "period_s: -30", 1), encoding="utf-8")

    worker = await start("centre", arguments(site_file, tmp_path), tmp_path)

    assert await ended(worker) == CANNOT_START
    assert f"{site_file}:" in worker.last_words()
    assert "period_s" in worker.last_words()
    assert not (tmp_path / "data").exists()


async def test_a_taken_port_is_named_with_the_option(tmp_path: Path, site_file: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        worker = await start(
            "centre", [*arguments(site_file, tmp_path), "--line-port", port], tmp_path
        )
        code = await ended(worker)

    assert code == CANNOT_START
    assert f"Port {port} of 127.0.0.1 can't be used" in worker.last_words()
    assert "--line-port" in worker.last_words()
    assert not (tmp_path / "data").exists()


async def test_an_open_door_must_be_asked_for(tmp_path: Path, site_file: Path) -> None:
    worker = await start("centre", arguments(site_file, tmp_path, "--host", "0.0.0.0"), tmp_path)

    assert await ended(worker) == CANNOT_START
    assert "--open-without-encryption" in worker.last_words()


@pytest.fixture
async def centre(tmp_path: Path, site_file: Path) -> AsyncIterator[Worker]:
    """A centre that works."""
    ready = tmp_path / "ready.json"
    worker = await start(
        "centre", arguments(site_file, tmp_path, "--ready-file", str(ready)), tmp_path
    )
    try:
        await wait_for_file(ready, worker, WITHIN_S)
        yield worker
    finally:
        await worker.stop()
        # A killed centre leaves its database running, for the next one; here there is none.
        kill_now(database_processes(tmp_path / "data"))


async def test_a_killed_service_comes_back_and_the_end_leaves_nobody(
    centre: Worker, tmp_path: Path
) -> None:
    line = json.loads((tmp_path / "ready.json").read_text(encoding="utf-8"))["line"]
    port = int(line.rpartition(":")[2])
    await port_answers(port)
    (before,) = services(centre, "ingest")

    kill_now([before])
    await until(lambda: services(centre, "ingest") not in ([], [before]))
    await port_answers(port)

    everybody = children_of(centre.process.pid)
    assert await centre.stop() == 0
    assert [one for one in everybody if runs(one)] == []


async def test_a_killed_supervisor_takes_its_services_along(centre: Worker) -> None:
    await until(lambda: len(services(centre, "ingest")) == len(services(centre, "api")) == 1)
    orphans = [*services(centre, "ingest"), *services(centre, "api")]

    await centre.kill()

    await until(lambda: not any(runs(one) for one in orphans))


def runs(process_id: int) -> bool:
    """Whether a process does anything; an ended one that nobody has asked about is a bare name."""
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes() != b""
    except OSError:
        return False


def services(centre: Worker, name: str) -> list[int]:
    """Processes of a service, as the system lists them."""
    found = []
    for child in children_of(centre.process.pid):
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"groundwatch" in words and name.encode() in words:
            found.append(child)
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has come true in another process."""
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.05)


async def port_answers(port: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return
