"""An edge with a siren: what tests of local alarms begin with."""

import json
from pathlib import Path
from typing import Any, Protocol

from edge_stage import group, settings_of
from modbus_bench import RELAY_UNIT, Bench

from edge_agent.settings import EdgeSettings
from simulators.relay import orders_in

FAST_S = 0.5


class HasPort(Protocol):
    """Whatever listens as a centre."""

    port: int


def stage(folder: Path, bench: Bench, centre: HasPort, **sounder: Any) -> EdgeSettings:
    """An edge on the machine's own clock, with a level whose siren hangs on the relay module."""
    level = group("level", 1, [0, 1], period_s=FAST_S)
    level["channels"][0]["limits"] = [
        {
            "direction": "high",
            "levels": {"red": 5000.0},
            "deadband": 100.0,
            "on_delay_s": 0,
            "off_delay_s": 0,
            "source": "test, clause 1",
        }
    ]
    settings = settings_of(folder, bench.port, centre, [level])
    site = json.loads(settings.site.read_text(encoding="utf-8"))
    site["sounders"] = [
        {
            "id": "siren",
            "bus": "bus",
            "device_id": RELAY_UNIT,
            "coil": {"reference": "00004"},
            "read_back": {"table": "discrete", "address": 3},
            "structures": ["slope"],
            "from_level": "red",
            **sounder,
        }
    ]
    settings.site.write_text(json.dumps(site), encoding="utf-8")
    return settings.model_copy(update={"clock": None})


def words(log: Path) -> list[str]:
    return [word for _, _, _, word in orders_in(log)]
