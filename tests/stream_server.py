"""A server for tests that leaves nothing open: no connection, and no task that answers one.

`asyncio.Server.close` only ends the listening. What is still open when a test's loop ends is found
by the garbage collector, which then blames whichever test runs at that time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Connections:
    """The connections that a server has accepted, each answered by a task of its own."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._answering: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._closing = False

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Have a connection answered; one that was accepted while we close gets no answer."""
        if self._closing:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._answering[task] = writer

    async def close(self) -> None:
        """Cut every connection, and raise what an answer has raised."""
        self._closing = True
        for task, writer in self._answering.items():
            task.cancel()
            writer.transport.abort()  # A caller who does not read would hold a mere close up.
        ends = await asyncio.gather(*self._answering, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # Either side may hang up whenever it likes.
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait until it is closed."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def stream_server(
    answer: Answer, *, port: int = 0, path: Path | None = None
) -> AsyncIterator[int]:
    """Listen on a port, any free one unless it is given, or at a Unix socket; yield the port."""
    connections = Connections(answer)
    if path is None:
        server = await asyncio.start_server(connections.accept, "127.0.0.1", port)
        port = server.sockets[0].getsockname()[1]
    else:
        server = await asyncio.start_unix_server(connections.accept, path)
    try:
        yield port
    finally:
        server.close()
        await connections.close()
        await server.wait_closed()


@asynccontextmanager
async def line_to_store(
    host: str, port: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to PostgreSQL, closed in the end; like libpq's, a host may be a folder."""
    if host.startswith("/"):
        reader, writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    else:
        reader, writer = await asyncio.open_connection(host, port)
    try:
        yield reader, writer
    finally:
        await hang_up(writer)


async def until_one_ends(*ways: Coroutine[Any, Any, None]) -> None:
    """Do things side by side until one of them has ended; leave none of them running."""
    tasks = [asyncio.create_task(one) for one in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
