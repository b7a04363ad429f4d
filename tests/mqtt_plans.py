"""Sites with an MQTT bus, for the tests of decoding and of the edge."""

from collections.abc import Mapping, Sequence
from typing import Any

from telemetry.plan import GroupPlan, plan_of
from telemetry.site import Site


def mqtt_group(
    fields: Sequence[str] | Mapping[int, str],
    message: dict[str, Any],
    *,
    name: str = "group",
    period_s: float = 30.0,
    channel: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A scan group of the bus `bus` whose channels have these fields, by slot."""
    by_slot = fields if isinstance(fields, Mapping) else dict(enumerate(fields))
    return {
        "id": name,
        "period_s": period_s,
        "bus": "bus",
        "message": message,
        "channels": [
            {
                "id": f"{name}-{slot}",
                "instrument": "logger",
                "quantity": "displacement",
                "unit": "mm",
                "slot": slot,
                "field": field,
                **(channel or {}),
            }
            for slot, field in by_slot.items()
        ],
    }


def mqtt_site(groups: Sequence[dict[str, Any]], mqtt: dict[str, Any]) -> dict[str, Any]:
    """A site of one station, whose edge listens to one broker."""
    station = {
        "id": "station",
        "name": {"en": "Station", "zh": "站"},
        "instruments": [{"id": "logger", "type": "logger"}],
        "scan_groups": list(groups),
    }
    structure = {
        "id": "slope",
        "kind": "slope",
        "name": {"en": "Slope", "zh": "边坡"},
        "stations": [station],
    }
    return {
        "site": "test-mine",
        "name": {"en": "Test mine", "zh": "试验矿"},
        "time_zone": "Asia/Shanghai",
        "began_at": "2020-01-01T00:00:00Z",
        "buses": [{"id": "bus", "edge": "edge", "mqtt": {"host": "127.0.0.1", **mqtt}}],
        "structures": [structure],
    }


def mqtt_plan(
    fields: Sequence[str] | Mapping[int, str], message: dict[str, Any], *, period_s: float = 30.0
) -> GroupPlan:
    """The plan of one such group."""
    group = mqtt_group(fields, message, period_s=period_s)
    return plan_of(Site.model_validate(mqtt_site([group], {}))).groups[0]
