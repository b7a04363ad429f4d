"""How an edge comes into a broker: the site file says where it is, the settings hold the secrets.

Files are read at each connection, so that a password or a certificate can be renewed without a
restart.
"""

from carriers.acknowledged import BrokerAddress
from carriers.broker_settings import BrokerSecrets, BrokerSettingsError
from edge_agent.settings import EdgeSettings, SettingsError
from telemetry.loopback import is_loopback
from telemetry.site import Bus


class BrokerAccess:
    """Where the broker of a bus is, and what must be shown to come in."""

    def __init__(self, bus: Bus, settings: EdgeSettings, *, site: str) -> None:
        """Take a bus and the edge's settings; raise `SettingsError` where they do not fit."""
        assert bus.mqtt is not None
        self._mqtt = bus.mqtt
        self._secrets = settings.mqtt.get(bus.id, BrokerSecrets())
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
        try:
            return BrokerAddress(
                host=self._mqtt.host,
                port=self._mqtt.port,
                client_id=self._client_id,
                username=self._mqtt.username,
                password=self._secrets.password(),
                encryption=self._secrets.encryption() if self._mqtt.encrypted else None,
            )
        except BrokerSettingsError as error:
            raise SettingsError(f"{self._table}: {error}.") from error
