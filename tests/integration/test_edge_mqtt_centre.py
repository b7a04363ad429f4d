"""From a real broker to the real store: what comes twice is there once, and nothing is lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker import KINDS, Broker, running_broker
from ingest_bench import fetch, ingest
from mqtt_edge import agent, device, held_edge, settings_of
from mqtt_plans import mqtt_group, mqtt_site
from psycopg import AsyncConnection
from waiting import until

from carriers.broker_settings import BrokerSecrets
from edge_agent.settings import SettingsError
from edge_agent.sources import check_settings
from telemetry.clock import MachineClock
from telemetry.site import Site
from telemetry.unread import decode_unread

GROUPS = [
    mqtt_group(["p"], {"kind": "json", "topic": "dam/1", "time": "t", "time_format": "unix_ms"})
]
SCANS = "select raw from scan join site using (site_id) where key = %s order by time"
QUARANTINE = """
    select reason, message, content from quarantine join site using (site_id) where key = %s
"""


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with running_broker(request.param, tmp_path / "broker") as running:
        yield running


async def test_twice_is_once_and_broken_is_in_quarantine(
    broker: Broker, tmp_path: Path, postgres_dsn: str, connection: AsyncConnection
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(json.dumps(mqtt_site(GROUPS, {"port": broker.port})), encoding="utf-8")
    now_ms = MachineClock().now_us() // 1000

    def message(n: int) -> str:
        return json.dumps({"t": now_ms + n, "p": n})

    async def stored() -> list[float]:
        return [row["raw"][0] for row in await fetch(connection, SCANS, "test-mine")]

    async with ingest(postgres_dsn, site, clock=MachineClock()) as bench:
        settings = settings_of(tmp_path, broker.port, bench.port, GROUPS)
        settings.token_file.write_text(await bench.token("edge", "test-mine"), encoding="utf-8")
        async with device(broker.port) as client:
            await client.publish("dam/1", message(0), qos=1, retain=True)
            async with agent(settings):
                await until(stored)
            await client.publish("dam/1", message(1), qos=1)
            process = await held_edge(settings, tmp_path, "after")  # Written, not acknowledged.
            process.kill()
            await process.wait()
            async with agent(settings):
                await client.publish("dam/1", "{broken", qos=1)
                await client.publish("dam/1", message(2), qos=1)

                async def all_there() -> bool:
                    aside = await fetch(connection, QUARANTINE, "test-mine")
                    return bool(aside) and (await stored())[-1] == 2

                await until(all_there)

    assert await stored() == [0, 1, 2]
    (aside,) = await fetch(connection, QUARANTINE, "test-mine")
    assert aside["reason"] == "unread"
    assert "the message on dam/1 is no JSON" in aside["message"]
    kept = decode_unread(bytes(aside["content"]))
    assert kept is not None
    assert (kept.source, kept.place, kept.content) == ("bus", "dam/1", b"{broken")


def test_settings_of_a_bus_that_is_not_ours_are_refused(tmp_path: Path) -> None:
    site = Site.model_validate(mqtt_site(GROUPS, {}))
    settings = settings_of(tmp_path, 1883, 1, GROUPS, mqtt={"buss": BrokerSecrets()})
    with pytest.raises(
        SettingsError, match=r"\[mqtt.buss\].* no MQTT bus of this name; it has bus"
    ):
        check_settings(site, settings)
