"""The simulated dam read over MQTT: the database holds what its registers held."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broker import KINDS, Broker, running_broker
from psycopg import AsyncConnection
from same_dam import (
    SITE,
    Dam,
    Row,
    dam_in,
    expected,
    instants_of,
    numbers_of,
    qualities_of,
    stored,
)

from simulators.field import Unit
from simulators.messages import JsonPublisher, SparkplugPublisher
from simulators.mqtt_device import MqttDevice
from simulators.mqtt_site import mqtt_site_text, node_of
from telemetry.quality import FIRST_BAD, Quality
from telemetry.site import Site

RATE = 30.0  # A scan of the dam every second.
SCANS_LEAST = 5


@asynccontextmanager
async def mqtt(
    dam: Dam, tree: dict[str, Any], *, broker: Broker, sparkplug: bool
) -> AsyncIterator[None]:
    where = {"host": "127.0.0.1", "port": broker.port}
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


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with running_broker(request.param, tmp_path / "broker") as broker:
        yield broker


def check(unit: Unit, rows: Sequence[Row], *, whole: bool) -> None:
    """Compare what is stored of a unit with what its registers held at those instants.

    What a Sparkplug node says while the edge waits for its birth is only what has changed.
    """
    at_us = instants_of(rows)
    raw, value, _ = expected(unit, at_us)
    assert (at_us % unit.period_us == 0).all()
    assert (np.diff(at_us) == unit.period_us).all()  # None is missing.
    quality = qualities_of(rows)
    good = quality < FIRST_BAD
    assert good.all(axis=1).sum() >= (len(rows) if whole else SCANS_LEAST - 1)
    unsaid = [Quality.NO_VALUE, Quality.CONVERSION_FAILED]
    assert np.isin(quality[~good], unsaid).all()
    for column, held in (("raw", raw), ("value", value)):
        np.testing.assert_array_equal(numbers_of(rows, column)[good], held[good])


@pytest.mark.parametrize("sparkplug", [False, True], ids=["json", "sparkplug"])
async def test_the_same_dam_stores_the_same_values(
    sparkplug: bool, broker: Broker, tmp_path: Path, postgres_dsn: str, connection: AsyncConnection
) -> None:
    dam = dam_in(tmp_path, RATE)
    rows_of = await stored(
        partial(mqtt, broker=broker, sparkplug=sparkplug),
        dam,
        dsn=postgres_dsn,
        connection=connection,
        enough=lambda rows: len(rows) >= SCANS_LEAST,
    )
    # A busy machine may make a node look silent, and then what holds is said again in between.
    told = {key: [row for row in rows if not on_the_way(row)] for key, rows in rows_of.items()}
    count, told_count = (sum(map(len, one.values())) for one in (rows_of, told))
    assert count - told_count <= count // 4
    for key, unit in dam.units.items():
        check(unit, told[key], whole=not sparkplug)


def on_the_way(row: Row) -> bool:
    """Whether a row is of an instant that no device names."""
    return bool(instants_of([row])[0] % 1_000)
