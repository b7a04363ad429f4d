"""One simulated dam, read in every way there is: the database holds the same values.

A way is an async context manager that makes the dam readable and writes into the site's tree
how: `way(dam, tree)`. To add one, write it and put it into `WAYS`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ingest_bench import fetch, ingest
from psycopg import AsyncConnection
from serial_line import serial_line
from waiting import until

from edge_agent.agent import run
from edge_agent.settings import EdgeSettings
from simulators.device_server import DeviceServer
from simulators.field import Unit, units_of
from simulators.scenario import demo_site_text, read_scenario
from telemetry.clock import MachineClock, ScenarioClock, instant_us, write_clock_file
from telemetry.conversion import GroupConverter
from telemetry.plan import plan_of
from telemetry.quality import Quality
from telemetry.site_file import read_site_text

RATE = 60.0  # A scan of the dam every half second.
SCANS_LEAST = 3
SITE = "demo-mine"
SCANS = """
    select scan_group.key as group, time, raw, coalesce(value, raw) as value, quality
    from scan join scan_group using (site_id, group_id) join site using (site_id)
    where site.key = %s and scan.seq is not null order by scan_group.group_id, time
"""


@dataclass
class Dam:
    """The simulated dam: its units, by scan group, and what time it is there."""

    units: dict[str, Unit]
    clock: ScenarioClock
    clock_file: Path
    folder: Path

    @asynccontextmanager
    async def server(self) -> AsyncIterator[DeviceServer]:
        """Its units as a Modbus server that listens nowhere yet."""
        server = DeviceServer(list(self.units.values()), self.clock.now_us)
        try:
            yield server
        finally:
            await server.stop()


Way = Callable[[Dam, dict[str, Any]], AbstractAsyncContextManager[None]]


def as_bus(tree: dict[str, Any], **kind: dict[str, Any]) -> None:
    """Make the dam's bus one of another kind."""
    [bus] = tree["buses"]
    tree["buses"] = [{"id": bus["id"], "edge": bus["edge"], **kind}]


@asynccontextmanager
async def modbus_tcp(dam: Dam, tree: dict[str, Any]) -> AsyncIterator[None]:
    async with dam.server() as server:
        port = await server.start("127.0.0.1", 0)
        as_bus(tree, modbus_tcp={"host": "127.0.0.1", "port": port})
        yield


@asynccontextmanager
async def rtu_over_tcp(dam: Dam, tree: dict[str, Any]) -> AsyncIterator[None]:
    async with dam.server() as server:
        port = await server.start("127.0.0.1", 0, as_rtu=True)
        as_bus(tree, modbus_rtu_over_tcp={"host": "127.0.0.1", "port": port})
        yield


@asynccontextmanager
async def rtu(dam: Dam, tree: dict[str, Any]) -> AsyncIterator[None]:
    with serial_line() as line:
        async with dam.server() as server:
            await server.start_on_line(line.device)
            as_bus(tree, modbus_rtu={"device": line.master})
            yield


WAYS: dict[str, Way] = {"modbus_tcp": modbus_tcp, "rtu_over_tcp": rtu_over_tcp, "rtu": rtu}


@pytest.fixture
def dam(tmp_path: Path) -> Dam:
    scenario = read_scenario("calm")
    plan = plan_of(read_site_text(demo_site_text(scenario, {}), "demo-site.yaml"))
    units = {unit.plan.key: unit for unit in units_of(scenario, plan, "dam", seed=7)}
    clock = ScenarioClock(MachineClock().now_us(), scenario.began_us, RATE)
    write_clock_file(tmp_path / "clock.json", clock)
    return Dam(units, clock, tmp_path / "clock.json", tmp_path)


def dam_tree() -> dict[str, Any]:
    """The demo mine's site file with nothing in it but the dam."""
    site = read_site_text(demo_site_text(read_scenario("calm"), {}), "demo-site.yaml")
    tree: dict[str, Any] = json.loads(site.model_dump_json(by_alias=True, exclude_none=True))
    tree["buses"] = [bus for bus in tree["buses"] if bus["id"] == "dam-bus"]
    tree["structures"] = [one for one in tree["structures"] if one["kind"] == "tailings_dam"]
    return tree


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
        clock=dam.clock_file,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, 20.0)


def was_read(row: dict[str, Any]) -> bool:
    """Whether a scan was read; a busy machine may be late for one, and says so."""
    return not row["quality"] or max(row["quality"]) == Quality.GOOD


def check(unit: Unit, rows: Sequence[dict[str, Any]]) -> None:
    """Compare what is stored of a unit with what its registers held at those instants."""
    at_us = np.array([instant_us(row["time"]) for row in rows])
    raw = unit.read(at_us // unit.period_us)
    value, _ = GroupConverter(unit.plan).convert(raw, np.zeros(raw.shape, np.int16))
    assert (at_us % unit.period_us == 0).all()
    np.testing.assert_array_equal(np.array([row["raw"] for row in rows], float), raw)
    np.testing.assert_array_equal(np.array([row["value"] for row in rows], float), value)


@pytest.mark.parametrize("way", list(WAYS))
async def test_the_same_dam_stores_the_same_values(
    way: str, dam: Dam, postgres_dsn: str, connection: AsyncConnection
) -> None:
    tree = dam_tree()
    async with WAYS[way](dam, tree):
        site = dam.folder / "site.yaml"
        site.write_text(json.dumps(tree), encoding="utf-8")
        async with ingest(postgres_dsn, site, clock=dam.clock) as bench:

            async def enough() -> bool:
                rows = await fetch(connection, SCANS, SITE)
                counts = [
                    sum(row["group"] == key and was_read(row) for row in rows) for key in dam.units
                ]
                return min(counts) >= SCANS_LEAST

            async with edge(dam, site, bench.port, await bench.token("dam-edge", SITE)):
                await until(enough)

    rows = await fetch(connection, SCANS, SITE)
    for key, unit in dam.units.items():
        of_unit = [row for row in rows if row["group"] == key and was_read(row)]
        assert len(of_unit) >= SCANS_LEAST
        check(unit, of_unit)
