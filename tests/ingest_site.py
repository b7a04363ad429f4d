"""The small mine of the ingest tests, as a site file, and blocks of its scans as edges send them.

Two edges: the dam's reads levels and pressures, the hill's reads cracks. What is calculated
needs both. Periods of a minute are long in real time, so that nobody falls silent by himself.
"""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from telemetry.plan import SitePlan, plan_of
from telemetry.scan import ScanBlock
from telemetry.site_file import read_site_text
from telemetry.wire import encode_block

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
BEGAN_US = 1_751_328_000_000_000  # 2025-07-01T00:00:00Z, a Tuesday
NAN = float("nan")
NAME = {"en": "Small", "zh": "小"}
SOURCE = "Design report, 4.2"


def site_document(site: str = "mine") -> dict[str, Any]:
    """The site file as a tree that a test may change before it is written."""
    tree = {
        "site": site,
        "name": NAME,
        "time_zone": "Asia/Shanghai",
        "began_at": "2020-01-01T00:00:00Z",
        "buses": [
            _bus("dam-bus", "dam-edge"),
            _bus("hill-bus", "hill-edge"),
        ],
        "structures": [
            {
                "id": "dam",
                "kind": "tailings_dam",
                "name": NAME,
                "stations": [
                    {
                        "id": "crest",
                        "name": NAME,
                        "instruments": [{"id": "gauge", "type": "gauge"}],
                        "scan_groups": [
                            _group(
                                "levels",
                                "dam-bus",
                                [
                                    _channel("pond", 0, limits=[_limit(yellow=10.0, red=20.0)]),
                                    _channel("toe", 1, limits=[_limit(blue=5.0)]),
                                ],
                            ),
                            _group(
                                "pressures",
                                "dam-bus",
                                [
                                    _channel("tip", 0, conversion=_linear(0.5)),
                                    _channel("base", 1, range=[-100.0, 1000.0]),
                                ],
                            ),
                        ],
                        "calculated_groups": [
                            {
                                "id": "sums",
                                "period_s": 60,
                                "channels": [
                                    {
                                        "id": "together",
                                        "quantity": "water_level",
                                        "unit": "m",
                                        "slot": 0,
                                        "formula": "pond + crack",
                                        "inputs": {"pond": "pond", "crack": "crack"},
                                        "max_age_s": 180,
                                        "limits": [_limit(orange=100.0)],
                                    }
                                ],
                            }
                        ],
                    }
                ],
            },
            {
                "id": "hill",
                "kind": "slope",
                "name": NAME,
                "stations": [
                    {
                        "id": "scarp",
                        "name": NAME,
                        "instruments": [{"id": "tape", "type": "gauge"}],
                        "scan_groups": [
                            _group(
                                "cracks",
                                "hill-bus",
                                [
                                    _channel(
                                        "crack",
                                        0,
                                        instrument="tape",
                                        limits=[_limit(orange=50.0, on_delay_s=120)],
                                    )
                                ],
                            )
                        ],
                    }
                ],
            },
        ],
    }
    return copy.deepcopy(tree)


def group_in(tree: dict[str, Any], key: str) -> dict[str, Any]:
    """Find a scan group or calculated group in the tree of a site file."""
    found = [
        group
        for structure in tree["structures"]
        for station in structure["stations"]
        for group in (*station["scan_groups"], *station.get("calculated_groups", ()))
        if group["id"] == key
    ]
    return dict_of(found)


def dict_of(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Take the one there is."""
    (only,) = found
    return only


def write_site(folder: Path, tree: dict[str, Any]) -> Path:
    """Write a site file; JSON is YAML too."""
    path = folder / f"{tree['site']}.yaml"
    path.write_text(json.dumps(tree, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def plan_in(tree: dict[str, Any]) -> SitePlan:
    """The plan of a site file's tree."""
    return plan_of(read_site_text(json.dumps(tree), "test"))


def block(
    plan: SitePlan,
    group: str,
    raw: ArrayLike,
    *,
    first: int = 1,
    at_us: Sequence[int] | None = None,
    monotonic_us: Sequence[int] | None = None,
    quality: ArrayLike | None = None,
    site: str | None = None,
    layout: int | None = None,
    in_order: bool = True,
) -> bytes:
    """A block of scans, a minute apart from minute `first` on, as an edge sends it."""
    rows = np.atleast_2d(np.asarray(raw, dtype=np.float64))
    sampled = np.array(
        [BEGAN_US + (first + n) * MINUTE_US for n in range(len(rows))] if at_us is None else at_us
    )
    known = plan.group_by_key.get(group)
    bad = np.where(np.isnan(rows), 101, 0)
    return encode_block(
        ScanBlock(
            site=plan.site.site if site is None else site,
            group=group,
            layout=layout or (known.layout if known is not None else 1),
            sampled_us=sampled,
            monotonic_us=sampled - BEGAN_US if monotonic_us is None else np.array(monotonic_us),
            raw=rows,
            quality=(bad if quality is None else np.asarray(quality)).astype(np.int16),
            in_order=in_order,
        )
    )


def _bus(key: str, edge: str) -> dict[str, Any]:
    return {"id": key, "edge": edge, "modbus_tcp": {"host": "127.0.0.1"}}


def _group(key: str, bus: str, channels: list[dict[str, Any]]) -> dict[str, Any]:
    device = sum(key.encode()) % 256  # One of its own, so that registers do not collide.
    return {"id": key, "period_s": 60, "bus": bus, "device_id": device, "channels": channels}


def _channel(key: str, slot: int, *, instrument: str = "gauge", **words: Any) -> dict[str, Any]:
    return {
        "id": key,
        "instrument": instrument,
        "quantity": "water_level",
        "unit": "m",
        "slot": slot,
        "register": {"address": 2 * slot, "type": "float32"},
        **words,
    }


def _limit(*, on_delay_s: float = 0.0, **levels: float) -> dict[str, Any]:
    return {
        "direction": "high",
        "levels": levels,
        "deadband": 1.0,
        "on_delay_s": on_delay_s,
        "source": SOURCE,
    }


def _linear(gain: float) -> dict[str, Any]:
    return {"kind": "linear", "gain": gain}
