"""Back-tests over the API: asked for, run in a process of their own, kept, cancelled, bounded."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_centre import Centre, running_centre
from history import import_of_mine, stepping_file
from ingest_site import group_in, site_document, write_site
from psycopg.conninfo import make_conninfo
from waiting import until

from api.back_test_queue import CUT
from api.back_test_run import run_back_test
from api.routes.back_tests import policy_of
from historian import back_tests
from historian.back_tests import BegunBackTest
from historian.connection import connect

PATH = "/api/v1/sites/mine/backtests"
SPAN = {"from": "2025-07-01T00:00:00Z", "to": "2025-07-21T00:00:00+08:00"}
REQUEST = SPAN | {
    "order": "event-time",
    "horizon_s": 86_400.0,
    "chatter_raises": 3,
    "chatter_window_s": 60.0,
    "files": [],
}


@pytest.fixture
async def site(postgres_dsn: str, tmp_path: Path) -> Path:
    return await import_of_mine(postgres_dsn, tmp_path, stepping_file(20))


@pytest.fixture
async def centre(postgres_dsn: str, site: Path, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


@pytest.fixture
async def client(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.client(centre.operator) as opened:
        yield opened


async def ended(client: httpx.AsyncClient, number: int) -> dict[str, Any]:
    async def looked() -> dict[str, Any]:
        answer = await client.get(f"{PATH}/{number}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return {} if found["state"] in {"queued", "running"} else found

    return await until(looked)


async def test_one_is_asked_for_and_its_report_and_page_are_kept(
    client: httpx.AsyncClient, centre: Centre, site: Path, tmp_path: Path
) -> None:
    tree = site_document()
    group_in(tree, "levels")["channels"][0]["limits"][0]["levels"] = {"orange": 11.0, "red": 20.0}
    (tmp_path / "other").mkdir()
    other = write_site(tmp_path / "other", tree).read_text("utf-8")
    events = "name,begins_at,channel\n<slide>,2025-07-12T00:00Z,crack\n"

    asked = await client.post(PATH, json=SPAN | {"against": other, "events": events})
    assert asked.status_code == 202, asked.text
    assert asked.json()["files"] == ["against", "events"]
    found = await ended(client, asked.json()["id"])

    assert found["state"] == "finished", found
    assert found["progress"] == 1
    assert found["report"]["finding"]["process"]["by_level"]["yellow"] == 9
    assert found["report"]["against"]["process"]["by_level"]["orange"] == 10
    assert found["report"]["finding"]["events"]["known"] == 1
    assert found["report"]["to"] == "2025-07-20T16:00:00Z"
    async with centre.client(centre.viewer) as viewer:
        page = await viewer.get(f"{PATH}/{found['id']}/page")
        listed = await viewer.get(PATH)
    assert page.status_code == 200
    assert "&lt;slide&gt;" in page.text
    assert page.headers.get_list("content-security-policy") == [policy_of(page.text)]
    assert "sandbox" in policy_of(page.text)
    assert page.headers["x-frame-options"] == "DENY"
    assert [one["state"] for one in listed.json()] == ["finished"]
    assert await centre.fetch("select files from back_test") == [(None,)]


async def test_the_file_in_force_is_judged_in_the_recorded_order(client: httpx.AsyncClient) -> None:
    asked = await client.post(PATH, json=SPAN)
    found = await ended(client, asked.json()["id"])
    assert found["state"] == "finished", found
    assert found["report"]["finding"]["order"] == "recorded"


async def test_a_wrong_file_is_named_with_its_line(client: httpx.AsyncClient, site: Path) -> None:
    lines = site.read_text("utf-8").splitlines()
    wrong = "\n".join([*lines[:2], "no_such_key: 3", *lines[2:]])
    for name, text in (("site_file", wrong), ("against", wrong), ("events", "name,when\na,b\n")):
        asked = await client.post(PATH, json=SPAN | {name: text})
        found = await ended(client, asked.json()["id"])
        assert found["state"] == "failed", found
        assert f"{name}." in found["reason"]
        assert name == "events" or "no_such_key" in found["reason"]
        assert (await client.get(f"{PATH}/{found['id']}/page")).status_code == 404


async def test_only_operators_ask_and_cancel(client: httpx.AsyncClient, centre: Centre) -> None:
    async with centre.client(centre.viewer) as viewer:
        assert (await viewer.post(PATH, json=SPAN)).status_code == 403
        assert (await viewer.delete(f"{PATH}/1")).status_code == 403
    async with centre.client(centre.edge) as edge:
        assert (await edge.get(PATH)).status_code == 403
    assert (await client.delete(f"{PATH}/1")).status_code == 404
    elsewhere = PATH.replace("mine", "elsewhere")
    assert (await client.post(elsewhere, json=SPAN)).status_code == 404
    assert (await client.get(f"{PATH}/none")).status_code == 422


async def test_what_cannot_be_tested_is_refused_at_once(client: httpx.AsyncClient) -> None:
    backwards = {"from": SPAN["to"], "to": SPAN["from"]}
    for wrong, said in (
        (backwards, "span is empty"),
        (SPAN | {"order": "recorded", "against": "x"}, "event time"),
        (SPAN | {"orders": "recorded"}, "orders"),
        (SPAN | {"against": "a" * (5 << 20)}, "against"),
    ):
        answer = await client.post(PATH, json=wrong)
        assert answer.status_code == 422, answer.text
        assert said in answer.json()["error"]["message"]
    answer = await client.post(PATH, json=SPAN | {"against": "a" * (11 << 20)})
    assert answer.status_code == 413


async def test_so_many_wait_and_one_that_waits_is_cancelled(
    postgres_dsn: str, site: Path, tmp_path: Path
) -> None:
    async with await connect(postgres_dsn, name="other-api", autocommit=True) as other:
        assert await back_tests.take_turn(other)  # Another API process runs what waits.
        async with (
            running_centre(postgres_dsn, tmp_path) as centre,
            centre.client(centre.operator) as client,
        ):
            answers = [
                await client.post(PATH, json=SPAN) for _ in range(back_tests.WAITING_MAX + 1)
            ]
            *taken, refused = [one.status_code for one in answers]
            assert taken == [202] * back_tests.WAITING_MAX
            assert refused == 429
            assert int(answers[-1].headers["retry-after"]) > 0
            first = answers[0].json()["id"]
            cancelled = await client.delete(f"{PATH}/{first}")
            assert cancelled.json()["state"] == "cancelled"
            again = await client.delete(f"{PATH}/{first}")
            assert again.status_code == 409
            assert again.json()["error"]["code"] == "has_ended"
            assert (await client.post(PATH, json=SPAN)).status_code == 202


async def test_what_a_killed_api_left_is_shown_as_failed(
    postgres_dsn: str, site: Path, tmp_path: Path
) -> None:
    async with await connect(postgres_dsn, name="test", autocommit=True) as conn:
        row = await (await conn.execute("select site_id from site")).fetchone()
        assert row is not None
        number = await back_tests.ask(conn, row[0], "test", REQUEST, {})
        begun = await back_tests.begin_next(conn)
    assert begun is not None
    assert begun.back_test_id == number
    async with (
        running_centre(postgres_dsn, tmp_path) as centre,
        centre.client(centre.operator) as client,
    ):
        found = await ended(client, begun.back_test_id)
    assert found["state"] == "failed"
    assert found["reason"] == CUT


async def test_the_newest_are_kept(client: httpx.AsyncClient, centre: Centre) -> None:
    await centre.connection.execute(
        """
        insert into back_test (site_id, asked_by, request, state, ended_at)
        select site_id, 'test', '{}', 'failed', clock_timestamp()
        from site, generate_series(1, 30) where key = 'mine'
        """
    )
    asked = await client.post(PATH, json=SPAN)
    rows = await centre.fetch("select back_test_id from back_test order by 1 desc")
    assert len(rows) == back_tests.KEPT_PER_SITE
    assert rows[0] == (asked.json()["id"],)


async def test_one_that_runs_has_the_last_place_and_is_killed_when_cancelled(
    client: httpx.AsyncClient, centre: Centre, postgres_dsn: str
) -> None:
    async with await connect(postgres_dsn, name="test") as locking:
        await locking.execute("lock table scan")  # So it surely waits, and does not end.
        asked = await client.post(PATH, json=SPAN | {"order": "event-time"})
        pid = await waiting_process(centre)
        assert os.getpriority(os.PRIO_PROCESS, pid) == 19
        assert (await client.delete(f"{PATH}/{asked.json()['id']}")).status_code == 200
        await until(lambda: not Path(f"/proc/{pid}").exists())
        found = await ended(client, asked.json()["id"])
    assert found["state"] == "cancelled"


async def test_one_that_takes_too_long_is_ended(postgres_dsn: str, site: Path) -> None:
    async def wanted(_doing: str, _share: float) -> bool:
        return True

    begun = BegunBackTest(1, 1, REQUEST, {})
    async with await connect(postgres_dsn, name="test") as locking:
        await locking.execute("lock table scan")
        ending = await run_back_test(
            begun, in_force=site.read_text("utf-8"), dsn=postgres_dsn, tell=wanted, run_s_max=3.0
        )
    assert ending is not None
    assert ending.reason is not None
    assert "longer than 3 s" in ending.reason


async def test_it_ends_with_whoever_started_it_and_takes_its_folder_along(
    postgres_dsn: str, centre: Centre, site: Path, tmp_path: Path
) -> None:
    """As when the API is killed: the system closes the other end of its standard input."""
    folder = tmp_path / "own"
    folder.mkdir()
    words = f"--site {site} --from 2025-07-01 --to 2025-07-20 --order event-time --within {folder}"
    async with await connect(postgres_dsn, name="test") as locking:
        await locking.execute("lock table scan")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "groundwatch", "backtest", *words.split()),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "GROUNDWATCH_DSN": make_conninfo(postgres_dsn)},
        )
        assert process.stdin is not None
        assert await waiting_process(centre) == process.pid
        process.stdin.close()
        async with asyncio.timeout(20):
            assert await process.wait() == 1
    assert not folder.exists()


async def waiting_process(centre: Centre) -> int:
    """The process of the back-test that waits for a lock in the database."""

    async def waits() -> bool:
        found = await centre.fetch(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' "
            "and application_name = 'groundwatch back-test'"
        )
        return bool(found)

    await until(waits)
    return own_back_test()


def own_back_test() -> int:
    """The one back-test among our children."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if int(status[1]) == os.getpid() and "backtest" in command:
            return int(folder.name)
    raise AssertionError("no back-test runs")
