"""A proxy in front of PostgreSQL: it cuts lines between a commit and its answer, or goes dumb."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from stream_server import line_to_store, stream_server, until_one_ends

CHUNK = 1 << 16


class StoreProxy:
    """Passes bytes on; while it is armed, the answer to the next COMMIT never arrives."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._frozen = asyncio.Event()
        self._freezing: bytes | None = None
        self.is_frozen = False
        self.armed = False
        self.cuts = 0

    def freeze(self) -> None:
        """Pass nothing on any more over the lines that are open; new ones work."""
        self._frozen.set()
        self._frozen = asyncio.Event()
        self.is_frozen = True

    def freeze_at(self, words: bytes) -> None:
        """Do so when somebody next sends a statement with these words in it."""
        self._freezing = words

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it, or we do."""
        async with line_to_store(self._host, self._port) as (server_reader, server_writer):
            committing, frozen = asyncio.Event(), self._frozen
            await until_one_ends(
                self._pass_on(reader, server_writer, committing, frozen),
                self._pass_back(server_reader, writer, committing),
            )

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        committing: asyncio.Event,
        frozen: asyncio.Event,
    ) -> None:
        while data := await reader.read(CHUNK):
            if self._freezing is not None and self._freezing in data:
                self._freezing = None
                self.freeze()
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
    async with stream_server(proxy.answer, path=folder / f".s.PGSQL.{port}"):
        yield proxy, make_conninfo(dsn, host=str(folder))
