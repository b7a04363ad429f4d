"""Which source takes the scans of a bus."""

from collections.abc import Sequence

from edge_agent.polling import BusPolling
from edge_agent.settings import SettingsError
from edge_agent.source import Keep, Source
from telemetry.plan import GroupPlan
from telemetry.site import MODBUS_KINDS, Bus


def source_of(bus: Bus, groups: Sequence[GroupPlan], *, keep: Keep) -> Source:
    """Make the source for a bus; `keep` is handed every scan that it takes."""
    if bus.kind not in MODBUS_KINDS:
        raise SettingsError(
            f"The bus '{bus.id}' is of the kind {bus.kind}, which an edge agent does not read."
        )
    return BusPolling(bus, groups, keep=keep)
