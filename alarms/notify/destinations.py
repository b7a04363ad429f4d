"""Who is told: the destinations file, read whole and checked before anything starts.

[[webhook]]
id = "control-room"
url = "https://alarms.example.org/groundwatch"
secret_file = "control-room.secret"     # beside this file, or an absolute path
levels = ["yellow", "orange", "red"]
"""

import base64
import binascii
import tomllib
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from telemetry.loopback import is_loopback
from telemetry.model_errors import each_said
from telemetry.part import Key
from telemetry.site import Level, LevelName

SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix that the standard prescribes, not a secret
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64  # Standard Webhooks, "Signature scheme".
ALL_LEVELS: tuple[LevelName, ...] = ("blue", "yellow", "orange", "red")


class DestinationsError(Exception):
    """The destinations file cannot be used; the message says what to change."""


class Webhook(BaseModel):
    """An address that takes signed messages over HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Key
    url: str
    secret_file: Path
    levels: Annotated[tuple[LevelName, ...], Field(min_length=1)] = ALL_LEVELS
    plain_http: bool = False  # Says that an unencrypted line to another machine is meant.
    proxy: str | None = None

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(
                "the address must begin with https://, or with http:// on this machine or where "
                "plain_http = true says so, and name a host"
            )
        if parts.username or parts.password:
            raise ValueError("an address holds no password; the signature proves who sends")
        _check_port(parts)
        return url

    @field_validator("proxy")
    @classmethod
    def _is_a_proxy(cls, proxy: str | None) -> str | None:
        parts = urlsplit(proxy or "http://none")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("a proxy is written like http://10.0.0.1:3128")
        _check_port(parts)
        return proxy

    def wants(self, level: Level) -> bool:
        """Tell whether the destination is told of a level."""
        return level.name.lower() in self.levels


def _check_port(parts: SplitResult) -> None:
    """Refuse a port that can't be: no message would ever leave, not even to the others."""
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("a port is a number up to 65535") from error


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    webhook: list[Webhook] = []


def read_destinations(path: Path) -> tuple[Webhook, ...]:
    """Read a destinations file; secrets stay in their own files until a message is signed."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        webhooks = _File.model_validate(document).webhook
    except OSError as error:
        raise DestinationsError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DestinationsError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise DestinationsError(f"{path}: {each_said(error.errors())}") from error

    ids = [webhook.id for webhook in webhooks]
    for webhook in webhooks:
        if ids.count(webhook.id) > 1:
            raise DestinationsError(f"{path}: the id {webhook.id} is used more than once")
        stays_here = is_loopback(urlsplit(webhook.url).hostname or "")
        if not (webhook.url.startswith("https:") or webhook.plain_http or stays_here):
            raise DestinationsError(
                f"{path}: webhook {webhook.id} would send alarms unencrypted to {webhook.url}; "
                "use https://, or write plain_http = true if that line is protected otherwise"
            )
    return tuple(
        webhook.model_copy(update={"secret_file": path.parent / webhook.secret_file})
        for webhook in webhooks
    )


def read_secret(webhook: Webhook) -> str:
    """Read the secret that a webhook's messages are signed with."""
    try:
        secret = webhook.secret_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DestinationsError(
            f"the secret of webhook {webhook.id} cannot be read from {webhook.secret_file}: {error}"
        ) from error
    try:
        size = len(base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True))
    except binascii.Error:
        size = 0
    if not SECRET_BYTES_MIN <= size <= SECRET_BYTES_MAX:
        raise DestinationsError(
            f"{webhook.secret_file} must hold {SECRET_PREFIX} and then {SECRET_BYTES_MIN} to "
            f"{SECRET_BYTES_MAX} random bytes in base64"
        )
    return secret
