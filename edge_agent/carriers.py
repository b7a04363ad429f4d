"""Which carrier takes an edge's frames to the centre."""

from urllib.parse import urlsplit

import structlog

from carriers.broker_settings import (
    BrokerSettingsError,
    read_broker_settings,
    read_broker_url,
    shows_password_to_all,
)
from edge_agent.carrier import Carrier
from edge_agent.mqtt_carrier import MqttCarrier
from edge_agent.secured_line import SecuredLine
from edge_agent.settings import EdgeSettings, SettingsError
from edge_agent.websocket_carrier import WebsocketCarrier

log = structlog.get_logger()


def carrier_of(settings: EdgeSettings, site: str) -> Carrier:
    """Make the carrier that the centre's address asks for; raise `SettingsError` if it can't be."""
    if urlsplit(settings.centre).scheme in {"ws", "wss"}:
        return WebsocketCarrier(
            centre=settings.centre,
            site=site,
            token_file=settings.token_file,
            secured=SecuredLine.of(settings),
        )
    try:
        broker = read_broker_url(settings.centre)
        secrets = read_broker_settings(settings.centre_broker)  # Better to complain now than later.
    except BrokerSettingsError as error:
        raise SettingsError(f"--centre: {error}.") from error
    if shows_password_to_all(broker, secrets):
        log.warning("the broker's password travels unencrypted; use mqtts://", broker=str(broker))
    return MqttCarrier(
        broker=broker,
        settings_file=settings.centre_broker,
        site=site,
        edge=settings.edge,
        token_file=settings.token_file,
    )
