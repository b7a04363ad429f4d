"""A bad line between the edges and the centre: it is cut, goes dumb, drips or takes its time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

CHUNK = 1 << 16


class LineProxy:
    """Passes bytes on from one loopback port to another, as badly as it is told."""

    def __init__(self, target_port: Callable[[], int]) -> None:
        self.delay_s = 0.0
        self.bytes_at_once = CHUNK
        self.passes = asyncio.Event()  # While it is not set, nothing comes through.
        self.passes.set()
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        """End every line at once."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def stop(self) -> None:
        """Listen no more."""
        self.passes.set()
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port())
        except OSError:
            writer.transport.abort()
            return
        both = {writer, back}
        self._writers |= both
        try:
            with suppress(OSError):
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._pass_on(reader, back, both))
                    tasks.create_task(self._pass_on(there, writer, both))
        except ExceptionGroup as errors:
            _, others = errors.split(OSError)
            if others is not None:
                raise others from errors
        finally:
            self._writers -= both
            for one in both:
                one.transport.abort()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        both: set[asyncio.StreamWriter],
    ) -> None:
        while data := await reader.read(self.bytes_at_once):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self.passes.wait()
            writer.write(data)
            await writer.drain()
        for one in both:
            one.transport.abort()
