"""Who is on the edges' line: tokens that end while it is open, callers who do not wait."""

import asyncio
import gc
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import httpx
import pytest
from ingest_bench import PATIENCE_S, counted, edge_line, ingest
from ingest_site import block, plan_in, site_document, write_site
from psycopg import AsyncConnection
from psycopg_pool.base import AttemptWithBackoff
from websockets.asyncio.client import connect as call
from websockets.exceptions import InvalidStatus

from historian.embedded import EmbeddedPostgres
from historian.migration import migrate
from historian.tokens import Scope, Token, revoke_token, token_id_of
from ingest import admission as admission_module
from ingest import inbox as inbox_module
from ingest.conversation import LineParts
from ingest.inbox import Arrival, Inbox, Stream
from ingest.line import listen, open_line
from telemetry.clock import MachineClock
from telemetry.frames import PROTOCOL, Hello, encode_frame
from telemetry.ranges import RangeSet
from telemetry.uplink import LostDeclared

PLAN = plan_in(site_document())
TOKEN = Token("0a1b2c3d4e5f", Scope.EDGE, "mine", "dam-edge", "test")
LOST = LostDeclared(1, 1, "gone")


async def ignored(*_: object) -> None:
    """Note nothing."""


async def nobody(*_: object) -> NoReturn:
    raise AssertionError


async def test_a_revoked_token_ends_its_open_line_and_no_other(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission_module, "CHECK_CALLERS_EVERY_S", 0.05)
    before = counted("edge_lines_refused_total", reason="unauthorised")
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        token = await bench.token("dam-edge")
        async with (
            edge_line(bench, token=token) as dam,
            edge_line(bench, "hill-edge") as hill,
        ):
            await dam.put(block(PLAN, "levels", [[1.0, 2.0]]))
            await dam.drained()
            assert await revoke_token(connection, token_id_of(token) or "")
            await dam.ended()
            await hill.put(block(PLAN, "cracks", [[1.0]]))
            await hill.drained()

    assert dam.refused is not None
    assert dam.refused.code == "unauthorised"
    assert hill.acknowledged == RangeSet([(1, 1)])
    assert counted("edge_lines_refused_total", reason="unauthorised") - before == 1


async def test_a_caller_who_hangs_up_while_he_is_looked_up_is_forgotten() -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slowly(_: str) -> Token:
        asked.set()
        await answer.wait()
        return TOKEN

    parts = LineParts(
        inbox=Inbox(),
        clock=MachineClock(),
        verify=slowly,
        find=nobody,
        still_valid=nobody,
        open_stream=nobody,
        greet=lambda *_: None,
        note_line=ignored,
        note_heard=ignored,
    )
    async with (
        asyncio.timeout(PATIENCE_S),
        await open_line(listen("127.0.0.1", 0), parts) as server,
    ):
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /edge/v1/mine HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
            b"Sec-WebSocket-Version: 13\r\nAuthorization: Bearer x\r\n\r\n"
        )
        await asked.wait()
        writer.transport.abort()
        async with httpx.AsyncClient(trust_env=False) as other:  # By then the end has been seen.
            await other.get(f"http://127.0.0.1:{port}/healthz")
        answer.set()
    gc.collect()

    assert len(parts.callers) == 0


async def test_edges_are_let_in_soon_after_a_long_absence_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an hour without one, the pool's own back-off would be as long again."""
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 3600.0)
    server = EmbeddedPostgres(tmp_path / "data", settings={"fsync": "off"})
    dsn = server.start()
    try:
        await migrate(dsn)
        async with ingest(dsn, write_site(tmp_path, site_document())) as bench:
            token = await bench.token("dam-edge")
            await asyncio.to_thread(server.stop)
            with pytest.raises(InvalidStatus, match="503"):
                async with edge_line(bench, token=token):
                    pass
            await asyncio.to_thread(server.start)

            async with asyncio.timeout(PATIENCE_S):
                while not await is_let_in(bench.port, token):
                    pass
    finally:
        server.stop()


async def is_let_in(port: int, token: str) -> bool:
    """Call as an edge does that was refused; each call waits a while for the database."""
    try:
        async with call(
            f"ws://127.0.0.1:{port}/edge/v1/mine",
            additional_headers={"Authorization": f"Bearer {token}"},
            proxy=None,
        ):
            return True
    except InvalidStatus as refused:
        assert refused.response.status_code == 503  # noqa: PT017
        return False


async def test_a_line_that_waits_for_room_ends_with_its_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a centre whose database is away, and whose inbox is full, would not stop."""
    monkeypatch.setattr(inbox_module, "BYTES_MAX", 1)

    async def known(_: str) -> Token:
        return TOKEN

    inbox = Inbox()
    waits = asyncio.Event()
    wait_for_room = inbox.wait_for_room

    async def noted(site: str) -> None:
        waits.set()
        await wait_for_room(site)

    monkeypatch.setattr(inbox, "wait_for_room", noted)
    stream = Stream("mine", "dam-edge", UUID(int=1), 1, RangeSet())
    inbox.put(Arrival(stream, LOST, 0, 0.0))

    async def opened(_: Hello) -> Stream:
        return stream

    parts = LineParts(
        inbox=inbox,
        clock=MachineClock(),
        verify=known,
        find=nobody,
        still_valid=nobody,
        open_stream=opened,
        greet=lambda *_: None,
        note_line=ignored,
        note_heard=ignored,
    )
    server = await open_line(listen("127.0.0.1", 0), parts)
    port = server.sockets[0].getsockname()[1]
    address = f"ws://127.0.0.1:{port}/edge/v1/mine"
    async with asyncio.timeout(PATIENCE_S), call(address, proxy=None) as line:
        await line.send(encode_frame(Hello(PROTOCOL, "mine", "dam-edge", stream.epoch, 1, 1)))
        await line.send(b"something")
        await waits.wait()
        server.close()
        await server.wait_closed()
