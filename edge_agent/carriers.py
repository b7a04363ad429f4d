"""Which carrier takes an edge's frames to the centre."""

from edge_agent.carrier import Carrier
from edge_agent.settings import EdgeSettings, SettingsError
from edge_agent.websocket_carrier import WebsocketCarrier


def carrier_of(settings: EdgeSettings, site: str) -> Carrier:
    """Make the carrier that the centre's address asks for."""
    if settings.centre.startswith(("ws://", "wss://")):
        return WebsocketCarrier(centre=settings.centre, site=site, token_file=settings.token_file)
    # An edge without a broker need not have its library.
    from carriers.broker import BrokerSettingsError, read_broker_settings, read_broker_url  # noqa: PLC0415
    from edge_agent.mqtt_carrier import MqttCarrier  # noqa: PLC0415

    try:
        broker = read_broker_url(settings.centre)
        read_broker_settings(settings.centre_broker)  # Better to complain now than later.
    except BrokerSettingsError as error:
        raise SettingsError(f"--centre: {error}.") from error
    return MqttCarrier(
        broker=broker,
        settings_file=settings.centre_broker,
        site=site,
        edge=settings.edge,
        token_file=settings.token_file,
    )
