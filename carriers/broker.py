"""Connections to an MQTT broker that promise nothing: what is sent may come, once, or not at all.

Messages go with QoS 0, because no promise of a broker is relied upon (decision record 0009).
What a broker asks of whoever comes in (name, password, certificates) stands in a TOML file of
its own, read at each connection so that it can be renewed without a restart.
"""

import asyncio
import logging
import secrets
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiomqtt
from pydantic import BaseModel, ConfigDict, ValidationError

from telemetry.loopback import is_loopback
from telemetry.model_errors import each_said
from telemetry.tls import Credentials, SSLContext, TlsFilesError, client_context

KEEPALIVE_S: Final = 15
TIMEOUT_S: Final = 10.0
MESSAGES_HELD_MAX: Final = 2_000  # Come and not yet looked at; what exceeds them is dropped.
PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
# aiomqtt logs each message that it drops, and each of many that wait to be sent; we count them.
QUIET: Final = logging.getLogger("groundwatch.broker")
QUIET.setLevel(logging.CRITICAL)


class BrokerError(Exception):
    """The broker cannot be reached, refuses us, or is gone; the message says which."""


class BrokerSettingsError(Exception):
    """An address or a file of settings is wrong; the message says what and how to mend it."""


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Where a broker is."""

    host: str
    port: int
    encrypted: bool

    def __str__(self) -> str:
        """Write it as it was given."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.encrypted else 'mqtt'}://{host}:{self.port}"


class BrokerSettings(BaseModel):
    """How to come into a broker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None  # Whom to trust; None: whom the system trusts.
    certificate_file: Path | None = None  # Where the broker asks for one.
    key_file: Path | None = None  # None: it is in the certificate's file.
    # Of a centre: take readings of gateways as JSON. Who may write to their topics is then the
    # broker's to say, by its access list; it is all that stands for a token.
    take_readings: bool = False


def read_broker_url(text: str) -> BrokerUrl:
    """Read an address such as mqtt://HOST:PORT.

    >>> str(read_broker_url("mqtts://broker.example"))
    'mqtts://broker.example:8883'
    """
    with suppress(ValueError):
        parts = urlsplit(text)
        more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
        if parts.scheme in PORTS and parts.hostname and not more:
            port = parts.port or PORTS[parts.scheme]
            return BrokerUrl(parts.hostname, port, parts.scheme == "mqtts")
    raise BrokerSettingsError(
        f"'{text}' is not like mqtt://HOST:PORT or mqtts://HOST:PORT; "
        "names and passwords stand in the file of the broker's settings"
    )


def read_broker_settings(path: Path | None) -> BrokerSettings:
    """Read how to come into a broker; without a file nothing is shown."""
    if path is None:
        return BrokerSettings()
    try:
        return BrokerSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BrokerSettingsError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        allowed = ", ".join(BrokerSettings.model_fields)
        said = each_said(error.errors())
        raise BrokerSettingsError(f"{path}: {said}; allowed are {allowed}") from error
    except ValueError as error:  # Not TOML, or not UTF-8.
        raise BrokerSettingsError(f"{path} is not TOML: {error}") from error


def shows_password_to_all(broker: BrokerUrl, settings: BrokerSettings) -> bool:
    """Tell whether a password would travel unencrypted over a network."""
    return settings.password_file is not None and not (broker.encrypted or is_loopback(broker.host))


def client_of(address: BrokerUrl, settings_file: Path | None, *, name: str) -> aiomqtt.Client:
    """Make a client that is not connected yet; raise `BrokerSettingsError` if it can't be."""
    settings = read_broker_settings(settings_file)
    return aiomqtt.Client(
        address.host,
        address.port,
        identifier=name,
        username=settings.username,
        password=password_of(settings),
        tls_context=encryption_of(settings) if address.encrypted else None,
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


async def happens_within(event: asyncio.Event, at_most_s: float) -> bool:
    """Wait for an event; tell whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(at_most_s):
            await event.wait()
    return event.is_set()


def heed_cancellation() -> None:
    """End a task that was cancelled although what it awaited did not say so.

    In Python 3.11 `asyncio.wait_for` may swallow a cancellation.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


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


def password_of(settings: BrokerSettings) -> str | None:
    """Read the password that is to be shown."""
    path = settings.password_file
    if path is None:
        return None
    try:
        password = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerSettingsError(f"the password file {path} cannot be read: {error}") from error
    if not password:
        raise BrokerSettingsError(f"the password file {path} is empty")
    return password


def encryption_of(settings: BrokerSettings) -> SSLContext:
    """Trust the system's authorities, or the given one alone; the host's name must fit."""
    shown = None
    if settings.certificate_file is not None:
        key = settings.key_file or settings.certificate_file  # Both may stand in one file.
        shown = Credentials(settings.certificate_file, key)
    try:
        return client_context(settings.ca_file, shown)
    except TlsFilesError as error:
        raise BrokerSettingsError(f"the broker's certificates cannot be used: {error}") from error
