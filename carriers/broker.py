"""Connections to an MQTT broker that promise nothing: what is sent may come, once, or not at all.

Messages go with QoS 0, because no promise of a broker is relied upon (decision record 0009).
How to come in is read at each connection (`carriers.broker_settings`).
"""

import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiomqtt

from carriers.broker_settings import BrokerUrl, read_broker_settings
from carriers.waiting import heed_cancellation

KEEPALIVE_S: Final = 15
TIMEOUT_S: Final = 10.0
MESSAGES_HELD_MAX: Final = 2_000  # Come and not yet looked at; what exceeds them is dropped.
# aiomqtt logs each message that it drops, and each of many that wait to be sent; we count them.
QUIET: Final = logging.getLogger("groundwatch.broker")
QUIET.setLevel(logging.CRITICAL)


class BrokerError(Exception):
    """The broker cannot be reached, refuses us, or is gone; the message says which."""


def client_of(address: BrokerUrl, settings_file: Path | None, *, name: str) -> aiomqtt.Client:
    """Make a client that is not connected yet; raise `BrokerSettingsError` if it can't be."""
    settings = read_broker_settings(settings_file)
    return aiomqtt.Client(
        address.host,
        address.port,
        identifier=name,
        username=settings.username,
        password=settings.password(),
        tls_context=settings.encryption() if address.encrypted else None,
        clean_session=True,
        keepalive=KEEPALIVE_S,
        timeout=TIMEOUT_S,
        max_queued_incoming_messages=MESSAGES_HELD_MAX,
        logger=QUIET,
    )


class BrokerLine:
    """One connection to a broker, from its beginning to its end."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._messages = client.messages

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send a message, once; raise `BrokerError` when the line has ended."""
        await _asked(self._client.publish(topic, payload, qos=0))

    async def receive(self) -> tuple[str, bytes]:
        """Wait for the next message; raise `BrokerError` when the line has ended."""
        while True:
            message = await _asked(anext(self._messages))
            if isinstance(message.payload, bytes):
                return message.topic.value, message.payload


@asynccontextmanager
async def broker_line(
    address: BrokerUrl, settings_file: Path | None, topics: Sequence[str]
) -> AsyncIterator[BrokerLine]:
    """Connect to a broker and subscribe."""
    # A name of its own each time: a broker hangs up on the older of two with one name.
    name = f"groundwatch-{secrets.token_hex(8)}"
    client = client_of(address, settings_file, name=name)
    try:
        await _asked(client.__aenter__())
    except BaseException:
        client._client.disconnect()  # noqa: SLF001 - or the socket of a connection half made stays
        raise
    try:
        codes = await _asked(client.subscribe([(topic, 0) for topic in topics]))
        if any(is_refusal(code) for code in codes):
            raise BrokerError(f"the broker does not let us subscribe to {', '.join(topics)}")
        yield BrokerLine(client)
    finally:
        await _left(client)


def is_refusal(code: object) -> bool:
    """Tell whether a broker's answer to a subscription is no."""
    return bool(getattr(code, "is_failure", False)) or code == 128


async def _left(client: aiomqtt.Client) -> None:
    try:
        await client.__aexit__(None, None, None)
    except aiomqtt.MqttError:
        return  # It has hung up before us.


async def _asked(question: Any) -> Any:  # noqa: ANN401 - whatever aiomqtt answers
    try:
        answer = await question
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        raise BrokerError(str(error) or type(error).__name__) from error
    heed_cancellation()  # aiomqtt waits with `asyncio.wait_for`.
    return answer
