"""Which source takes the scans of a bus."""

from collections.abc import Sequence

from edge_agent.broker_access import BrokerAccess
from edge_agent.folder import FolderWatching
from edge_agent.mqtt import BrokerListening, readers_of
from edge_agent.polling import BusPolling
from edge_agent.settings import EdgeSettings, SettingsError
from edge_agent.source import Keep, KeepAside, KeepEvents, Source
from telemetry.plan import EventSourcePlan, GroupPlan
from telemetry.site import MODBUS_KINDS, Bus, Site


def source_of(
    bus: Bus,
    groups: Sequence[GroupPlan],
    *,
    site: str,
    settings: EdgeSettings,
    keep: Keep,
    keep_aside: KeepAside,
    keep_events: KeepEvents,
    event_sources: Sequence[EventSourcePlan] = (),
) -> Source:
    """Make the source for a bus; what it takes is handed to the `keep…` at once.

    Raises `SettingsError` when this machine lacks what the bus needs.
    """
    if bus.mqtt is not None:
        access = BrokerAccess(bus, settings, site=site)
        return BrokerListening(
            bus,
            readers_of(site, groups, event_sources),
            access,
            keep=keep,
            keep_aside=keep_aside,
            keep_events=keep_events,
        )
    if bus.folder is not None:
        marks_file = settings.spool.with_name(f"{settings.spool.name}.{bus.id}.marks")
        return FolderWatching(bus, groups, keep=keep, marks_file=marks_file)
    if bus.kind not in MODBUS_KINDS:
        raise SettingsError(
            f"The bus '{bus.id}' is of the kind {bus.kind}, which an edge agent does not read."
        )
    return BusPolling(bus, groups, keep=keep)


def check_settings(site: Site, settings: EdgeSettings) -> None:
    """Raise `SettingsError` when settings are about a bus that this edge does not have."""
    known = sorted(bus.id for bus in site.buses if bus.edge == settings.edge and bus.mqtt)
    for bus_id in settings.mqtt:
        if bus_id not in known:
            raise SettingsError(
                f"The settings have a table [mqtt.{bus_id}], but the edge '{settings.edge}' has "
                f"no MQTT bus of this name; it has {', '.join(known) or 'none'}."
            )
