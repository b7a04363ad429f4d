"""A centre that only receives: a real websocket in front of `telemetry.uplink.CentreSide`."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from telemetry.event import EventBlock
from telemetry.event_wire import decode_events, is_event_block
from telemetry.ranges import RangeSet
from telemetry.scan import ScanBlock
from telemetry.uplink import BlockReceived, CentreSide, HelloReceived, LostDeclared
from telemetry.wire import decode_block

TOKEN = "gw_1_secret"


class CentreDouble:
    """Remembers what was delivered, per stream, and lets tests wait for it."""

    def __init__(self) -> None:
        self.port = 0
        self.delivered: dict[str, RangeSet] = defaultdict(RangeSet)
        self.contents: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self.lost: list[tuple[int, int]] = []
        self.reasons: list[str] = []  # Of what was lost, as the edge gave them.
        self.connections = 0
        self.committing = True  # Otherwise blocks are received and forgotten.
        self._changed = asyncio.Condition()
        self._server: Server | None = None

    @property
    def blocks(self) -> list[ScanBlock]:
        """Every block of scans of every stream, in the order of delivery."""
        return [decode_block(one) for one in self._contents if not is_event_block(one)]

    @property
    def events(self) -> list[EventBlock]:
        """Every block of events of every stream, in the order of delivery."""
        return [decode_events(one) for one in self._contents if is_event_block(one)]

    @property
    def _contents(self) -> list[bytes]:
        return [content for one in self.contents.values() for _, content in one]

    def scans_of(self, group: str) -> int:
        """How many scans of a group have arrived."""
        return sum(len(block.sampled_us) for block in self.blocks if block.group == group)

    async def wait_for_blocks(self, count: int, timeout_s: float = 20.0) -> None:
        """Wait until so many blocks have arrived."""
        await self.wait_until(lambda: len(self.blocks) >= count, timeout_s)

    async def wait_until(self, holds: object, timeout_s: float = 20.0) -> None:
        """Wait until something holds; it is looked at after every change here."""
        assert callable(holds)
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(holds)

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._server = await serve(
            self._answer, "127.0.0.1", self.port, process_request=self._admit, compression=None
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Hang up and stop listening."""
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, "The token is unknown.\n")
        return None

    async def _answer(self, connection: ServerConnection) -> None:
        side = CentreSide()
        epoch = ""
        self.connections += 1
        await self._tell()
        async for message in connection:
            assert isinstance(message, bytes)
            for event in side.received(message):
                if isinstance(event, HelloReceived):
                    epoch = str(event.hello.epoch)
                    frames, lost = side.welcome(self.delivered[epoch])
                    self.lost += [
                        (one.first, one.last) for one in lost if isinstance(one, LostDeclared)
                    ]
                elif isinstance(event, BlockReceived):
                    if not self.committing:
                        continue
                    self.delivered[epoch].add(event.seq)
                    self.contents[epoch].append((event.seq, event.content))
                    frames = side.committed([(event.seq, event.seq)])
                elif isinstance(event, LostDeclared):
                    self.lost.append((event.first, event.last))
                    self.reasons.append(event.reason)
                    self.delivered[epoch].add(event.first, event.last)
                    frames = side.committed([(event.first, event.last)])
                else:
                    frames = side.committed([(event.seq, event.seq)])
                for frame in frames:
                    await connection.send(frame)
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def centre_double() -> AsyncIterator[CentreDouble]:
    """A listening centre."""
    centre = CentreDouble()
    await centre.open()
    try:
        yield centre
    finally:
        await centre.close()
