"""One simulated dam that is read in one way or another, and what the store then holds of it.

A way is an async context manager that makes the dam readable and writes into the site's tree
how: `way(dam, tree)`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ingest_bench import fetch, ingest
from numpy.typing import NDArray
from psycopg import AsyncConnection
from waiting import until

from edge_agent.agent import run
from edge_agent.settings import EdgeSettings
from simulators.device_server import DeviceServer
from simulators.field import Unit, units_of
from simulators.scenario import demo_site_text, read_scenario
from telemetry.clock import MachineClock, ScenarioClock, instant_us, write_clock_file
from telemetry.conversion import GroupConverter
from telemetry.plan import plan_of
from telemetry.site_file import read_site_text

SITE = "demo-mine"
STOP_WITHIN_S = 20.0
# Without what is calculated from it.
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


Row = dict[str, Any]
Way = Callable[[Dam, dict[str, Any]], AbstractAsyncContextManager[None]]


def dam_in(folder: Path, rate: float) -> Dam:
    """Make the dam, whose files are in a folder and whose clock runs at a rate."""
    scenario = read_scenario("calm")
    plan = plan_of(read_site_text(demo_site_text(scenario, {}), "demo-site.yaml"))
    units = {unit.plan.key: unit for unit in units_of(scenario, plan, "dam", seed=7)}
    clock = ScenarioClock(MachineClock().now_us(), scenario.began_us, rate)
    write_clock_file(folder / "clock.json", clock)
    return Dam(units, clock, folder / "clock.json", folder)


def dam_tree() -> dict[str, Any]:
    """The demo mine's site file with nothing in it but the dam."""
    site = read_site_text(demo_site_text(read_scenario("calm"), {}), "demo-site.yaml")
    tree: dict[str, Any] = json.loads(site.model_dump_json(by_alias=True, exclude_none=True))
    tree["buses"] = [bus for bus in tree["buses"] if bus["id"] == "dam-bus"]
    tree["structures"] = [one for one in tree["structures"] if one["kind"] == "tailings_dam"]
    return tree


def as_bus(tree: dict[str, Any], **kind: dict[str, Any]) -> None:
    """Make the dam's bus one of another kind."""
    [bus] = tree["buses"]
    tree["buses"] = [{"id": bus["id"], "edge": bus["edge"], **kind}]


@asynccontextmanager
async def modbus_tcp(dam: Dam, tree: dict[str, Any]) -> AsyncIterator[None]:
    """The way to compare others with."""
    async with dam.server() as server:
        port = await server.start("127.0.0.1", 0)
        as_bus(tree, modbus_tcp={"host": "127.0.0.1", "port": port})
        yield


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
        await asyncio.wait_for(running, STOP_WITHIN_S)


async def stored(
    way: Way,
    dam: Dam,
    *,
    dsn: str,
    connection: AsyncConnection,
    enough: Callable[[Sequence[Row]], bool],  # Of one unit's rows.
) -> dict[str, list[Row]]:
    """Read the dam in a way until there is enough of each unit; return its rows by unit."""
    tree = dam_tree()
    async with way(dam, tree):
        site = dam.folder / "site.yaml"
        site.write_text(json.dumps(tree, ensure_ascii=False), encoding="utf-8")
        async with ingest(dsn, site, clock=dam.clock) as bench:

            async def has_come() -> bool:
                rows = await fetch(connection, SCANS, SITE)
                return all(map(enough, _by_unit(dam, rows).values()))

            async with edge(dam, site, bench.port, await bench.token("dam-edge", SITE)):
                await until(has_come)
    return _by_unit(dam, await fetch(connection, SCANS, SITE))


def _by_unit(dam: Dam, rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {key: [row for row in rows if row["group"] == key] for key in dam.units}


def instants_of(rows: Sequence[Row]) -> NDArray[np.int64]:
    """When rows were sampled."""
    return np.array([instant_us(row["time"]) for row in rows])


def numbers_of(rows: Sequence[Row], column: str) -> NDArray[np.float64]:
    """What a column of rows holds, NaN where there is nothing."""
    return np.array([row[column] for row in rows], float)


def qualities_of(rows: Sequence[Row]) -> NDArray[np.int16]:
    """The qualities of rows, also where all is good and nothing is stored."""
    return np.array([row["quality"] or [0] * len(row["raw"]) for row in rows], np.int16)


def expected(
    unit: Unit, at_us: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int16]]:
    """What the registers of a unit held at instants: raw, value, quality."""
    raw = unit.read(at_us // unit.period_us)
    value, quality = GroupConverter(unit.plan).convert(raw, np.zeros(raw.shape, np.int16))
    return raw, value, quality
