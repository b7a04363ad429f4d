"""A receiver of webhooks on a real socket, whose answers a test decides."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from stream_server import stream_server

# What to answer to a request: a status, with headers; None hangs without an answer.
Answer = tuple[int, dict[str, str]] | None
TAKEN: Answer = (204, {})


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(eq=False)
class Sink:
    """What came, and how to answer."""

    answer: Callable[[Received], Answer] = lambda _: TAKEN
    received: list[Received] = field(default_factory=list)
    url: str = ""
    _arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def tries(self) -> Counter[str]:
        return Counter(one.message_id for one in self.received)

    async def until(self, enough: Callable[[], bool], timeout_s: float = 20.0) -> None:
        async with asyncio.timeout(timeout_s), self._arrival:
            await self._arrival.wait_for(enough)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (one := await _read(reader)) is not None:
            async with self._arrival:
                self.received.append(one)
                self._arrival.notify_all()
            answer = self.answer(one)
            if answer is None:
                await reader.read()
                return
            status, headers = answer
            lines = [f"HTTP/1.1 {status} Whatever", "content-length: 0"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            await writer.drain()


@asynccontextmanager
async def http_sink(port: int = 0) -> AsyncIterator[Sink]:
    """Listen for webhooks."""
    sink = Sink()
    async with stream_server(sink.serve, port=port) as found:
        sink.url = f"http://127.0.0.1:{found}/alarms"
        yield sink


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    lines = head.split("\r\n")[1:-2]
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    return Received(headers, await reader.readexactly(int(headers["content-length"])))
