"""The simulated dam read over MQTT: the database holds what its registers held.

A way, as in `test_same_values`, is an async context manager that makes the dam readable and
writes into the site's tree how.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broker import KINDS, Broker, running_broker
from ingest_bench import fetch, ingest
from mqtt_edge import agent
from psycopg import AsyncConnection
from waiting import until

from edge_agent.settings import EdgeSettings
from simulators.field import Unit, units_of
from simulators.messages import JsonPublisher, SparkplugPublisher
from simulators.mqtt_device import MqttDevice
from simulators.mqtt_site import mqtt_site_text, node_of
from simulators.scenario import demo_site_text, read_scenario
from telemetry.clock import MachineClock, ScenarioClock, instant_us, write_clock_file
from telemetry.conversion import GroupConverter
from telemetry.plan import plan_of
from telemetry.quality import FIRST_BAD, Quality
from telemetry.site import Site
from telemetry.site_file import read_site_text

RATE = 30.0  # A scan of the dam every second.
SCANS_LEAST = 5
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
    broker: Broker


Way = Callable[[Dam, dict[str, Any]], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def mqtt(dam: Dam, tree: dict[str, Any], *, sparkplug: bool) -> AsyncIterator[None]:
    where = {"host": "127.0.0.1", "port": dam.broker.port}
    text = mqtt_site_text(Site.model_validate(tree), sparkplug=sparkplug, **where)
    tree |= json.loads(text)
    units = list(dam.units.values())
    publisher = (
        SparkplugPublisher(node_of("dam-bus"), units) if sparkplug else JsonPublisher(SITE, units)
    )
    device = MqttDevice(units, publisher, **where)
    publishing = asyncio.create_task(device.run(dam.clock))
    try:
        yield
    finally:
        publishing.cancel()
        with suppress(asyncio.CancelledError):
            await publishing


WAYS: dict[str, Way] = {
    "json": partial(mqtt, sparkplug=False),
    "sparkplug": partial(mqtt, sparkplug=True),
}


@pytest.fixture(params=KINDS)
def dam(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Dam]:
    scenario = read_scenario("calm")
    plan = plan_of(read_site_text(demo_site_text(scenario, {}), "demo-site.yaml"))
    units = {unit.plan.key: unit for unit in units_of(scenario, plan, "dam", seed=7)}
    with running_broker(request.param, tmp_path / "broker") as broker:
        clock = ScenarioClock(MachineClock().now_us(), scenario.began_us, RATE)
        write_clock_file(tmp_path / "clock.json", clock)
        yield Dam(units, clock, tmp_path / "clock.json", tmp_path, broker)


def dam_tree() -> dict[str, Any]:
    """The demo mine's site file with nothing in it but the dam."""
    site = read_site_text(demo_site_text(read_scenario("calm"), {}), "demo-site.yaml")
    tree: dict[str, Any] = json.loads(site.model_dump_json(by_alias=True, exclude_none=True))
    tree["buses"] = [bus for bus in tree["buses"] if bus["id"] == "dam-bus"]
    tree["structures"] = [one for one in tree["structures"] if one["kind"] == "tailings_dam"]
    return tree


def settings_of(dam: Dam, site: Path, port: int, token: str) -> EdgeSettings:
    (dam.folder / "token").write_text(token, encoding="utf-8")
    return EdgeSettings(
        site=site,
        edge="dam-edge",
        centre=f"ws://127.0.0.1:{port}",
        token_file=dam.folder / "token",
        spool=dam.folder / "spool.db",
        clock=dam.clock_file,
    )


def check(unit: Unit, rows: Sequence[dict[str, Any]], *, whole: bool) -> None:
    """Compare what is stored of a unit with what its registers held at those instants.

    What a Sparkplug node says while the edge waits for its birth is only what has changed.
    """
    at_us = np.array([instant_us(row["time"]) for row in rows])
    raw = unit.read(at_us // unit.period_us)
    value, _ = GroupConverter(unit.plan).convert(raw, np.zeros(raw.shape, np.int16))
    assert (at_us % unit.period_us == 0).all()
    assert (np.diff(at_us) == unit.period_us).all()  # None is missing.
    quality = np.array([row["quality"] or [0] * raw.shape[1] for row in rows])
    good = quality < FIRST_BAD
    assert good.all(axis=1).sum() >= (len(rows) if whole else SCANS_LEAST - 1)
    unsaid = [Quality.NO_VALUE, Quality.CONVERSION_FAILED]
    assert np.isin(quality[~good], unsaid).all()
    for column, expected in (("raw", raw), ("value", value)):
        stored = np.array([row[column] for row in rows], float)
        np.testing.assert_array_equal(stored[good], expected[good])


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
                counts = [sum(row["group"] == key for row in rows) for key in dam.units]
                return min(counts) >= SCANS_LEAST

            token = await bench.token("dam-edge", SITE)
            async with agent(settings_of(dam, site, bench.port, token)):
                await until(enough)

    rows = await fetch(connection, SCANS, SITE)
    # A busy machine may make a node look silent, and then what holds is said again in between.
    told = [row for row in rows if not instant_us(row["time"]) % 1_000]
    assert len(rows) - len(told) <= len(rows) // 4
    for key, unit in dam.units.items():
        check(unit, [row for row in told if row["group"] == key], whole=way == "json")
