"""Plans of small scan groups, for the tests of the edge."""

from collections.abc import Sequence
from typing import Any

from telemetry.plan import GroupPlan, plan_of
from telemetry.site import Site


def group_plan(
    registers: Sequence[dict[str, Any]],
    *,
    slots: Sequence[int] | None = None,
    channel: dict[str, Any] | None = None,
    period_s: float = 30.0,
) -> GroupPlan:
    """Plan one group whose channels have these registers, and all of them what else is given."""
    channels = [
        {
            "id": f"channel-{slot}",
            "instrument": "logger",
            "quantity": "displacement",
            "unit": "mm",
            "slot": slot,
            "register": register,
            **(channel or {}),
        }
        for slot, register in zip(slots or range(len(registers)), registers, strict=True)
    ]
    group = {
        "id": "group",
        "period_s": period_s,
        "bus": "bus",
        "device_id": 1,
        "channels": channels,
    }
    station = {
        "id": "station",
        "name": {"en": "Station", "zh": "站"},
        "instruments": [{"id": "logger", "type": "logger"}],
        "scan_groups": [group],
    }
    structure = {
        "id": "slope",
        "kind": "slope",
        "name": {"en": "Slope", "zh": "边坡"},
        "stations": [station],
    }
    site = {
        "site": "test-mine",
        "name": {"en": "Test mine", "zh": "试验矿"},
        "time_zone": "UTC",
        "began_at": "2020-01-01T00:00:00Z",
        "buses": [{"id": "bus", "edge": "edge", "modbus_tcp": {"host": "127.0.0.1"}}],
        "structures": [structure],
    }
    return plan_of(Site.model_validate(site)).groups[0]
