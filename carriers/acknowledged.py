"""A connection to an MQTT broker on which a message is acknowledged when it has been kept.

aiomqtt 2.5 acknowledges a message before anybody has seen it, and forgets whether it came again.
So this file, and no other, asks the paho client inside it to leave acknowledging to us, and
takes messages from there. `tests/integration/test_acknowledged.py` fails when that changes.

- A packet id means something on one connection only: a delivery belongs to the line it came by,
  and to acknowledge it after that line has ended does nothing. The broker sends it again.
- Acknowledgements go out in the order of arrival [MQTT-4.6.0-2], whatever is kept first.
- Memory is bounded. A broker's own window is not (Mosquitto 2.0.11 lets it grow with every
  acknowledgement), so the socket is not read while too much waits to be kept.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiomqtt
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import MQTTMessage

from carriers.broker import BrokerError, is_refusal
from carriers.waiting import happens_within, heed_cancellation
from telemetry.tls import SSLContext, SSLSocket

KEEPALIVE_S: Final = 30
TIMEOUT_S: Final = 10.0
MESSAGES_HELD_MAX: Final = 1_000  # Not yet kept; half of it must be kept before more is read.
BYTES_HELD_MAX: Final = 16 << 20
NOT_UTF8: Final = "(a topic that is not UTF-8)"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is, and how to come in."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    encryption: SSLContext | None = None


class Window:
    """How much has come from a broker and is not kept yet, over all connections to it."""

    def __init__(
        self, messages_max: int = MESSAGES_HELD_MAX, bytes_max: int = BYTES_HELD_MAX
    ) -> None:
        self.messages = 0
        self.bytes = 0
        self.has_room = asyncio.Event()
        self.has_room.set()
        self.on_room: Callable[[], None] | None = None
        self._messages_max = messages_max
        self._bytes_max = bytes_max

    def take(self, length: int) -> None:
        """Note that a message has come."""
        self.messages += 1
        self.bytes += length
        if self.messages >= self._messages_max or self.bytes >= self._bytes_max:
            self.has_room.clear()

    def give(self, length: int) -> None:
        """Note that a message is kept."""
        self.messages -= 1
        self.bytes -= length
        if self.has_room.is_set():
            return
        if self.messages <= self._messages_max // 2 and self.bytes <= self._bytes_max // 2:
            self.has_room.set()
            if self.on_room is not None:
                self.on_room()


class Delivery:
    """A message as it came by one line."""

    def __init__(self, line: "AcknowledgedLine", message: MQTTMessage) -> None:
        try:
            self.topic = message.topic
        except UnicodeDecodeError:
            self.topic = NOT_UTF8
        self.payload = bytes(message.payload)
        self.retained: bool = message.retain
        self.again: bool = message.dup  # The broker has sent it before and heard nothing.
        self.packet_id: int = message.mid  # 0: nobody waits for an acknowledgement.
        self.is_done = False
        self._line = line

    def done(self) -> None:
        """Note that it is kept: it may be acknowledged."""
        if not self.is_done:
            self.is_done = True
            self._line.settle(self)


class AcknowledgedLine:
    """One connection, from its beginning to its end."""

    def __init__(self, client: aiomqtt.Client, window: Window) -> None:
        self.wake = asyncio.Event()  # Something has come, or the line has ended.
        self.settled = asyncio.Event()  # Nothing waits to be acknowledged.
        self.settled.set()
        self._client = client
        self._paho: PahoClient = client._client  # noqa: SLF001 - see the docstring of this file
        self._window = window
        self._arrived: deque[Delivery] = deque()
        self._owed: deque[Delivery] = deque()  # In the order of arrival.
        self._ended: str | None = None
        self._paused = False
        self._stopped = False
        self._paho.manual_ack_set(True)
        self._paho.on_message = self._arrive

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Ask for messages, each to be sent until it is acknowledged."""
        codes = await self._asked(self._client.subscribe([(topic, 1) for topic in topics]))
        refused = [topic for topic, code in zip(topics, codes, strict=True) if is_refusal(code)]
        if refused:
            raise BrokerError(f"the broker does not let us subscribe to {', '.join(refused)}")

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send a command to a device, once."""
        await self._asked(self._client.publish(topic, payload, qos=0))

    def take(self) -> list[Delivery]:
        """Take what has come since the last time; raise `BrokerError` when the line has ended."""
        self.wake.clear()
        arrived = list(self._arrived)
        self._arrived.clear()
        if not arrived and self._ended is not None:
            raise BrokerError(self._ended)
        return arrived

    async def finish(self, within_s: float) -> bool:
        """Read no more, and wait until all that was taken is acknowledged; tell whether it is."""
        self._stopped = True
        self._pause()
        self._leave_untaken()
        self._acknowledge()
        return await happens_within(self.settled, within_s)

    def settle(self, delivery: Delivery) -> None:
        """Acknowledge a delivery, once all that came before it are."""
        self._window.give(len(delivery.payload))
        self._acknowledge()

    def end(self, why: str) -> None:
        """Note that the connection is gone: nothing can be acknowledged on it any more."""
        if self._ended is None:
            self._ended = why
        self._owed.clear()
        self.settled.set()
        self.wake.set()

    def close(self) -> None:
        """Let go of the connection, in whatever state it is."""
        self.end("the connection to the broker was closed")
        self._leave_untaken()
        self._paho.disconnect()  # Without effect where it has ended already.

    def resume(self) -> None:
        """Read on after a pause."""
        socket = self._paho.socket()
        if self._paused and not self._stopped and socket is not None:
            self._paused = False
            loop = asyncio.get_running_loop()
            loop.add_reader(socket.fileno(), self._read)
            loop.call_soon(self._read)  # What TLS has unpacked already, no socket announces.

    def _arrive(self, _client: PahoClient, _userdata: Any, message: MQTTMessage) -> None:  # noqa: ANN401
        delivery = Delivery(self, message)
        self._arrived.append(delivery)
        self._owed.append(delivery)
        self.settled.clear()
        self._window.take(len(delivery.payload))
        if not self._window.has_room.is_set():
            self._pause()
        self.wake.set()

    def _leave_untaken(self) -> None:
        """Forget what nobody has taken: the broker will send it again."""
        for one in self._arrived:
            self._window.give(len(one.payload))
        untaken = set(map(id, self._arrived))
        self._owed = deque(one for one in self._owed if id(one) not in untaken)
        self._arrived.clear()

    def _acknowledge(self) -> None:
        while self._owed and self._owed[0].is_done:
            delivery = self._owed.popleft()
            if delivery.packet_id and self._ended is None:
                self._paho.ack(delivery.packet_id, 1)
        if not self._owed:
            self.settled.set()

    def _pause(self) -> None:
        socket = self._paho.socket()
        if not self._paused and socket is not None:
            self._paused = True
            asyncio.get_running_loop().remove_reader(socket.fileno())

    def _read(self) -> None:
        """Read as aiomqtt does: one packet, or what TLS has unpacked already."""
        while not self._paused:
            socket = self._paho.socket()
            if socket is None:
                return
            try:
                self._paho.loop_read()
            except Exception as error:  # noqa: BLE001 - whatever it was, the line is of no use
                self.end(f"the broker's answer cannot be read: {error}")
                return
            if not (isinstance(socket, SSLSocket) and socket.pending()):
                return

    async def _asked(self, question: Any) -> Any:  # noqa: ANN401 - whatever aiomqtt answers
        try:
            answer = await question
        except aiomqtt.MqttError as error:
            raise BrokerError(_words(error)) from error
        heed_cancellation()  # aiomqtt waits with `asyncio.wait_for`.
        return answer

    async def watch(self) -> None:
        """Wait until the connection ends, and note it."""
        try:
            await anext(self._client.messages)  # None ever comes there: `_arrive` takes them all.
        except aiomqtt.MqttError as error:
            self.end(f"the connection to the broker was lost: {_words(error)}")


@asynccontextmanager
async def acknowledged_line(
    address: BrokerAddress, window: Window
) -> AsyncIterator[AcknowledgedLine]:
    """Connect to a broker, which keeps for us what comes while we are away."""
    client = aiomqtt.Client(
        address.host,
        address.port,
        identifier=address.client_id,
        username=address.username,
        password=address.password,
        tls_context=address.encryption,
        clean_session=False,
        keepalive=KEEPALIVE_S,
        timeout=TIMEOUT_S,
    )
    line = AcknowledgedLine(client, window)
    try:
        await client.__aenter__()
    except (aiomqtt.MqttError, OSError, ValueError) as error:  # A host name may be impossible.
        line.close()
        raise BrokerError(_words(error)) from error
    except BaseException:  # Or the socket of a connection half made stays.
        line.close()
        raise
    watching = asyncio.create_task(line.watch(), name="watch broker")
    window.on_room = line.resume
    try:
        heed_cancellation()
        yield line
    finally:
        window.on_room = None
        watching.cancel()
        with suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)
        line.close()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
