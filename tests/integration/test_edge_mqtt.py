"""The edge agent between a real broker and a real websocket."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broker import KINDS, Broker, running_broker
from centre_double import CentreDouble, centre_double
from mqtt_edge import agent, blocks_have, device, held_edge, scans_in, settings_of
from mqtt_plans import mqtt_group
from peers import peer

from edge_agent.settings import EdgeSettings
from edge_agent.spool import read_ledger
from telemetry.quality import Quality
from telemetry.scan import ScanBlock
from telemetry.unread import decode_unread, encode_unread, unread
from telemetry.wire import WireError, decode_block

AT_US = 1_751_328_000_000_000
STAMPED = {"kind": "json", "topic": "dam/1", "time": "t", "time_format": "unix_us"}
ARRIVAL = {"kind": "json", "topic": "dam/now"}
GROUPS = [mqtt_group(["p", "q"], STAMPED), mqtt_group(["p"], ARRIVAL, name="now")]


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with running_broker(request.param, tmp_path / "broker") as running:
        yield running


@pytest.fixture
def any_broker(tmp_path: Path) -> Iterator[Broker]:
    with running_broker("nats", tmp_path / "broker") as running:
        yield running


def message(n: int, **further: Any) -> str:
    return json.dumps({"t": AT_US + n, "p": n, "q": -n, **further})


def good(blocks: list[ScanBlock]) -> list[tuple[int, list[float], list[int]]]:
    return [(at_us - AT_US, raw, quality) for at_us, raw, quality in scans_in(blocks, "group")]


def spooled(settings: EdgeSettings) -> list[ScanBlock]:
    return [decode_block(content) for _, content in read_ledger(settings.spool)]


async def taken_up(centre: CentreDouble, broker: Broker) -> None:
    """Wait until the edge listens: a retained message is given to whoever begins to."""
    async with device(broker.port) as client:
        await client.publish("dam/1", message(0), qos=1, retain=True)
    await centre.wait_until(lambda: centre.scans_of("group") >= 1)


async def test_what_devices_publish_arrives_with_their_instants(
    broker: Broker, tmp_path: Path
) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, broker.port, centre.port, GROUPS)
        async with agent(settings), device(broker.port) as client:
            await taken_up(centre, broker)
            for n in (3, 1, 2):  # Out of order, as devices with a memory do.
                await client.publish("dam/1", message(n), qos=1)
            await client.publish("dam/now", '{"p": 7}', qos=1)
            await centre.wait_until(lambda: blocks_have(centre.blocks, "now", 7.0))
            await centre.wait_until(lambda: centre.scans_of("group") >= 4)
        blocks = centre.blocks

    assert good(blocks) == [(n, [n, -n], [0, 0]) for n in (0, 3, 1, 2)]
    assert {block.group: block.in_order for block in blocks} == {"group": False, "now": True}
    assert spooled(settings) != []


async def test_one_message_may_fill_groups_and_rows(any_broker: Broker, tmp_path: Path) -> None:
    groups = [
        mqtt_group(["p"], STAMPED | {"topic": "dam/#", "rows": "rows"}),
        mqtt_group(["q"], STAMPED | {"topic": "+/1", "rows": "rows"}, name="other"),
    ]
    async with centre_double() as centre:
        settings = settings_of(tmp_path, any_broker.port, centre.port, groups)
        async with agent(settings), device(any_broker.port) as client:
            rows = [{"t": AT_US + n, "p": n, "q": -n} for n in range(1_000)]
            payload = json.dumps({"rows": rows})
            await client.publish("dam/1", payload, qos=1, retain=True)
            await centre.wait_until(lambda: centre.scans_of("other") >= 1_000)
            await centre.wait_until(lambda: centre.scans_of("group") >= 1_000)
        assert [raw for _, raw, _ in good(centre.blocks)][:1_000] == [[n] for n in range(1_000)]
        assert scans_in(centre.blocks, "other")[999] == (AT_US + 999, [-999], [0])


async def test_a_broken_message_holds_up_nobody_and_is_kept_aside(
    broker: Broker, tmp_path: Path
) -> None:
    broken = b'{"t": 1, "p": '
    half = message(2, q="12 kPa").encode()
    async with centre_double() as centre:
        settings = settings_of(tmp_path, broker.port, centre.port, GROUPS)
        async with agent(settings), device(broker.port) as client:
            await taken_up_readable(centre, broker)
            await client.publish("dam/1", broken, qos=1)
            await client.publish("dam/1", half, qos=1)
            await client.publish("dam/1", message(3), qos=1)
            await centre.wait_until(lambda: found_aside(centre) and good_numbers(centre) >= {2, 3})
        (contents,) = centre.contents.values()

    aside = [one for _, content in contents if (one := decode_unread(content)) is not None]
    assert [(one.source, one.place, one.content) for one in aside] == [
        ("bus", "dam/1", broken),
        ("bus", "dam/1", half),
    ]
    assert "is no JSON" in aside[0].reason
    assert "'12 kPa' in the field q (channel group-1)" in aside[1].reason
    rows = {raw[0]: quality for _, raw, quality in scans_in(readable(contents), "group")}
    assert rows[2.0] == [Quality.GOOD, Quality.DEVICE_ERROR]
    assert rows[3.0] == [Quality.GOOD, Quality.GOOD]


def readable(contents: list[tuple[int, bytes]]) -> list[ScanBlock]:
    return [decode_block(content) for _, content in contents if decode_unread(content) is None]


def good_numbers(centre: CentreDouble) -> set[float]:
    return {
        raw[0]
        for contents in centre.contents.values()
        for _, raw, _ in scans_in(readable(contents), "group")
    }


def found_aside(centre: CentreDouble) -> bool:
    (contents,) = centre.contents.values()
    return sum(decode_unread(content) is not None for _, content in contents) >= 2


async def taken_up_readable(centre: CentreDouble, broker: Broker) -> None:
    async with device(broker.port) as client:
        await client.publish("dam/1", message(0), qos=1, retain=True)
    await centre.wait_until(lambda: 0.0 in good_numbers(centre))


def test_the_centre_says_what_the_edge_could_not_read() -> None:
    content = encode_unread(unread("dam-bus", "dam/1", 0, "no JSON", b"\x00" * 2_000_000))
    with pytest.raises(WireError, match="could not read this from dam-bus: no JSON") as caught:
        decode_block(content)
    assert caught.value.reason == "unread"
    assert len(content) <= 1 << 20


async def test_a_retained_message_without_an_instant_tells_nothing(
    any_broker: Broker, tmp_path: Path
) -> None:
    async with device(any_broker.port) as client:
        await client.publish("dam/now", '{"p": 1}', qos=1, retain=True)
    async with centre_double() as centre:
        settings = settings_of(tmp_path, any_broker.port, centre.port, GROUPS)
        async with agent(settings), device(any_broker.port) as client:
            await taken_up(centre, any_broker)
            await client.publish("dam/now", '{"p": 2}', qos=1)
            await centre.wait_until(lambda: blocks_have(centre.blocks, "now", 2.0))
        assert not blocks_have(centre.blocks, "now", 1.0)


async def test_a_broker_that_comes_late_or_dies_is_waited_for(
    broker: Broker, tmp_path: Path
) -> None:
    broker.stop()
    async with centre_double() as centre:
        settings = settings_of(tmp_path, broker.port, centre.port, GROUPS)
        async with agent(settings):
            await centre.wait_until(lambda: centre.connections == 1)
            broker.start()
            await taken_up(centre, broker)
            broker.kill()
            broker.start()
            async with device(broker.port) as client:
                await client.publish("dam/1", message(5), qos=1, retain=True)
            await centre.wait_until(lambda: 5 in numbers(centre))


async def test_what_comes_while_the_edge_is_away_waits_for_it(
    broker: Broker, tmp_path: Path
) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, broker.port, centre.port, GROUPS)
        async with agent(settings):
            await taken_up(centre, broker)
        async with device(broker.port) as client:
            for n in range(1, 51):
                await client.publish("dam/1", message(n), qos=1)
        async with agent(settings):
            await centre.wait_until(lambda: set(numbers(centre)) == set(range(51)))


def numbers(centre: CentreDouble) -> list[int]:
    return [n for n, _, _ in good(centre.blocks)]


@pytest.mark.parametrize("place", ["before", "after"])
async def test_a_kill_between_receipt_and_acknowledgement_loses_nothing(
    broker: Broker, tmp_path: Path, place: str
) -> None:
    async with centre_double() as centre:
        settings = settings_of(tmp_path, broker.port, centre.port, GROUPS)
        async with agent(settings):  # So that the broker knows who is to get what comes.
            await centre.wait_until(lambda: centre.connections == 1)
            await taken_up(centre, broker)
        async with device(broker.port) as client:
            await client.publish("dam/1", message(1), qos=1)
        process = await held_edge(settings, tmp_path, place)
        process.kill()
        await process.wait()
        before = [n for n, _, _ in good(spooled(settings))].count(1)
        assert before == (place == "after")

        async with agent(settings), device(broker.port) as client:
            await client.publish("dam/1", message(2), qos=1)
            # After a commit it is sent once more, for the broker cannot know; the store takes it
            # once, because group and instant are the same.
            await centre.wait_until(lambda: numbers(centre).count(1) >= (1 + before))
            await centre.wait_until(lambda: numbers(centre).count(2) >= 1)

    assert numbers(centre).count(1) == 1 + before
    assert numbers(centre).count(2) == 1


async def test_mosquitto_pub_reaches_the_centre(broker: Broker, tmp_path: Path) -> None:
    publish = peer("mosquitto_pub")
    async with centre_double() as centre:
        settings = settings_of(tmp_path, broker.port, centre.port, GROUPS)
        async with agent(settings):
            process = await asyncio.create_subprocess_exec(
                *(publish, "-h", "127.0.0.1", "-p", str(broker.port)),
                *("-t", "dam/1", "-q", "1", "-r", "-m", message(4)),
            )
            assert await asyncio.wait_for(process.wait(), 20) == 0
            await centre.wait_until(lambda: 4 in numbers(centre))
