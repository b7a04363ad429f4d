"""A proxy in front of PostgreSQL: it cuts lines between a commit and its answer, or goes dumb."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHUNK = 1 << 16


class StoreProxy:
    """Passes bytes on; while it is armed, the answer to the next COMMIT never arrives."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._lines: set[asyncio.Task[None]] = set()
        self._frozen = asyncio.Event()
        self.armed = False
        self.cuts = 0
        self.serving: set[asyncio.Task[None]] = set()

    def freeze(self) -> None:
        """Pass nothing on any more over the lines that are open; new ones work."""
        self._frozen.set()
        self._frozen = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it, or we do."""
        if self._host.startswith("/"):
            path = f"{self._host}/.s.PGSQL.{self._port}"
            server_reader, server_writer = await asyncio.open_unix_connection(path)
        else:
            server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
        committing, frozen = asyncio.Event(), self._frozen
        there = asyncio.create_task(self._pass_on(reader, server_writer, committing, frozen))
        back = asyncio.create_task(self._pass_back(server_reader, writer, committing))
        self._lines |= {there, back}
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        for task in (there, back):
            task.cancel()
        await asyncio.wait({there, back})
        self._lines -= {there, back}
        for one in (writer, server_writer):
            one.close()
            with suppress(OSError):
                await one.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, and be known until both its ends are closed."""
        serving = asyncio.current_task()
        assert serving is not None
        self.serving.add(serving)
        try:
            await self.answer(reader, writer)
        finally:
            self.serving.discard(serving)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        committing: asyncio.Event,
        frozen: asyncio.Event,
    ) -> None:
        while data := await reader.read(CHUNK):
            if frozen.is_set():
                continue
            if self.armed and b"COMMIT" in data:
                self.armed = False
                committing.set()
            writer.write(data)
            await writer.drain()

    async def _pass_back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, committing: asyncio.Event
    ) -> None:
        while data := await reader.read(CHUNK):
            if committing.is_set():
                self.cuts += 1
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def store_proxy(folder: Path, dsn: str) -> AsyncIterator[tuple[StoreProxy, str]]:
    """A proxy, and how to connect to the database through it."""
    parameters = conninfo_to_dict(dsn)
    port = int(parameters.get("port") or 5432)
    proxy = StoreProxy(str(parameters["host"]), port)
    server = await asyncio.start_unix_server(proxy.serve, folder / f".s.PGSQL.{port}")
    try:
        yield proxy, make_conninfo(dsn, host=str(folder))
    finally:
        server.close()
        for task in proxy._lines:
            task.cancel()
        if proxy.serving:  # Or sockets would be left to the collector, in some later test.
            await asyncio.wait(set(proxy.serving), timeout=5)
        await server.wait_closed()
