"""The demo mine whose loggers publish to a broker instead of waiting to be asked.

The same channels with the same conversions; only where the raw numbers come from differs.
"""

import json
from collections.abc import Sequence
from typing import Any

from simulators.event_site import EVENT_SOURCE, MICROSEISMIC_CHANNEL, event_source
from telemetry.site import Site

TOPIC = "groundwatch/{site}/{group}"
TIME_FIELD = "at_ms"
SPARKPLUG_GROUP = "groundwatch"


def topic_of(site: str, group: str) -> str:
    """Name the topic that a logger publishes its scans to."""
    return TOPIC.format(site=site, group=group)


def mqtt_site_text(
    site: Site, *, host: str, port: int, buses: Sequence[str] = (), sparkplug: bool = False
) -> str:
    """Write the MQTT variant of a site file whose buses are Modbus; of all buses, or of some."""
    tree = json.loads(site.model_dump_json(by_alias=True, exclude_none=True))
    changed = [bus for bus in tree["buses"] if not buses or bus["id"] in buses]
    for bus in changed:
        for kind in ("modbus_tcp", "modbus_rtu", "modbus_rtu_over_tcp"):
            bus.pop(kind, None)
        bus["mqtt"] = {"host": host, "port": port}
    names = {bus["id"] for bus in changed}
    for structure in tree["structures"]:
        for station in structure["stations"]:
            for group in station["scan_groups"]:
                if group["bus"] in names:
                    _publish(group, site.site, sparkplug=sparkplug)
                    if not sparkplug and _counts_events(group):
                        topic = topic_of(site.site, EVENT_SOURCE)
                        source = event_source(topic, TIME_FIELD, group["bus"])
                        station["event_sources"] = [source]
    return json.dumps(tree, ensure_ascii=False, indent=1) + "\n"


def _publish(group: dict[str, Any], site: str, *, sparkplug: bool) -> None:
    """Say what the logger of a group publishes: its channels by their ids."""
    del group["device_id"]
    group["message"] = (
        {
            "kind": "sparkplug_b",
            "group": SPARKPLUG_GROUP,
            "node": node_of(group["bus"]),
            "device": group["id"],
        }
        if sparkplug
        else {
            "kind": "json",
            "topic": topic_of(site, group["id"]),
            "time": TIME_FIELD,
            "time_format": "unix_ms",
        }
    )
    for channel in group["channels"]:
        del channel["register"]
        channel["field"] = channel["id"]


def _counts_events(group: dict[str, Any]) -> bool:
    return any(channel["id"] == MICROSEISMIC_CHANNEL for channel in group["channels"])


def node_of(bus: str) -> str:
    """Name the Sparkplug node of a bus."""
    return bus.removesuffix("-bus")
