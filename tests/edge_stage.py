"""An edge agent in this process, between devices and a centre of a test's own."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from centre_double import TOKEN, CentreDouble
from waiting import until

from edge_agent.agent import run
from edge_agent.settings import EdgeSettings
from edge_agent.spool import read_ledger
from telemetry.clock import MachineClock, ScenarioClock, write_clock_file
from telemetry.scan import ScanBlock

RATE = 60.0
PERIOD_S = 30.0  # Half a real second.
BEGAN_US = 1_751_328_000_000_000


def group(name: str, unit: int, addresses: list[int], period_s: float = PERIOD_S) -> dict[str, Any]:
    return {
        "id": name,
        "period_s": period_s,
        "bus": "bus",
        "device_id": unit,
        "channels": [
            {
                "id": f"{name}-{address}",
                "instrument": "logger",
                "quantity": "displacement",
                "unit": "mm",
                "slot": slot,
                "register": {"address": address, "type": "uint16"},
            }
            for slot, address in enumerate(addresses)
        ],
    }


def settings_of(
    folder: Path, port: int, centre: CentreDouble, groups: list[dict[str, Any]]
) -> EdgeSettings:
    site = {
        "site": "test-mine",
        "name": {"en": "Test mine", "zh": "试验矿"},
        "time_zone": "Asia/Shanghai",
        "began_at": "2020-01-01T00:00:00Z",
        "buses": [
            {
                "id": "bus",
                "edge": "edge",
                "modbus_tcp": {"host": "127.0.0.1", "port": port, "timeout_s": 1.0},
            }
        ],
        "structures": [
            {
                "id": "slope",
                "kind": "slope",
                "name": {"en": "Slope", "zh": "边坡"},
                "stations": [
                    {
                        "id": "station",
                        "name": {"en": "Station", "zh": "站"},
                        "instruments": [{"id": "logger", "type": "logger"}],
                        "scan_groups": groups,
                    }
                ],
            }
        ],
    }
    (folder / "site.yaml").write_text(json.dumps(site), encoding="utf-8")
    (folder / "token").write_text(TOKEN + "\n", encoding="utf-8")
    return EdgeSettings(
        site=folder / "site.yaml",
        edge="edge",
        centre=f"ws://127.0.0.1:{centre.port}",
        token_file=folder / "token",
        spool=folder / "spool.db",
        clock=folder / "clock.json",
    )


def begin(settings: EdgeSettings) -> None:
    assert settings.clock is not None
    write_clock_file(settings.clock, ScenarioClock(MachineClock().now_us(), BEGAN_US, RATE))


@asynccontextmanager
async def agent(settings: EdgeSettings) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(running, 20)


async def spooled(settings: EdgeSettings, blocks: int) -> None:
    """Wait until the spool holds so many blocks; a file tells nobody when it grows."""

    def holds_so_many() -> bool:
        with suppress(sqlite3.OperationalError):  # The file is there before its tables are.
            return len(list(read_ledger(settings.spool))) >= blocks
        return False

    await until(holds_so_many)


def readings_of(blocks: list[ScanBlock], name: str) -> tuple[Any, Any, Any]:
    own = [block for block in blocks if block.group == name]
    return (
        np.concatenate([block.sampled_us for block in own]),
        np.vstack([block.raw for block in own]),
        np.vstack([block.quality for block in own]),
    )
