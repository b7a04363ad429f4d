"""Where a broker is, and what it asks of whoever comes in: name, password, certificates.

Secrets stand in files of their own, which are read at each connection, so that a password or a
certificate can be renewed without a restart.
"""

import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from telemetry.loopback import is_loopback
from telemetry.model_errors import each_said
from telemetry.tls import Credentials, SSLContext, TlsFilesError, client_context

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


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


class BrokerSecrets(BaseModel):
    """The files with which one comes into a broker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    password_file: Path | None = None
    ca_file: Path | None = None  # Whom to trust; None: whom the system trusts.
    certificate_file: Path | None = None  # Where the broker asks for one.
    key_file: Path | None = None  # None: it is in the certificate's file.

    @model_validator(mode="after")
    def _key_has_a_certificate(self) -> Self:
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("a key_file needs the certificate_file that it belongs to")
        return self

    @property
    def is_about_encryption(self) -> bool:
        """Whether anything here means something on an encrypted connection only."""
        return any((self.ca_file, self.certificate_file, self.key_file))

    def password(self) -> str | None:
        """Read the password that is to be shown; `BrokerSettingsError` where it can't be."""
        path = self.password_file
        if path is None:
            return None
        try:
            password = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BrokerSettingsError(
                f"the password file {path} cannot be read: {error}"
            ) from error
        if not password:
            raise BrokerSettingsError(f"the password file {path} is empty")
        return password

    def encryption(self) -> SSLContext:
        """Trust the system's authorities, or the given one alone; the host's name must fit."""
        shown = None
        if self.certificate_file is not None:
            key = self.key_file or self.certificate_file  # Both may stand in one file.
            shown = Credentials(self.certificate_file, key)
        try:
            return client_context(self.ca_file, shown)
        except TlsFilesError as error:
            raise BrokerSettingsError(
                f"the broker's certificates cannot be used: {error}"
            ) from error


class BrokerSettings(BrokerSecrets):
    """How to come into a broker that lies between edges, gateways and the centre."""

    username: str | None = None
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
