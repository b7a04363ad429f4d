"""The edge agent's settings: from the command line, the environment, a TOML file; in that order."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from carriers.broker_settings import BrokerSecrets
from telemetry.model_errors import plain_message
from telemetry.tls import Credentials

PREFIX: Final = "GROUNDWATCH_EDGE_"


class SettingsError(Exception):
    """A setting is missing or wrong; the message is a sentence per setting."""


class EdgeSettings(BaseModel):
    """What one edge agent needs to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: Path  # The site file.
    edge: str
    centre: str  # ws://HOST:PORT or wss://HOST:PORT; mqtt(s)://HOST:PORT is a broker between.
    centre_broker: Path | None = None  # A TOML file: how to come into that broker.
    token_file: Path
    spool: Path
    clock: Path | None = None  # A scenario clock; without it, the machine's own.
    spool_bytes_max: Annotated[int, Field(ge=16 << 20)] = 1 << 30
    # Scans are written and sent together when they are taken within this time.
    collect_s: Annotated[float, Field(gt=0, le=1)] = 0.2
    drain_s: Annotated[float, Field(ge=0, le=60)] = 10.0
    # Of a secured line to the centre itself; those of a broker stand in its own file.
    authority: Path | None = None  # Whose centres are believed; None: whom the system trusts.
    certificate: Path | None = None  # The edge's own.
    key: Path | None = None
    # What is secret about the broker of an MQTT bus, whose user the site file names.
    # By the id of the bus: [mqtt.BUS] in the TOML file, a JSON object in the environment.
    mqtt: dict[str, BrokerSecrets] = Field(default_factory=dict)

    @property
    def credentials(self) -> Credentials | None:
        """What the edge shows of itself, beside its token."""
        if self.certificate is None or self.key is None:
            return None
        return Credentials(self.certificate, self.key)

    @model_validator(mode="after")
    def _files_fit(self) -> Self:
        """A certificate needs its key, and a line that is not secured shows neither."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: give both, or neither")
        if not self.centre.startswith("wss:") and (self.authority or self.certificate):
            raise ValueError(
                "authority, certificate and key are for a secured line: write the centre as wss://"
            )
        return self

    @field_validator("centre")
    @classmethod
    def _is_an_address(cls, centre: str) -> str:
        """Accept what can be connected to, with or without a path before /edge."""
        if not can_be_called(centre):
            raise ValueError(
                f"'{centre}' is not like ws://HOST:PORT or wss://HOST:PORT, "
                "nor like mqtt://HOST:PORT or mqtts://HOST:PORT for a broker"
            )
        return centre.rstrip("/")

    @field_validator("mqtt", mode="before")
    @classmethod
    def _is_an_object(cls, mqtt: object) -> object:
        """Take what the environment holds, which is text."""
        if not isinstance(mqtt, str):
            return mqtt
        try:
            found: object = json.loads(mqtt)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"it is no JSON object of buses: {error}") from error
        return found


def read_settings(
    arguments: Mapping[str, object], environment: Mapping[str, str], config: Path | None = None
) -> EdgeSettings:
    """Put the settings together; raise `SettingsError` when something is missing or wrong.

    What the command line leaves out (None) is looked for in the environment
    (`GROUNDWATCH_EDGE_SITE` and so on), then in the TOML file.
    """
    merged: dict[str, object] = _read_file(config) if config is not None else {}
    merged |= {
        name: environment[PREFIX + name.upper()]
        for name in EdgeSettings.model_fields
        if PREFIX + name.upper() in environment
    }
    merged |= {name: value for name, value in arguments.items() if value is not None}
    try:
        return EdgeSettings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentences(error))) from error


def read_token(path: Path) -> str:
    """Read the token; it is never an argument, because everybody can see those."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"The token file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isascii() or any(letter.isspace() for letter in token):
        raise SettingsError(f"The token file {path} does not hold one token.")
    return token


def can_be_called(address: str) -> bool:
    """Tell whether an address names a host and a port that a connection can be tried with."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna")  # As the resolver does it, later.
        has_port = parts.port != 0
    except ValueError:  # Port 99999, a host like a..b, half an IPv6 address.
        return False
    return parts.scheme in {"ws", "wss", "mqtt", "mqtts"} and bool(host) and has_port


def _read_file(config: Path) -> dict[str, object]:
    try:
        with config.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{config} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config} is not TOML: {error}.") from error


def _sentences(error: ValidationError) -> list[str]:
    sentences: list[str] = []
    for one in error.errors():
        name = ".".join(str(part) for part in one["loc"])
        option = f"--{name.replace('_', '-')}"
        if one["type"] == "missing":
            sentences.append(f"{option} is missing (or {PREFIX}{name.upper()}, or '{name}').")
        elif one["type"] == "extra_forbidden":
            model = BrokerSecrets if one["loc"][0] == "mqtt" else EdgeSettings
            allowed = ", ".join(model.model_fields)
            sentences.append(f"There is no setting '{name}'; allowed are {allowed}.")
        elif not name:
            sentences.append(f"{plain_message(one)}.")
        else:
            sentences.append(f"{option}: {plain_message(one)}.")
    return sentences
