"""Ingest in this process, on a real database and behind a real websocket; edges that call it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from ingest_site import BEGAN_US, HOUR_US
from prometheus_client import REGISTRY
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server
from websockets.exceptions import ConnectionClosed

from groundwatch import configure_log
from historian.connection import connect as connect_store
from historian.tokens import Scope, create_token
from ingest.callers import callers_pool, line_parts
from ingest.conversation import LineParts
from ingest.desk import SiteDesk
from ingest.encryption import Encryption
from ingest.inbox import Arrival, Inbox
from ingest.line import listen, open_line
from ingest.opening import open_site
from ingest.pipeline import Pipeline
from ingest.service import listen_for_actions
from telemetry.clock import real_monotonic_s
from telemetry.frames import Ack, decode_centre_frame
from telemetry.ranges import RangeSet
from telemetry.tls import SSLContext
from telemetry.uplink import BlockRejected, EdgeSide, Refused

configure_log()  # As the service does: its failures are expected here, and told in short.

PATIENCE_S = 20.0  # A busy machine is slow; what never comes is told within this time.
NOON_US = BEGAN_US + 12 * HOUR_US


class HandClock:
    """A clock that stands until a test moves it."""

    rate = 1.0

    def __init__(self, now_us: int = NOON_US) -> None:
        self.us = now_us

    def now_us(self) -> int:
        return self.us

    def monotonic_us(self) -> int:
        return self.us

    def real_s_until(self, at_us: int) -> float:
        return (at_us - self.us) / 1e6


class WatchedInbox(Inbox):
    """An inbox for whose filling a test can wait."""

    def __init__(self) -> None:
        super().__init__()
        self._put = asyncio.Event()

    def put(self, arrival: Arrival) -> None:
        super().put(arrival)
        self._put.set()

    async def holds(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self) < count:
                self._put.clear()
                await self._put.wait()


class IngestBench:
    """One ingest process, as it were."""

    def __init__(
        self, dsn: str, sites: Sequence[Path], clock: HandClock, encryption: Encryption
    ) -> None:
        self.encryption = encryption
        self.identity = encryption.identity()
        self.dsn = dsn
        self.sites = sites
        self.clock = clock
        self.inbox = WatchedInbox()
        self.desks: list[SiteDesk] = []
        self.stop = asyncio.Event()
        self.port = 0
        self.flushing: asyncio.Task[None]
        self.pipeline: Pipeline
        self.parts: LineParts
        self._listening: asyncio.Task[None]
        self._pool: AsyncConnectionPool
        self._server: Server

    async def open(self) -> None:
        """Take the sites over and listen."""
        self.desks = [await open_site(self.dsn, path, self.clock) for path in self.sites]
        self.pipeline = Pipeline(self.dsn, self.desks, self.inbox, self.clock, ())
        self._pool = callers_pool(self.dsn)
        await self._pool.open()
        folder = self.encryption.authority_folder
        self.parts = line_parts(
            self._pool, self.desks, self.inbox, self.clock, authority_folder=folder
        )
        secured = self.identity.context if self.identity else None
        self._server = await open_line(listen("127.0.0.1", self.port), self.parts, secured)
        self.port = self._server.sockets[0].getsockname()[1]
        self._listening = asyncio.create_task(listen_for_actions(self.dsn, self.pipeline))
        self.flushing = asyncio.create_task(self.pipeline.run(self.stop))

    async def close(self) -> None:
        """End as the service does: flush what has come, then go."""
        self._server.close()
        self.stop.set()
        _, late = await asyncio.wait([self.flushing], timeout=PATIENCE_S)
        for flushing in late:  # It does not come to an end: a test has failed.
            flushing.cancel()
            await asyncio.wait(late)
        await self._end()

    async def _end(self) -> None:
        self._listening.cancel()
        await asyncio.wait([self._listening])
        await self._server.wait_closed()
        await self._pool.close()

    async def token(
        self, edge: str | None, site: str | None = "mine", scope: Scope = Scope.EDGE
    ) -> str:
        """Make a token."""
        async with await connect_store(self.dsn, name="test", autocommit=True) as conn:
            return await create_token(conn, scope, site, edge, "test", self.clock.now_us())


@asynccontextmanager
async def ingest(
    dsn: str,
    *sites: Path,
    clock: HandClock | None = None,
    encryption: Encryption | None = None,
) -> AsyncIterator[IngestBench]:
    """An ingest that is open, and is closed unless it has ended by itself."""
    bench = IngestBench(dsn, sites, clock or HandClock(), encryption or Encryption())
    await bench.open()
    try:
        yield bench
    finally:
        await bench.close()
    if not bench.flushing.cancelled() and (error := bench.flushing.exception()) is not None:
        raise error


class EdgeLine:
    """An edge with a spool in memory, speaking `telemetry.uplink.EdgeSide` over a real line."""

    def __init__(
        self,
        port: int,
        token: str,
        *,
        site: str,
        edge: str,
        epoch: UUID,
        secured: SSLContext | None = None,
        run: UUID | None = None,
    ) -> None:
        self._run = run
        scheme = "ws" if secured is None else "wss"
        self._address = f"{scheme}://127.0.0.1:{port}/edge/v1/{site}"
        self._secured = secured
        self._token = token
        self._site, self._edge, self._epoch = site, edge, epoch
        self.spool: dict[int, bytes] = {}
        self.acknowledged = RangeSet()
        self.rejected: list[BlockRejected] = []
        self.refused: Refused | None = None
        self.lowest_held = 1
        self.holds_back = False  # Sends nothing that is in the spool.
        self.on_acknowledged: Callable[[], Awaitable[None]] | None = None
        self._answered = False
        self._side: EdgeSide
        self._socket: ClientConnection
        self._reading: asyncio.Task[None]
        self._changed = asyncio.Condition()

    async def connect(self) -> None:
        """Call the centre and say hello."""
        self._side = EdgeSide(site=self._site, edge=self._edge, epoch=self._epoch, run=self._run)
        self._socket = await connect(
            self._address,
            ssl=self._secured,
            additional_headers={"Authorization": f"Bearer {self._token}"},
            compression=None,
            proxy=None,
        )
        held = RangeSet((seq, seq) for seq in self.spool)
        next_seq = max(self.spool, default=self.lowest_held - 1) + 1
        for frame in self._side.opened(held=held, next_seq=next_seq, at_s=real_monotonic_s()):
            await self._socket.send(frame)
        self._answered = False
        self._reading = asyncio.create_task(self._read())
        await self.until(lambda: self._answered)

    async def put(self, *contents: bytes) -> None:
        """Put blocks into the spool and send them."""
        for content in contents:
            seq = max(self.spool, default=self.lowest_held - 1) + 1
            self.spool[seq] = content
            self._side.appended(seq)
        await self._pump()

    async def say(self, message: bytes | str) -> None:
        """Send a message of any kind."""
        await self._socket.send(message)

    async def drained(self) -> None:
        """Wait until everything has been acknowledged."""
        await self.until(lambda: self._side.is_drained)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; it is looked at after every word of the centre."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(holds)

    async def ended(self) -> None:
        """Wait until the centre has closed the line."""
        async with asyncio.timeout(PATIENCE_S):
            await self._reading

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()
        await self._reading

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self._socket:
                assert isinstance(message, bytes)
                events, frames = self._side.received(message, at_s=real_monotonic_s())
                for frame in frames:
                    await self._socket.send(frame)
                for event in events:
                    if isinstance(event, BlockRejected):
                        self.rejected.append(event)
                    elif isinstance(event, Refused):
                        self.refused = event
                self._answered = True
                await self._note_acknowledged(message)
                await self._pump()
                async with self._changed:
                    self._changed.notify_all()

    async def _note_acknowledged(self, message: bytes) -> None:
        """Note what is acknowledged, also what this edge's side did not wait for."""
        frame = decode_centre_frame(message)
        ranges = frame.ranges if isinstance(frame, Ack) else []
        for first, last in ranges:
            self.acknowledged.add(first, last)
        if ranges and self.on_acknowledged is not None:
            await self.on_acknowledged()

    async def send_all(self) -> None:
        """Hold nothing back any more."""
        self.holds_back = False
        await self._pump()

    async def _pump(self) -> None:
        if self.holds_back:
            return
        for seq in self._side.next_to_send():
            frame = self._side.sending(seq, self.spool[seq], at_s=real_monotonic_s())
            if frame is not None:
                await self._socket.send(frame)


@asynccontextmanager
async def edge_line(
    bench: IngestBench,
    edge: str = "dam-edge",
    *,
    site: str = "mine",
    epoch: UUID | None = None,
    token: str | None = None,
    secured: SSLContext | None = None,
    run: UUID | None = None,
) -> AsyncIterator[EdgeLine]:
    """An edge whose line is open."""
    token = token or await bench.token(edge, site)
    line = EdgeLine(
        bench.port, token, site=site, edge=edge, epoch=epoch or uuid4(), secured=secured, run=run
    )
    await line.connect()
    try:
        yield line
    finally:
        await line.close()


async def until_flushed(
    conn: AsyncConnection[Any], holds: Callable[[], Awaitable[bool]], patience_s: float = PATIENCE_S
) -> None:
    """Wait until something holds; it is looked at after every flush that is committed."""
    await conn.execute("listen groundwatch")
    async with asyncio.timeout(patience_s):
        while not await holds():
            async for _ in conn.notifies(timeout=patience_s, stop_after=1):
                pass


async def fetch(conn: AsyncConnection[Any], query: str, *arguments: object) -> list[dict[str, Any]]:
    """Read rows by the names of their columns."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, arguments)
        return await cursor.fetchall()


async def transitions(
    conn: AsyncConnection[Any], site: str = "mine", kind: str = "%"
) -> list[tuple[str, ...]]:
    """The journal as (channel, rule, change, level), in its order."""
    rows = await fetch(
        conn,
        """
        select body::jsonb ->> 'channel' as channel, body::jsonb ->> 'rule' as rule,
               body::jsonb ->> 'change' as change, body::jsonb ->> 'level' as level
        from journal join site using (site_id)
        where site.key = %s and body::jsonb ->> 'kind' like %s order by number
        """,
        site,
        kind,
    )
    return [(row["channel"], row["rule"], row["change"], row["level"]) for row in rows]


def counted(name: str, **labels: str) -> float:
    """What a counter shows now."""
    return REGISTRY.get_sample_value(f"groundwatch_{name}", labels) or 0.0
