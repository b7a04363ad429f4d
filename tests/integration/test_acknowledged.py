"""Acknowledging by hand: nothing goes back to the broker before it is kept, and all in order.

These tests fail when aiomqtt begins to acknowledge by itself again, or lets us no longer.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from broker import KINDS, Broker, running_broker

from carriers.acknowledged import (
    AcknowledgedLine,
    BrokerAddress,
    Delivery,
    Window,
    acknowledged_line,
)
from carriers.broker import BrokerError
from edge_agent.receipts import Receipts

WITHIN_S = 20.0  # NATS sends again what was not acknowledged for two seconds.


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with running_broker(request.param, tmp_path / "broker") as running:
        yield running


@asynccontextmanager
async def line_to(broker: Broker, window: Window | None = None) -> AsyncIterator[AcknowledgedLine]:
    address = BrokerAddress("127.0.0.1", broker.port, "edge-under-test")
    async with acknowledged_line(address, window or Window()) as line:
        await line.subscribe(["dam/#"])
        yield line


async def publish(broker: Broker, *payloads: str, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for payload in payloads:
            await client.publish("dam/1", payload, qos=1, retain=retain)


async def taken(line: AcknowledgedLine, count: int) -> list[Delivery]:
    """Wait for so many messages."""
    found: list[Delivery] = []
    async with asyncio.timeout(WITHIN_S):
        while len(found) < count:
            await line.wake.wait()
            found += line.take()
    return found


@pytest.mark.parametrize("host", ["broker..example", f"{'b' * 64}.example"])
async def test_a_host_name_that_cannot_be_is_like_one_that_nobody_has(host: str) -> None:
    """It must not end whoever connects: ingest has edges' lines beside the broker's."""
    with pytest.raises(BrokerError, match="label"):
        async with acknowledged_line(BrokerAddress(host, 1883, "centre"), Window()):
            pass


def payloads(deliveries: list[Delivery]) -> list[str]:
    return [one.payload.decode() for one in deliveries]


async def test_what_was_not_kept_comes_again_and_nothing_else(broker: Broker) -> None:
    async with line_to(broker) as line:
        await publish(broker, "a", "b", "c")
        first = await taken(line, 3)
        assert payloads(first) == ["a", "b", "c"]
        assert not any(one.again or one.retained for one in first)
        first[0].done()

    async with line_to(broker) as line:
        again = await taken(line, 2)
        assert sorted(payloads(again)) == ["b", "c"]
        assert all(one.again for one in again)
        for one in again:
            one.done()
        assert await line.finish(WITHIN_S)

    async with line_to(broker) as line:
        await publish(broker, "d")
        assert payloads(await taken(line, 1)) == ["d"]


async def test_acknowledgements_go_out_in_the_order_of_arrival(broker: Broker) -> None:
    async with line_to(broker) as line:
        await publish(broker, "a", "b", "c")
        first = await taken(line, 3)
        first[2].done()
        first[1].done()
        assert not line.settled.is_set()

    async with line_to(broker) as line:  # "a" was never kept, so nothing after it may be.
        assert sorted(payloads(await taken(line, 3))) == ["a", "b", "c"]


async def test_a_delivery_of_an_ended_line_acknowledges_nothing(broker: Broker) -> None:
    async with line_to(broker) as line:
        await publish(broker, "a")
        (old,) = await taken(line, 1)
    async with line_to(broker) as line:
        (new,) = await taken(line, 1)
        assert new.packet_id == old.packet_id
        old.done()  # Its packet id would be valid here, and mean another message.
        assert not line.settled.is_set()
    async with line_to(broker) as line:
        assert payloads(await taken(line, 1)) == ["a"]


async def test_a_message_that_comes_again_is_known(broker: Broker) -> None:
    receipts = Receipts()
    async with line_to(broker) as line:
        await publish(broker, "a", "a")
        first = await taken(line, 2)
        found = [receipts.of(one) for one in first]
        assert [known for _, known in found] == [False, False]  # Equal, and yet two messages.
    kept = [receipt.part() for receipt, _ in found]
    for receipt, _ in found:
        receipt.kept()
    async with line_to(broker) as line:
        again = await taken(line, 2)
        assert [receipts.of(one)[1] for one in again] == [True, True]
        assert not any(one.is_done for one in again)
        for one in kept:
            one()
        assert all(one.is_done for one in again)
        assert await line.finish(WITHIN_S)
    async with line_to(broker) as line:
        await publish(broker, "b")
        assert payloads(await taken(line, 1)) == ["b"]


async def test_too_much_that_waits_is_not_read(broker: Broker) -> None:
    window = Window(messages_max=10)
    sent = [str(n) for n in range(100)]
    async with line_to(broker, window) as line:
        await publish(broker, *sent)
        found: list[str] = []
        waiting: list[Delivery] = []
        while len(found) < len(sent):
            waiting += await taken(line, 1)
            found += payloads(waiting)
            assert window.messages <= 10
            if not window.has_room.is_set():
                for one in waiting:
                    one.done()
                waiting.clear()
            found = list(dict.fromkeys(found))
        assert found == sent


async def test_a_window_is_bounded_in_bytes_too(broker: Broker) -> None:
    window = Window(bytes_max=1_000)
    async with line_to(broker, window) as line:
        await publish(broker, "x" * 600, "y" * 600, "z" * 600)
        first = await taken(line, 2)
        assert not window.has_room.is_set()
        assert line.take() == []
        for one in first:
            one.done()
        assert payloads(await taken(line, 1)) == ["z" * 600]


async def test_a_retained_message_says_so(broker: Broker) -> None:
    await publish(broker, "a", retain=True)
    async with line_to(broker) as line:
        (one,) = await taken(line, 1)
        assert one.retained


async def test_a_broker_that_dies_ends_the_line(broker: Broker) -> None:
    async with line_to(broker) as line:
        broker.kill()
        async with asyncio.timeout(WITHIN_S):
            await line.wake.wait()
        with pytest.raises(BrokerError, match="was lost"):
            line.take()
    with pytest.raises(BrokerError):
        async with line_to(broker):
            pass


async def test_what_nobody_took_leaves_the_window(broker: Broker) -> None:
    window = Window()
    async with line_to(broker, window) as line:
        await publish(broker, "a", "b")
        async with asyncio.timeout(WITHIN_S):
            while window.messages < 2:
                await line.wake.wait()
                line.wake.clear()
    assert (window.messages, window.bytes) == (0, 0)


async def test_aiomqtt_alone_would_acknowledge_at_once(broker: Broker) -> None:
    """Why all this is needed; when it fails, `carriers/acknowledged.py` may become simpler."""

    @asynccontextmanager
    async def plain() -> AsyncIterator[aiomqtt.Client]:
        async with aiomqtt.Client(
            "127.0.0.1", broker.port, identifier="plain", clean_session=False
        ) as client:
            await client.subscribe("dam/#", qos=1)
            yield client

    async with plain() as client:
        await publish(broker, "a")
        await anext(client.messages)
    async with plain() as client:
        await publish(broker, "b")
        assert (await anext(client.messages)).payload == b"b"


async def test_a_host_that_is_no_name_is_told_like_one_that_is_not_there() -> None:
    """Anything else would end the whole edge agent."""
    with pytest.raises(BrokerError, match="label empty"):
        async with acknowledged_line(BrokerAddress("a..b", 1883, "edge-under-test"), Window()):
            pass
