"""Many live lines from one process: each message is timed, and some clients freeze.

A frozen one is a program that has stopped: its socket stays open, and nobody takes what comes.
"""

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from telemetry.clock import real_monotonic_s

VALUE: Final = re.compile(rb'"value":([-0-9.e+]+)')
WRAP_S: Final = 50.0  # Readings are the instant of their sending, within the range of the channel.


def instant_as_reading(at_s: float) -> float:
    """Say an instant as a reading; an age up to `WRAP_S` can be told from it."""
    return at_s % WRAP_S


@dataclass(eq=False)
class PushClient(asyncio.Protocol):
    """One live line."""

    uri: str
    token: str
    site: str
    channels: tuple[str, ...] | Literal["all"] = "all"
    latencies_s: list[float] = field(default_factory=list)
    messages: int = 0
    cursor: dict[str, int] | None = None  # Where to go on.
    cut: bool = False
    greeted: asyncio.Event = field(default_factory=asyncio.Event)
    _transport: asyncio.Transport | None = None
    _answered: asyncio.Event = field(default_factory=asyncio.Event)
    _upgraded: bool = False
    _kept: bytearray = field(default_factory=bytearray)  # The beginning of a frame.

    async def open(self) -> None:
        """Connect, and subscribe; raises `ConnectionError` when the centre hangs up at once."""
        place = urlsplit(self.uri)
        await asyncio.get_running_loop().create_connection(
            lambda: self, place.hostname or "127.0.0.1", place.port or 80
        )
        await self._answered.wait()
        if not self.greeted.is_set():
            raise ConnectionError(f"the centre does not serve {self.site}")

    def freeze(self) -> None:
        """Take nothing more, as a stopped program."""
        if self._transport is not None:
            self._transport.pause_reading()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._protocol = ClientProtocol(parse_uri(self.uri), max_size=None)
        request = self._protocol.connect()
        request.headers["Authorization"] = f"Bearer {self.token}"
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what has come; pings are answered on the way.

        Only the handshake is the library's: its reader of frames costs more than the server's
        writer, and the clients would be what is measured.
        """
        now_s = real_monotonic_s()
        if not self._upgraded:
            self._protocol.receive_data(data)
            if any(isinstance(event, Response) for event in self._protocol.events_received()):
                self._upgraded = True
                self._subscribe()
                self._flush()
            return
        self._kept += data
        while (frame := _frame_in(self._kept)) is not None:
            opcode, begin, end = frame
            content = bytes(self._kept[begin:end])
            del self._kept[:end]
            if opcode is Opcode.TEXT:
                self._take(content, now_s)
            elif opcode is Opcode.PING:
                self._protocol.send_pong(content)
                self._flush()

    def eof_received(self) -> bool:
        """The other side has hung up."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Note that the line has ended."""
        self.cut = True
        self._answered.set()

    def _subscribe(self) -> None:
        wish = {"site": self.site, "alarms": True, "channels": self.channels, "cursor": self.cursor}
        self._protocol.send_text(json.dumps({"subscribe": wish}).encode())

    def _take(self, text: bytes, now_s: float) -> None:
        self.messages += 1
        if text.startswith(b'{"type":"hello"'):
            self.cursor = json.loads(text)["cursor"]
            self.greeted.set()
            self._answered.set()
        elif (found := VALUE.search(text)) and text.startswith(b'{"type":"values"'):
            self.latencies_s.append((now_s - float(found[1])) % WRAP_S)
        elif text.startswith(b'{"type":"alarm"'):
            self.take_alarm(text)

    def take_alarm(self, text: bytes) -> None:
        """Take the message of an alarm."""

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data and self._transport is not None:
                self._transport.write(data)


def _frame_in(data: bytearray) -> tuple[Opcode, int, int] | None:
    """Find the first whole frame of a server: what it is, where its content begins and ends.

    RFC 6455, section 5.2: seven bits of length, or 126 and sixteen, or 127 and sixty-four.
    """
    if len(data) < 2:
        return None
    length, begin = data[1], 2
    if length >= 126:
        begin = 4 if length == 126 else 10
        if len(data) < begin:
            return None
        length = int.from_bytes(data[2:begin], "big")
    end = begin + length
    return (Opcode(data[0] & 0x0F), begin, end) if len(data) >= end else None
