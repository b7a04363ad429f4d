"""Which source takes the scans of a bus."""

from collections.abc import Sequence

from edge_agent.folder import FolderWatching
from edge_agent.polling import BusPolling
from edge_agent.settings import EdgeSettings, SettingsError
from edge_agent.source import Keep, Source
from telemetry.plan import GroupPlan
from telemetry.site import MODBUS_KINDS, Bus


def source_of(
    bus: Bus, groups: Sequence[GroupPlan], *, settings: EdgeSettings, keep: Keep
) -> Source:
    """Make the source for a bus; `keep` is handed every scan that it takes."""
    if bus.folder is not None:
        marks_file = settings.spool.with_name(f"{settings.spool.name}.{bus.id}.marks")
        return FolderWatching(bus, groups, keep=keep, marks_file=marks_file)
    if bus.kind not in MODBUS_KINDS:
        raise SettingsError(
            f"The bus '{bus.id}' is of the kind {bus.kind}, which an edge agent does not read."
        )
    return BusPolling(bus, groups, keep=keep)
