"""How an edge comes into a broker: the site file says where it is, the settings hold the secrets.

Files are read at each connection, so that a password or a certificate can be renewed without a
restart.
"""

from pathlib import Path

from carriers.acknowledged import BrokerAddress
from edge_agent.settings import EdgeSettings, MqttSettings, SettingsError
from telemetry.loopback import is_loopback
from telemetry.site import Bus
from telemetry.tls import Credentials, SSLContext, TlsFilesError, client_context


class BrokerAccess:
    """Where the broker of a bus is, and what must be shown to come in."""

    def __init__(self, bus: Bus, settings: EdgeSettings, *, site: str) -> None:
        """Take a bus and the edge's settings; raise `SettingsError` where they do not fit."""
        assert bus.mqtt is not None
        self._mqtt = bus.mqtt
        self._secrets = settings.mqtt.get(bus.id, MqttSettings())
        self._client_id = bus.mqtt.client_id or f"groundwatch-{site}-{bus.edge}-{bus.id}"
        self._table = f"[mqtt.{bus.id}]"
        self._bus = bus.id
        if self._secrets.password_file is not None and bus.mqtt.username is None:
            raise SettingsError(
                f"{self._table} names a password_file, but the bus {bus.id} of the site file has "
                "no username: give it one, or take the password out."
            )
        if not bus.mqtt.encrypted and self._secrets.is_about_encryption:
            raise SettingsError(
                f"{self._table} names certificates, but the bus {bus.id} of the site file is not "
                "encrypted: write `encrypted: true` there, or take them out."
            )
        self.address()  # Better to complain now than at the first connection.

    @property
    def shows_password_to_all(self) -> bool:
        """Whether the password would travel unencrypted over a network."""
        has_password = self._secrets.password_file is not None
        return has_password and not self._mqtt.encrypted and not is_loopback(self._mqtt.host)

    def address(self) -> BrokerAddress:
        """Put everything together, secrets freshly read; raise `SettingsError` if one is wrong."""
        password_file = self._secrets.password_file
        return BrokerAddress(
            host=self._mqtt.host,
            port=self._mqtt.port,
            client_id=self._client_id,
            username=self._mqtt.username,
            password=None if password_file is None else self._password_in(password_file),
            encryption=self._encryption() if self._mqtt.encrypted else None,
        )

    def _password_in(self, path: Path) -> str:
        try:
            password = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"The password file {path} cannot be read: {error}.") from error
        if not password:
            raise SettingsError(f"The password file {path} is empty.")
        return password

    def _encryption(self) -> SSLContext:
        """Trust the system's authorities, or the given one alone; the host's name must fit."""
        secrets = self._secrets
        shown = None
        if secrets.certificate_file is not None:
            key = secrets.key_file or secrets.certificate_file  # Both may stand in one file.
            shown = Credentials(secrets.certificate_file, key)
        try:
            return client_context(secrets.ca_file, shown)
        except TlsFilesError as error:
            raise SettingsError(
                f"The certificates of {self._table} cannot be used: {error}"
            ) from error
