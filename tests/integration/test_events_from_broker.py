"""Events from a real broker through a real edge to the real store: each is there once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broker import KINDS, Broker, running_broker
from event_plans import SOURCE, with_events
from ingest_bench import fetch, ingest
from mqtt_edge import agent, device, held_edge, settings_of
from mqtt_plans import mqtt_site
from psycopg import AsyncConnection
from waiting import until

from telemetry.clock import MachineClock

EVENTS = """
    select event_id, revision, attributes from event join site using (site_id)
    where key = 'test-mine' order by event_id, revision
"""
QUARANTINE = "select message from quarantine join site using (site_id) where key = 'test-mine'"
TOPIC = SOURCE["message"]["topic"]


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with running_broker(request.param, tmp_path / "broker") as running:
        yield running


@pytest.mark.parametrize("place", ["before", "after"])
async def test_each_is_stored_once_though_the_edge_is_killed(
    broker: Broker, tmp_path: Path, postgres_dsn: str, connection: AsyncConnection, place: str
) -> None:
    """Killed before the spool has an event, or after it has but before anybody was told so."""
    tree = with_events(mqtt_site([], {"port": broker.port}))
    site = tmp_path / "site.yaml"
    site.write_text(json.dumps(tree), encoding="utf-8")
    now_ms = MachineClock().now_us() // 1000

    def message(n: int, magnitude: float) -> str:
        return json.dumps({"id": f"e{n}", "t": now_ms + n, "ml": magnitude, "at": [1, 2, 3]})

    async def stored() -> list[tuple[str, int, float]]:
        rows: list[dict[str, Any]] = await fetch(connection, EVENTS)
        return [(one["event_id"], one["revision"], one["attributes"]["magnitude"]) for one in rows]

    async with ingest(postgres_dsn, site, clock=MachineClock()) as bench:
        settings = settings_of(tmp_path, broker.port, bench.port, [])
        settings.site.write_text(json.dumps(tree), encoding="utf-8")
        settings.token_file.write_text(await bench.token("edge", "test-mine"), encoding="utf-8")
        async with device(broker.port) as client:
            await client.publish(TOPIC, message(0, 0.1), qos=1, retain=True)
            async with agent(settings):
                await until(stored)
            await client.publish(TOPIC, message(1, 1.1), qos=1)
            process = await held_edge(settings, tmp_path, place)
            process.kill()
            await process.wait()
            async with agent(settings):
                await client.publish(TOPIC, "{broken", qos=1)
                await client.publish(TOPIC, message(2, 2.1), qos=1)
                await client.publish(TOPIC, message(2, 2.5), qos=1)  # Corrected.

                async def all_there() -> bool:
                    aside = await fetch(connection, QUARANTINE)
                    return bool(aside) and len(await stored()) >= 4

                await until(all_there)

    assert await stored() == [
        ("network/e0", 0, 0.1),
        ("network/e1", 0, 1.1),
        ("network/e2", 0, 2.1),
        ("network/e2", 1, 2.5),
    ]
    (aside,) = await fetch(connection, QUARANTINE)
    assert f"the message on {TOPIC} is no JSON" in aside["message"]
