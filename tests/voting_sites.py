"""A dam whose points vote: two groups, points with blue to red at 1 to 4, and their readings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from engine_sites import BEGAN_US, SECOND_US, channel, limit, plan, scans
from numpy.typing import ArrayLike

from telemetry.plan import SitePlan
from telemetry.scan import JudgedScans

PERIOD_S = 10.0
LEVELS = {"blue": 1.0, "yellow": 2.0, "orange": 3.0, "red": 4.0}


def item(key: str, slot: int, points: Sequence[str], **words: Any) -> dict[str, Any]:
    """An item of points."""
    return {"id": key, "slot": slot, "name": {"en": key, "zh": key}, "points": list(points)} | words


def voting_of(*items: dict[str, Any], **words: Any) -> dict[str, Any]:
    """What a structure says about its votes."""
    return {"every_s": 30.0, "max_age_s": 60.0, "items": list(items), **words}


def voting_dam(groups: Mapping[str, int], voting: dict[str, Any]) -> SitePlan:
    """Groups with so many points each, `a0`, `a1` and so on, 10 m apart along the crest."""
    points = [
        (key, n, f"{key}{n}", 10.0 * (place + 10 * column))
        for column, (key, count) in enumerate(groups.items())
        for place, n in enumerate(range(count))
    ]
    return plan(
        {
            key: [
                channel(name, slot, instrument=f"gauge-{name}", limits=[limit(**LEVELS)])
                for of, slot, name, _ in points
                if of == key
            ]
            for key in groups
        },
        period_s=PERIOD_S,
        instruments=[
            {
                "id": f"gauge-{name}",
                "type": "gauge",
                "position": {"east_m": east_m, "north_m": 0.0, "elevation_m": 0.0},
            }
            for _, _, name, east_m in points
        ],
        voting=voting,
    )


def readings(group: int, at_s: ArrayLike, levels: ArrayLike) -> JudgedScans:
    """Scans at seconds after the beginning, whose values are levels; NaN was not read."""
    at_us = BEGAN_US + np.asarray(at_s, dtype=np.int64) * SECOND_US
    return scans(group, at_us, np.asarray(levels, dtype=np.float64) + 0.1)
