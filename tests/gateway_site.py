"""The small mine of `ingest_site`, whose hill is told of by somebody else's gateway."""

from typing import Any

from ingest_site import BEGAN_US, MINUTE_US, group_in, site_document

from telemetry.clock import instant_at

GATEWAY = "hill-box"


def gateway_document() -> dict[str, Any]:
    """The site file: cracks (and a tilt) come from a gateway, all else from the dam's edge."""
    tree = site_document()
    tree["buses"][1] = {"id": "hill-bus", "edge": GATEWAY, "gateway": {}}
    group = group_in(tree, "cracks")
    del group["device_id"]
    (crack,) = group["channels"]
    del crack["register"]
    group["channels"].append({**crack, "id": "tilt", "slot": 1, "limits": []})
    return tree


def at(minute: float) -> str:
    """An instant of the small mine, as a gateway writes it."""
    return instant_at(BEGAN_US + round(minute * MINUTE_US)).isoformat().replace("+00:00", "Z")


def scan(minute: float, **values: float | None) -> dict[str, Any]:
    """One of `scans`."""
    return {"group": "cracks", "time": at(minute), "values": values}


def reading(minute: float, channel: str, value: float | None) -> dict[str, Any]:
    """One of `readings`."""
    return {"channel": channel, "time": at(minute), "value": value}
