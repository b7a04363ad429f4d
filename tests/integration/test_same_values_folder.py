"""The simulated dam as a logger that writes files: the store has what its registers held."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ingest_bench import fetch, ingest
from psycopg import AsyncConnection
from waiting import until

from edge_agent.agent import run
from edge_agent.settings import EdgeSettings
from simulators.device_server import DeviceServer
from simulators.field import Unit, units_of
from simulators.logger_writing import LoggerTable
from simulators.scenario import demo_site_text, read_scenario
from telemetry.clock import MachineClock, ScenarioClock, instant_us, write_clock_file
from telemetry.conversion import GroupConverter
from telemetry.plan import plan_of
from telemetry.site_file import read_site_text

RATE = 60.0
SCANS_LEAST = 3
ROOT = Path(__file__).parents[2]
SCANS = """
    select scan_group.key as group, time, raw, coalesce(value, raw) as value, quality
    from scan join scan_group using (site_id, group_id)
    where scan.stream_id is not null order by scan_group.group_id, time
"""


def dam_tree() -> dict[str, Any]:
    """The demo mine's site file with nothing in it but the dam."""
    site = read_site_text(demo_site_text(read_scenario("calm"), {}), "demo-site.yaml")
    tree: dict[str, Any] = json.loads(site.model_dump_json(by_alias=True, exclude_none=True))
    tree["buses"] = [bus for bus in tree["buses"] if bus["id"] == "dam-bus"]
    tree["structures"] = [one for one in tree["structures"] if one["kind"] == "tailings_dam"]
    return tree


class Dam:
    """The simulated dam, and what time it is there."""

    def __init__(self, folder: Path) -> None:
        scenario = read_scenario("calm")
        plan = plan_of(read_site_text(demo_site_text(scenario, {}), "demo-site.yaml"))
        self.units = {unit.plan.key: unit for unit in units_of(scenario, plan, "dam", seed=7)}
        self.clock = ScenarioClock(MachineClock().now_us(), scenario.began_us, RATE)
        self.folder = folder
        write_clock_file(folder / "clock.json", self.clock)


@asynccontextmanager
async def modbus_tcp(dam: Dam, tree: dict[str, Any]) -> AsyncIterator[None]:
    server = DeviceServer(list(dam.units.values()), dam.clock.now_us)
    port = await server.start("127.0.0.1", 0)
    tree["buses"][0]["modbus_tcp"] = {"host": "127.0.0.1", "port": port}
    yield
    await server.stop()


@asynccontextmanager
async def folder(dam: Dam, tree: dict[str, Any]) -> AsyncIterator[None]:
    """The dam's loggers write files, and the site file says that a folder is its bus."""
    data = dam.folder / "data"
    data.mkdir()
    tables = [LoggerTable(unit, data, dam.clock.began_us) for unit in dam.units.values()]
    [bus] = tree["buses"]
    del bus["modbus_tcp"]
    bus["folder"] = {"path": str(data), "look_every_s": 0.05}
    for station in (one for structure in tree["structures"] for one in structure["stations"]):
        for group in station.get("scan_groups", ()):
            del group["device_id"]
            time = {"zone": "UTC"}
            group["file"] = {"pattern": f"{group['id']}.dat", "kind": "toa5", "time": time}
            for channel in group["channels"]:
                del channel["register"]
                channel["column"] = channel["id"]
    stop = asyncio.Event()

    async def write() -> None:
        for table in tables:
            table.begin()
        while not stop.is_set():
            for table in tables:
                table.write(dam.clock.now_us())
            await asyncio.wait([stopped], timeout=0.05)

    stopped = asyncio.create_task(stop.wait())
    writing = asyncio.create_task(write())
    yield
    stop.set()
    await writing


@asynccontextmanager
async def edge(dam: Dam, site: Path, port: int, token: str) -> AsyncIterator[None]:
    """The dam's edge agent, at work."""
    (dam.folder / "token").write_text(token, encoding="utf-8")
    settings = EdgeSettings(
        site=site,
        edge="dam-edge",
        centre=f"ws://127.0.0.1:{port}",
        token_file=dam.folder / "token",
        spool=dam.folder / "spool.db",
        clock=dam.folder / "clock.json",
    )
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    yield
    stop.set()
    await running


def check(unit: Unit, rows: list[dict[str, Any]]) -> None:
    """Compare what is stored of a unit with what its registers held at those instants."""
    at_us = np.array([instant_us(row["time"]) for row in rows])
    raw = unit.read(at_us // unit.period_us)
    value, quality = GroupConverter(unit.plan).convert(raw, np.zeros(raw.shape, np.int16))
    np.testing.assert_array_equal(np.array([row["raw"] for row in rows], float), raw)
    np.testing.assert_array_equal(np.array([row["value"] for row in rows], float), value)
    stored = [row["quality"] or [0] * raw.shape[1] for row in rows]
    np.testing.assert_array_equal(np.array(stored), quality)


@pytest.mark.parametrize("way", [modbus_tcp, folder], ids=["modbus_tcp", "folder"])
async def test_a_logger_file_stores_the_same_values_as_modbus(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, way: Any
) -> None:
    dam, tree = Dam(tmp_path), dam_tree()
    async with way(dam, tree):
        site = tmp_path / "site.yaml"
        site.write_text(json.dumps(tree, ensure_ascii=False), encoding="utf-8")
        async with ingest(postgres_dsn, site, clock=dam.clock) as bench:  # type: ignore[arg-type]
            token = await bench.token("dam-edge", "demo-mine")
            async with edge(dam, site, bench.port, token):

                async def enough() -> bool:
                    counts: dict[str, int] = {}
                    for row in await fetch(connection, SCANS):
                        counts[row["group"]] = counts.get(row["group"], 0) + 1
                    return all(counts.get(key, 0) >= SCANS_LEAST for key in dam.units)

                await until(enough)
    rows = await fetch(connection, SCANS)
    for key, unit in dam.units.items():
        of_unit = [row for row in rows if row["group"] == key]
        if way is modbus_tcp:  # A busy machine may be late for a poll, and says so.
            of_unit = [row for row in of_unit if not max(row["quality"] or [0])]
        assert len(of_unit) >= SCANS_LEAST - 1
        check(unit, of_unit)


def test_the_command_writes_files(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "groundwatch.py"), "simulate", "dam"]
    scenario = read_scenario("calm")
    clock = ScenarioClock(MachineClock().now_us() - 60_000_000, scenario.began_us, 1.0)
    write_clock_file(tmp_path / "clock.json", clock)
    running = subprocess.Popen(
        [*command, "--write-file", str(tmp_path / "data"), "--clock", str(tmp_path / "clock.json")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    try:
        assert running.stdout.readline() == "writing 5 files\n"
    finally:
        running.terminate()
        code = running.wait(20)
        running.stdout.close()
    assert code == 0
    files = sorted((tmp_path / "data").glob("*.dat"))
    assert len(files) == 5
    assert all(file.read_text(encoding="utf-8").startswith('"TOA5",') for file in files)
