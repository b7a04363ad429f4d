"""A database that takes what is sent and answers no more: nobody waits for it for ever.

Its old lines stay silent and new ones work, as after a change-over, or when what was stopped goes
on with a new address. Whoever asks meanwhile is told so in time, and who asks next is served.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from api_centre import running_centre
from ingest_bench import IngestBench, counted, edge_line, ingest
from ingest_site import block, plan_in, site_document, write_site
from store_proxy import StoreProxy, store_proxy
from waiting import until
from websockets.asyncio.client import connect as call
from websockets.exceptions import InvalidStatus

from api import parts
from api.site_directory import SiteDirectory
from historian import connection, pools
from historian.pools import StorePool
from ingest import callers, pipeline, upkeep

PLAN = plan_in(site_document())
LOOK_UP = b"select token.sha256"
TOLD_WITHIN_S = 5.0  # Then an edge hangs up.


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_MARGIN_S", 0.2)
    monkeypatch.setattr(pools, "LOOK_WITHIN_S", 0.5)
    monkeypatch.setattr(callers, "LOOK_UP_WITHIN_S", 0.5)
    monkeypatch.setattr(parts, "STATEMENT_TIMEOUT_S", 0.8)
    monkeypatch.setattr(pipeline, "FLUSH_WITHIN_S", 2.0)
    monkeypatch.setattr(pipeline, "RECOVERY_STEP_WITHIN_S", 2.0)


@asynccontextmanager
async def proxied(dsn: str) -> AsyncIterator[tuple[StoreProxy, str]]:
    with tempfile.TemporaryDirectory() as short:  # A socket's path must be.
        async with store_proxy(Path(short), dsn) as (proxy, through):
            yield proxy, through


async def sent(bench: IngestBench, token: str, minute: int) -> None:
    """Store a block; the first one makes the room that the second is stored in."""
    async with edge_line(bench, token=token) as line:
        await line.put(block(PLAN, "levels", [[1.0, 2.0]], first=minute))
        await line.drained()


async def test_an_edge_is_refused_in_time_and_let_in_over_new_lines(
    postgres_dsn: str, tmp_path: Path
) -> None:
    before = counted("edge_lines_refused_total", reason="not_ready")
    async with (
        proxied(postgres_dsn) as (proxy, dsn),
        ingest(dsn, write_site(tmp_path, site_document())) as bench,
    ):
        token = await bench.token("dam-edge")
        await sent(bench, token, 1)
        proxy.freeze_at(LOOK_UP)
        with pytest.raises(InvalidStatus, match="503"):
            async with call(
                f"ws://127.0.0.1:{bench.port}/edge/v1/mine",
                additional_headers={"Authorization": f"Bearer {token}"},
                open_timeout=TOLD_WITHIN_S,
                proxy=None,
            ):
                pass
        await sent(bench, token, 2)

    assert counted("edge_lines_refused_total", reason="not_ready") - before == 1


async def test_a_stream_that_cannot_be_opened_in_time_is_opened_with_the_next_call(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "STATEMENT_TIMEOUT_S", 0.8)
    async with (
        proxied(postgres_dsn) as (proxy, dsn),
        ingest(dsn, write_site(tmp_path, site_document())) as bench,
    ):
        token = await bench.token("dam-edge")
        await sent(bench, token, 1)
        proxy.freeze_at(b"insert into stream")
        async with edge_line(bench, token=token) as line:
            await line.ended()
        assert line.refused is not None
        assert line.refused.code == "not_ready"
        await sent(bench, token, 2)


async def test_room_that_is_being_made_when_the_database_freezes_holds_flushes_up_for_a_while_only(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server keeps the lock of whoever makes room, until he is hung up on."""
    monkeypatch.setattr(upkeep, "ROOM_TIMEOUT_S", 0.8)
    async with proxied(postgres_dsn) as (proxy, dsn):
        proxy.freeze_at(b'create table "scan_')
        async with ingest(dsn, write_site(tmp_path, site_document())) as bench:
            await until(lambda: proxy.is_frozen)
            await sent(bench, await bench.token("dam-edge"), 1)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param("sites", LOOK_UP, id="at the gate"),
        pytest.param("sites", b"from configuration join site", id="in the directory"),
        pytest.param("sites/north-mine/alarms", b"repeatable read", id="in a route"),
        pytest.param(
            "sites/north-mine/channels/crack-1-opening/history",
            b"timestamptz_send",
            id="in a history",
        ),
    ],
)
async def test_a_page_is_told_in_time_and_served_over_new_lines(
    postgres_dsn: str, tmp_path: Path, path: str, words: bytes
) -> None:
    async with (
        proxied(postgres_dsn) as (proxy, dsn),
        running_centre(postgres_dsn, tmp_path, api_dsn=dsn) as centre,
        centre.client(centre.viewer) as client,
    ):
        client.timeout = TOLD_WITHIN_S
        proxy.freeze_at(words)
        refused = await client.get(f"/api/v1/{path}")
        served = await client.get(f"/api/v1/{path}")

    assert proxy.is_frozen
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_away")
    assert served.status_code == 200


async def test_a_pool_replaces_all_when_one_connection_shows_that_the_server_is_frozen(
    postgres_dsn: str,
) -> None:
    """Else as many callers would wait in vain as connections had been idle."""
    async with (
        proxied(postgres_dsn) as (proxy, dsn),
        StorePool(dsn, "test", size_max=3, lent_within_s=20.0) as pool,
    ):
        async with pool.connection(), pool.connection(), pool.connection():
            pass
        assert pool.get_stats()["pool_available"] == 3
        proxy.freeze()
        async with asyncio.timeout(TOLD_WITHIN_S), pool.connection(), pool.connection() as conn:
            await conn.execute("select 1")

    assert pool.get_stats()["connections_lost"] == 1


async def test_who_asks_for_the_sites_together_is_told_together(tmp_path: Path) -> None:
    """A database that is away lets one of them wait, not each after the other."""
    nowhere = f"host={tmp_path} dbname=groundwatch"
    async with StorePool(nowhere, "test", size_max=3, lent_within_s=0.2) as pool:
        directory = SiteDirectory(pool)
        told = await asyncio.gather(*(directory.all() for _ in range(5)), return_exceptions=True)
        assert all(isinstance(one, psycopg.OperationalError) for one in told)
        assert pool.get_stats()["requests_num"] == 1
        with pytest.raises(psycopg.OperationalError):
            await directory.all()
        assert pool.get_stats()["requests_num"] == 2
