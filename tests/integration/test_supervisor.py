"""What the supervisor does with services that end; they are processes with a part to play."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ingest_site import site_document
from psycopg import AsyncConnection
from structlog.testing import capture_logs
from waiting import until

from historian.writer import take_site
from ingest import supervisor
from ingest.supervisor import TAKEN_OVER, Service, pause_before_next_start, supervise
from simulators.proving.demonstration import free_ports
from simulators.proving.processes import Worker, start
from telemetry.lifetime import CANNOT_START

WITHIN_S = 30.0

# Found before ours by `python -m groundwatch`, because it lies in the working directory. The first
# argument is where it notes its starts, the others are its exit codes; after these it goes on.
PLAYER = """
import sys
from pathlib import Path

notes, *codes = sys.argv[1:]
with Path(notes).open("a+") as file:
    file.write("started\\n")
    file.seek(0)
    starts = len(file.readlines())
if starts <= len(codes):
    sys.exit(int(codes[starts - 1]))
sys.stdin.read()
"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "groundwatch.py").write_text(PLAYER, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("BACK_OFF_S", "CANNOT_START_BACK_OFF_S"):
        monkeypatch.setattr(supervisor, name, (0.0,))
    monkeypatch.setattr(supervisor, "TAKEN_OVER_PAUSE_S", 0.0)
    return tmp_path


def player(stage: Path, name: str, *codes: int) -> Service:
    return Service(name, (str(stage / name), *(str(code) for code in codes)))


def starts(stage: Path, name: str) -> int:
    notes = stage / name
    return len(notes.read_text(encoding="utf-8").splitlines()) if notes.exists() else 0


@asynccontextmanager
async def supervised(*services: Service) -> AsyncIterator[asyncio.Task[int]]:
    stop = asyncio.Event()
    running = asyncio.create_task(supervise(services, stop))
    try:
        yield running
    finally:
        stop.set()
        async with asyncio.timeout(WITHIN_S):
            await running


async def started(stage: Path, name: str, times: int, running: asyncio.Task[int]) -> None:
    def has_started() -> bool:
        assert not running.done(), "the centre has ended"
        return starts(stage, name) >= times

    await until(has_started)


async def test_what_cannot_start_at_first_ends_the_centre(stage: Path) -> None:
    async with (
        supervised(player(stage, "ingest", CANNOT_START), player(stage, "api")) as running,
        asyncio.timeout(WITHIN_S),
    ):
        assert await running == CANNOT_START
    assert starts(stage, "ingest") == 1


async def test_what_cannot_start_again_is_tried_again_and_ends_nobody_else(stage: Path) -> None:
    with capture_logs() as told:
        async with supervised(
            player(stage, "ingest", 1, CANNOT_START, CANNOT_START), player(stage, "api")
        ) as running:
            await started(stage, "ingest", 4, running)
        assert await running == 0
    assert starts(stage, "api") == 1
    assert [(line["log_level"], line["service"], line["event"]) for line in told] == [
        ("warning", "ingest", "service ended, starting it again"),
        *[("error", "ingest", "service cannot start again until what it said above is mended")] * 2,
    ]


async def test_what_the_machine_cannot_start_now_is_tried_again_and_ends_nobody_else(
    stage: Path,
) -> None:
    too_large = Service("notify", (), {"GROUNDWATCH_DSN": "x" * 300_000})
    with capture_logs() as told:
        async with supervised(player(stage, "api"), too_large) as running:
            await started(stage, "api", 1, running)
            await until(lambda: len(told) >= 4)
            assert not running.done()
        assert await running == 0
    assert starts(stage, "api") == 1
    assert [(line["log_level"], line["service"], line["event"]) for line in told][:4] == [
        ("error", "notify", "service can't be started now"),
        ("warning", "notify", "service ended, starting it again"),
    ] * 2


async def test_what_has_been_taken_over_waits_and_says_so(stage: Path) -> None:
    with capture_logs() as told:
        async with supervised(player(stage, "ingest", TAKEN_OVER)) as running:
            await started(stage, "ingest", 2, running)
        assert await running == 0
    assert [(line["log_level"], line["event"]) for line in told] == [
        ("error", "another centre on this database has taken the service's work over")
    ]


def test_the_pause_before_a_start_grows_and_is_long_after_a_take_over() -> None:
    assert [pause_before_next_start(1, n) for n in (0, 1, 2, 9)] == [0.1, 0.5, 1.0, 5.0]
    assert [pause_before_next_start(CANNOT_START, n) for n in (0, 3, 9)] == [1.0, 10.0, 10.0]
    assert [pause_before_next_start(TAKEN_OVER, n) for n in (0, 9)] == [30.0, 30.0]


@pytest.fixture
async def ingest(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Worker]:
    """An ingest service that owns the small mine."""
    site = tmp_path / "site.yaml"
    site.write_text(json.dumps(site_document()), encoding="utf-8")
    monkeypatch.setenv("GROUNDWATCH_DSN", postgres_dsn)
    (port,) = free_ports(1)
    arguments = ["ingest", "--site", str(site), "--line-port", str(port)]
    worker = await start("ingest", arguments, tmp_path)
    try:
        yield worker
    finally:
        await worker.kill()


async def test_an_ingest_whose_site_is_taken_says_that_it_was_taken_over(
    ingest: Worker, connection: AsyncConnection
) -> None:
    await owned(connection)
    await take_site(connection, "mine")
    await connection.execute("notify groundwatch, 'action'")  # So that it flushes.
    async with asyncio.timeout(WITHIN_S):
        assert await ingest.process.wait() == TAKEN_OVER
    assert "another ingest has taken over" in ingest.last_words()


async def owned(connection: AsyncConnection) -> None:
    """Wait until the ingest owns the site and listens."""

    async def is_owned() -> bool:
        cursor = await connection.execute(
            "select count(*) from pg_stat_activity, site where term > 0"
            " and application_name = 'groundwatch actions' and query like 'listen%'"
            " and datname = current_database()"
        )
        return await cursor.fetchone() == (1,)

    await until(is_owned)
