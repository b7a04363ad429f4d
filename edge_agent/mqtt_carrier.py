"""Messages at an MQTT broker that carry an edge's frames to the centre and back.

Each connection is a session of its own, with keys of its own (`telemetry.sealing`). The broker
may lose, repeat and reorder what it likes, or restart: the delivery protocol asks again. So that
it need not ask often, fewer blocks are on their way where the broker drops some.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from carriers.broker import BrokerError, BrokerLine, broker_line
from carriers.broker_settings import BrokerSettingsError, BrokerUrl
from edge_agent.carrier import LineClosedError
from edge_agent.settings import SettingsError, read_token
from telemetry import sealing
from telemetry.broker_topics import down_topic, up_topic
from telemetry.clock import real_monotonic_s
from telemetry.sealing import Opener, Sealer, SealError, Session

ANSWER_WITHIN_S: Final = 0.7
ASKED_TIMES: Final = 6
KEEP_ALIVE_S: Final = 10.0
SILENCE_S: Final = 30.0
GOODBYE_WITHIN_S: Final = 1.0

log = structlog.get_logger()


class MqttCarrier:
    """Connects to the broker of an mqtt:// or mqtts:// centre."""

    patience_s = 5.0  # The broker may have dropped a frame, and says nothing about it.
    may_lose = True

    def __init__(
        self,
        *,
        broker: BrokerUrl,
        settings_file: Path | None,
        site: str,
        edge: str,
        token_file: Path,
    ) -> None:
        self.address = str(broker)
        self._broker = broker
        self._settings_file = settings_file
        self._site, self._edge = site, edge
        self._token_file = token_file

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["MqttLine"]:
        """Connect to the broker, and agree with the centre on keys."""
        token = read_token(self._token_file)
        session = Session(self._site, self._edge, secrets.token_hex(16))
        try:
            async with broker_line(
                self._broker, self._settings_file, [down_topic(session)]
            ) as messages:
                line = await _agreed(messages, session, token)
                staying = asyncio.create_task(line.keep_alive(), name="keep alive")
                try:
                    yield line
                finally:
                    staying.cancel()
                    await line.close()
        except BrokerSettingsError as error:
            raise SettingsError(f"{error}.") from error
        except BrokerError as error:
            raise LineClosedError(str(error)) from error


class MqttLine:
    """One session with the centre."""

    def __init__(self, messages: BrokerLine, session: Session, keys: sealing.Keys) -> None:
        self._messages = messages
        self._topic = up_topic(session)
        self._sealer = Sealer(keys.up)
        self._opener = Opener(keys.down)
        self._heard_s = real_monotonic_s()
        self._closed = False
        self._warned = False

    async def send(self, frame: bytes) -> None:
        """Seal a frame and send it."""
        try:
            await self._messages.publish(self._topic, self._sealer.seal(frame))
        except BrokerError as error:
            raise LineClosedError(str(error)) from error

    async def receive(self) -> bytes:
        """Wait for a frame that the centre has sealed."""
        while True:
            frame = await self._opened()
            if frame == sealing.GOODBYE:
                raise LineClosedError("the centre closed the line")
            if frame is not None and frame != sealing.KEEP_ALIVE:
                return frame

    async def keep_alive(self) -> None:
        """Show now and then that the edge is still there."""
        with suppress(LineClosedError):  # Whoever receives notices too.
            while True:
                await asyncio.sleep(KEEP_ALIVE_S)
                await self.send(sealing.KEEP_ALIVE)

    async def close(self) -> None:
        """Say goodbye, if there is still somebody to hear it."""
        if self._closed:
            return
        self._closed = True
        with suppress(LineClosedError, TimeoutError):
            async with asyncio.timeout(GOODBYE_WITHIN_S):
                await self.send(sealing.GOODBYE)

    async def _opened(self) -> bytes | None:
        """Open the next message; None when it was not the centre's."""
        left_s = self._heard_s + SILENCE_S - real_monotonic_s()
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                _, message = await self._messages.receive()
        except TimeoutError as error:
            raise LineClosedError(f"the centre said nothing for {SILENCE_S:g} s") from error
        except BrokerError as error:
            raise LineClosedError(str(error)) from error
        try:
            frame = self._opener.open(message)
        except SealError as error:
            if not self._warned and message[:1] == bytes([sealing.SEALED]):
                self._warned = True
                log.warning("a message that is not the centre's came", reason=str(error))
            return None
        self._heard_s = real_monotonic_s()
        return frame


async def _agreed(messages: BrokerLine, session: Session, token: str) -> MqttLine:
    """Say who we are, and wait until the centre has answered."""
    root = sealing.root_key(sealing.token_hash(token))
    opening = sealing.opening(root, session, sealing.token_id_of(token))
    hint = "is it there, and may it use the same topics?"
    for _ in range(ASKED_TIMES):  # After a restart of the broker we may be there before the centre.
        await messages.publish(up_topic(session), opening)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while True:
                    _, message = await messages.receive()
                    with suppress(SealError):
                        nonce = sealing.nonce_in(root, session, message)
                        return MqttLine(messages, session, sealing.keys_of(root, session, nonce))
                    if message[:1] == bytes([sealing.HINT]):
                        hint = message[1:401].decode(errors="replace")
    raise LineClosedError(f"the centre does not answer over the broker: {hint}")
