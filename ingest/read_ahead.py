"""Messages of a line, read before they are wanted.

While the inbox is full nothing is taken from a line. Its socket is read all the same: pings and
pongs stand between the messages, and a line on which they are not seen counts as dead at both
ends. What an edge may send unanswered bounds what is held here; above that reading stops.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from websockets.exceptions import ConnectionClosed

from telemetry.frames import FRAME_BYTES_MAX
from telemetry.uplink import WINDOW_BYTES

BYTES_MAX = WINDOW_BYTES + FRAME_BYTES_MAX
MESSAGE_BYTES = 100  # What a message takes besides its content.


class ReadAhead:
    """What has come and waits to be taken."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[str | bytes | None] = asyncio.Queue()  # None is the end.
        self._bytes = 0
        self._room = asyncio.Event()

    async def fill(self, connection: AsyncIterable[str | bytes]) -> None:
        """Read until the connection ends."""
        try:
            async for message in connection:
                self._count(len(message) + MESSAGE_BYTES)
                self._messages.put_nowait(message)
                await self._room.wait()
        except ConnectionClosed:
            pass
        finally:
            self._messages.put_nowait(None)

    async def take(self) -> AsyncGenerator[str | bytes, None]:
        """Yield one message after the other, to the end of the connection."""
        while (message := await self._messages.get()) is not None:
            self._count(-len(message) - MESSAGE_BYTES)
            yield message

    def _count(self, more: int) -> None:
        self._bytes += more
        if self._bytes < BYTES_MAX:
            self._room.set()
        else:
            self._room.clear()


@asynccontextmanager
async def read_ahead(
    connection: AsyncIterable[str | bytes],
) -> AsyncIterator[AsyncIterator[str | bytes]]:
    """The messages of a connection; its socket is read as long as the block inside runs."""
    ahead = ReadAhead()
    reading = asyncio.create_task(ahead.fill(connection), name="read ahead")
    try:
        async with aclosing(ahead.take()) as messages:
            yield messages
    finally:
        reading.cancel()
        await asyncio.wait([reading])
