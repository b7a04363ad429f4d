"""`groundwatch serve`: what must be right before anything starts, and what is kept running."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import own_authority
import psycopg
import pytest
from waiting import until

from historian.embedded import EmbeddedPostgres
from historian.migration import LOCK_KEY
from simulators.proving.demonstration import database_processes, free_ports
from simulators.proving.processes import Worker, children_of, kill_now, start, wait_for_file
from simulators.scenario import demo_site_text, read_scenario
from telemetry.tls import client_context

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


@pytest.mark.parametrize(
    ("url", "said"),
    [("ftp://nowhere", "webhooks.toml"), ("https://a.example", "secret of webhook one")],
)
async def test_a_wrong_webhooks_file_starts_nothing(
    tmp_path: Path, site_file: Path, url: str, said: str
) -> None:
    webhooks = tmp_path / "webhooks.toml"
    webhooks.write_text(
        f'[[webhook]]\nid = "one"\nurl = "{url}"\nsecret_file = "none"\n', encoding="utf-8"
    )

    worker = await start(
        "centre", arguments(site_file, tmp_path, "--webhooks", str(webhooks)), tmp_path
    )

    assert await ended(worker) == CANNOT_START
    assert said in worker.last_words()
    assert not (tmp_path / "data").exists()


async def test_two_services_do_not_share_a_port(tmp_path: Path, site_file: Path) -> None:
    (port,) = free_ports(1)

    worker = await start(
        "centre",
        [*arguments(site_file, tmp_path), "--port", str(port), "--line-port", str(port)],
        tmp_path,
    )

    assert await ended(worker) == CANNOT_START
    assert "must differ" in worker.last_words()


async def test_a_second_centre_leaves_the_first_ones_folder_alone(
    centre: Worker, tmp_path: Path, site_file: Path
) -> None:
    second = await start("second", arguments(site_file, tmp_path), tmp_path)

    assert await ended(second) == CANNOT_START
    assert "in use by another centre" in second.last_words()
    assert database_processes(tmp_path / "data") != []
    assert centre.runs


async def test_behind_a_proxy_the_link_and_the_page_use_its_address(
    tmp_path: Path, site_file: Path
) -> None:
    ready = tmp_path / "ready.json"
    origin = "https://mine.example"
    worker = await start(
        "centre",
        arguments(site_file, tmp_path, "--ready-file", str(ready), "--origin", origin),
        tmp_path,
    )
    try:
        await wait_for_file(ready, worker, WITHIN_S)
        addresses = json.loads(ready.read_text(encoding="utf-8"))
        assert addresses["sign_in"].startswith(f"{origin}/#code=")
        await port_answers(int(addresses["api"].rpartition(":")[2]))
        code = addresses["sign_in"].partition("#code=")[2]
        async with httpx.AsyncClient(base_url=addresses["api"]) as client:
            answer = await client.post(
                "/api/v1/session", json={"code": code}, headers={"Origin": origin}
            )
        assert answer.is_success
    finally:
        await worker.stop()


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


async def test_a_killed_database_is_started_again_and_all_goes_on(
    centre: Worker, tmp_path: Path
) -> None:
    addresses = json.loads((tmp_path / "ready.json").read_text(encoding="utf-8"))
    async with httpx.AsyncClient(base_url=addresses["api"], trust_env=False) as client:
        await answers(client, "/readyz", 200)
        before = services(centre, "ingest"), services(centre, "api")
        postmaster = database_processes(tmp_path / "data")[0]

        kill_now([postmaster])

        await until(lambda: "is started again" in centre.last_words())
        await until(lambda: postmaster not in database_processes(tmp_path / "data"))
        await answers(client, "/readyz", 200)
        await until(lambda: connected(addresses["dsn"]) == {"ingest", "actions"})
    assert (services(centre, "ingest"), services(centre, "api")) == before
    assert await centre.stop() == 0
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["postgres.draft", "postgres/postmaster.pid"])
@pytest.mark.usefixtures("cleared")
async def test_an_end_while_the_database_starts_leaves_nobody(
    tmp_path: Path, site_file: Path, signal_number: signal.Signals, moment: str
) -> None:
    worker = await start("centre", arguments(site_file, tmp_path), tmp_path)
    await wait_for_file(tmp_path / "data" / moment, worker, WITHIN_S)

    worker.process.send_signal(signal_number)
    worker.process.send_signal(signal_number)  # Who is impatient does no harm.

    assert await ended(worker) == 0
    assert processes_of(tmp_path) == []
    assert "Traceback" not in worker.last_words()


@pytest.mark.usefixtures("cleared")
async def test_an_end_while_the_schema_is_brought_up_to_date_leaves_nobody(
    tmp_path: Path, site_file: Path
) -> None:
    database = EmbeddedPostgres(tmp_path / "data")
    dsn = await asyncio.to_thread(database.start)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other:
        await other.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        worker = await start("centre", arguments(site_file, tmp_path), tmp_path)
        await until(lambda: "migrate" in connected(dsn))

        worker.process.terminate()

        assert await ended(worker) == 0
    assert database.pid is None
    assert processes_of(tmp_path) == []
    assert "Traceback" not in worker.last_words()


@pytest.fixture
def cleared(tmp_path: Path) -> Iterator[None]:
    """What a test has left behind, having failed, is ended all the same."""
    yield
    kill_now(processes_of(tmp_path))


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


async def port_answers(port: int) -> None:
    async def answered() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    await until(answered)


async def answers(client: httpx.AsyncClient, path: str, code: int) -> None:
    """Wait until an address of the API answers as it should."""

    async def answered() -> bool:
        try:
            return (await client.get(path)).status_code == code
        except httpx.TransportError:
            return False

    await until(answered)


def connected(dsn: str) -> set[str]:
    """Parts of ingest, or whoever prepares the database, that are connected to it now."""
    try:
        with psycopg.connect(dsn) as conn:
            rows = conn.execute("select application_name from pg_stat_activity").fetchall()
    except psycopg.OperationalError:
        return set()
    parts = {name.removeprefix("groundwatch ") for (name,) in rows}
    return parts & {"migrate", "ingest", "actions"}


def processes_of(folder: Path) -> list[int]:
    """Processes that were started with something in this folder, or work in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            place = (process / "cwd").readlink()
        except OSError:
            continue
        if os.fsencode(folder) in words or place.is_relative_to(folder):
            found.append(int(process.name))
    return found


async def test_with_a_certificate_all_lines_are_secured_and_may_be_open(
    tmp_path: Path, site_file: Path
) -> None:
    ca = own_authority.authority(tmp_path / "ca")
    files = ca.server("localhost", "127.0.0.1")
    ready = tmp_path / "ready.json"
    secured = ["--certificate", str(files.certificate), "--key", str(files.key)]
    worker = await start(
        "centre",
        arguments(site_file, tmp_path, "--host", "0.0.0.0", "--ready-file", str(ready), *secured),
        tmp_path,
    )
    try:
        await wait_for_file(ready, worker, WITHIN_S)
        addresses = json.loads(ready.read_text(encoding="utf-8"))
        assert addresses["api"].startswith("https://127.0.0.1:")
        assert addresses["line"].startswith("wss://127.0.0.1:")
        assert addresses["sign_in"].startswith(f"{addresses['api']}/#code=")
        await port_answers(int(addresses["api"].rpartition(":")[2]))
        code = addresses["sign_in"].partition("#code=")[2]
        context = client_context(ca.certificate)
        async with httpx.AsyncClient(base_url=addresses["api"], verify=context) as client:
            answer = await client.post(
                "/api/v1/session", json={"code": code}, headers={"Origin": addresses["api"]}
            )
        assert answer.is_success
        assert "secure" in answer.headers["set-cookie"].lower()
    finally:
        await worker.stop()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--certificate", "none.crt"], "belong together"),
        (["--certificate", "none.crt", "--key", "none.key"], "none.crt can't be read"),
        (["--authority-folder", "ca"], "is of no use without --certificate"),
    ],
)
async def test_wrong_certificates_start_nothing(
    tmp_path: Path, site_file: Path, options: list[str], said: str
) -> None:
    worker = await start("centre", arguments(site_file, tmp_path, *options), tmp_path)

    assert await ended(worker) in {2, CANNOT_START}
    assert said in worker.last_words()
    assert not (tmp_path / "data").exists()
