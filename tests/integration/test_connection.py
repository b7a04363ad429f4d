"""Connections to a store that has gone without a word, or is there but does nothing any more."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from stream_server import line_to_store, stream_server, until_one_ends
from waiting import until

from historian import connection as connection_module
from historian.connection import connect, hung_up_after, statements_may_take
from ingest import service
from ingest.callers import callers_pool
from ingest.service import listen_for_actions

WITHIN_S = 20.0
CHUNK = 1 << 16


class Switchboard:
    """Passes bytes on to the store over TCP; on lines that are frozen, none arrives any more."""

    def __init__(self, dsn: str) -> None:
        known = conninfo_to_dict(dsn)
        self._host, self._port = str(known["host"]), int(known.get("port") or 5432)
        self._count = 0
        self._frozen_upto = 0

    def freeze(self) -> None:
        """Freeze the lines that are open now; new ones work."""
        self._frozen_upto = self._count

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        number = self._count
        async with line_to_store(self._host, self._port) as (there, back):
            await until_one_ends(
                self._pass(number, reader, back), self._pass(number, there, writer)
            )

    async def _pass(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK):
            if number > self._frozen_upto:
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def switchboard(dsn: str) -> AsyncIterator[tuple[Switchboard, str]]:
    """A switchboard, and how to connect to the store through it."""
    board = Switchboard(dsn)
    async with stream_server(board.answer) as port:
        yield board, make_conninfo(dsn, host="127.0.0.1", port=port, sslmode="disable")


async def test_a_machine_that_is_gone_is_given_up_by_our_own_system(postgres_dsn: str) -> None:
    async with (
        switchboard(postgres_dsn) as (_, dsn),
        await connect(dsn, name="test") as conn,
    ):
        with socket.socket(fileno=conn.fileno()) as line:
            untaken_ms = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            asked_s = [
                line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            ]
            line.detach()

    assert untaken_ms == 15_000
    assert asked_s == [1, 10, 5, 3]


async def test_a_store_that_does_nothing_any_more_is_hung_up_on(postgres_dsn: str) -> None:
    async with switchboard(postgres_dsn) as (store, dsn), asyncio.timeout(WITHIN_S):
        conn = await connect(dsn, name="test", autocommit=True)
        store.freeze()
        with pytest.raises(psycopg.OperationalError), hung_up_after(conn, 0.1):
            await conn.execute("select 1")
        assert conn.closed


async def test_no_wait_for_a_store_that_does_nothing_any_more_is_for_ever(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "ANSWER_MARGIN_S", 0.1)
    async with switchboard(postgres_dsn) as (store, dsn), asyncio.timeout(WITHIN_S):
        conn = await connect(dsn, name="test", statement_timeout_s=0.4)
        for _ in range(3):  # Together longer than any of them may be.
            await conn.execute("select pg_sleep(0.2)")
        store.freeze()
        with pytest.raises(psycopg.OperationalError):
            await conn.commit()
        assert conn.closed


async def test_statements_that_may_take_longer_are_waited_for_longer(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "ANSWER_MARGIN_S", 0.1)
    async with await connect(postgres_dsn, name="test", statement_timeout_s=0.2) as conn:
        async with conn.transaction(), statements_may_take(conn, WITHIN_S):
            await conn.execute("select pg_sleep(0.5)")
        with pytest.raises(psycopg.errors.QueryCanceled):
            await conn.execute("select pg_sleep(60)")


async def test_a_connection_within_the_machine_is_hung_up_on_too(
    connection: AsyncConnection,
) -> None:
    with pytest.raises(psycopg.OperationalError), hung_up_after(connection, 0.1):
        async with asyncio.timeout(WITHIN_S):
            await connection.execute("select pg_sleep(60)")


async def test_nobody_hangs_up_on_what_was_done_in_time(connection: AsyncConnection) -> None:
    with hung_up_after(connection, 0.1):
        await connection.execute("select 1")

    await connection.execute("select pg_sleep(0.2)")  # Longer than the timer would have run.


SHOWN = "select current_setting('search_path'), current_setting('lock_timeout')"


async def test_the_users_own_options_hold_beside_ours(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a search path would vanish, and with it the tables go elsewhere."""
    dsn = make_conninfo(postgres_dsn, options="-c search_path=mine,public -c lock_timeout=7s")
    async with await connect(dsn, name="test") as conn:
        assert await (await conn.execute(SHOWN)).fetchone() == ("mine,public", "10s")
    async with callers_pool(dsn) as pool, pool.connection() as conn:
        assert await (await conn.execute(SHOWN)).fetchone() == ("mine,public", "10s")

    monkeypatch.setenv("PGOPTIONS", "-c search_path=theirs")
    async with await connect(postgres_dsn, name="test") as conn:
        assert await (await conn.execute(SHOWN)).fetchone() == ("theirs", "10s")


async def test_progress_renews_the_patience(connection: AsyncConnection) -> None:
    with hung_up_after(connection, 0.5) as patience:
        for _ in range(4):
            await connection.execute("select pg_sleep(0.2)")
            patience.renew()

        with pytest.raises(psycopg.OperationalError):
            async with asyncio.timeout(WITHIN_S):
                await connection.execute("select pg_sleep(60)")


class Waiting:
    """The part of a pipeline that operators' actions wake."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def wake_for_action(self) -> None:
        self.woken.set()

    def wake_for_submission(self) -> None:
        """Nobody hands anything in here."""

    async def is_woken(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            await self.woken.wait()
        self.woken.clear()


async def test_the_ear_for_actions_leaves_a_store_that_does_nothing_any_more(
    postgres_dsn: str, connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SILENCE_S", 0.2)
    monkeypatch.setattr(service, "ANSWER_WITHIN_S", 0.2)
    monkeypatch.setattr(service, "LISTEN_AGAIN_S", 0.0)
    async with switchboard(postgres_dsn) as (store, dsn):
        pipeline = Waiting()
        listening = asyncio.create_task(listen_for_actions(dsn, pipeline))  # type: ignore[arg-type]
        await pipeline.is_woken()
        ears = await listeners(connection)
        assert len(ears) == 1
        store.freeze()

        async def another_ear() -> bool:
            now = await listeners(connection)
            return len(now) == 1 and now != ears

        await until(another_ear, WITHIN_S)
        pipeline.woken.clear()
        await connection.execute("notify groundwatch, 'action'")
        await pipeline.is_woken()
        assert not listening.done()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def listeners(connection: AsyncConnection) -> set[int]:
    """Processes of the server that serve an ear for actions."""
    cursor = await connection.execute(
        "select pid from pg_stat_activity where application_name = 'groundwatch actions'"
        " and datname = current_database()"
    )
    return {pid for (pid,) in await cursor.fetchall()}
