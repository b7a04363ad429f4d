"""Edges that deliver over a broker which promises nothing, and which strangers use too."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
from broker import KINDS, Broker, running_broker
from broker_edge import BrokerEdge, Readings, address_of, broker_edge, sessions
from ingest_bench import fetch, ingest
from ingest_site import BEGAN_US, SECOND_US, block, plan_in, site_document, write_site
from psycopg import AsyncConnection
from waiting import until

from carriers.broker import BrokerError, BrokerLine, broker_line
from edge_agent.mqtt_carrier import MqttCarrier
from historian.tokens import revoke_token
from ingest import admission, metrics
from telemetry.clock import instant_us

PLAN = plan_in(site_document())
KILLS = 10
KILLED_AFTER = 400  # Blocks that have been stored since the time before.
BACKLOG_MAX = 300  # Blocks of an edge; who produces waits beyond them.
SCANS = """
    select key, time, revision, raw from scan join scan_group using (site_id, group_id)
    where stream_id is not null
"""
DELIVERED = (
    "select coalesce(sum(upper(r) - lower(r)), 0) as blocks from stream, unnest(delivered) r"
)
EDGES = {"dam-edge": ("levels", 2), "hill-edge": ("cracks", 1)}


def levels(n: int, group: str = "levels", width: int = 2) -> bytes:
    """The n-th block: two scans whose numbers no other block has."""
    rows = [[n + 0.25 * slot + 0.5 * row for slot in range(width)] for row in range(2)]
    at_us = [BEGAN_US + (2 * n + row) * SECOND_US for row in range(2)]
    return block(PLAN, group, rows, at_us=at_us)


async def stored(connection: AsyncConnection) -> Readings:
    rows = await fetch(connection, SCANS)
    assert all(row["revision"] == 0 for row in rows)
    found = {
        (row["key"], instant_us(row["time"])): np.asarray(row["raw"], "<f8").tobytes()
        for row in rows
    }
    assert len(found) == len(rows)
    return found


async def delivered(connection: AsyncConnection) -> int:
    (row,) = await fetch(connection, DELIVERED)
    return int(row["blocks"])


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Broker:
    with running_broker(request.param, tmp_path / "broker") as running:
        yield running


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_killed_ten_times_under_load_loses_nothing(
    kind: str, postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    duplicates = metrics.DUPLICATES.labels("mine")._value.get()
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(running_broker(kind, tmp_path / "broker"))
        bench = await stack.enter_async_context(
            ingest(postgres_dsn, write_site(tmp_path, site_document()))
        )
        await stack.enter_async_context(sessions(bench, broker))
        edges = [
            await stack.enter_async_context(broker_edge(bench, broker, tmp_path, name))
            for name in EDGES
        ]
        done = asyncio.Event()
        loading = [
            asyncio.create_task(produce(edge, done, connection, *EDGES[name]))
            for name, edge in zip(EDGES, edges, strict=True)
        ]
        for _ in range(KILLS):
            before = await delivered(connection)
            await until(lambda before=before: advanced(connection, before + KILLED_AFTER))
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
        done.set()
        sent = sum(await asyncio.gather(*loading))
        for edge in edges:
            async with asyncio.timeout(30):
                await until(edge.spool.is_delivered)
        spooled = {key: raw for edge in edges for key, raw in edge.readings().items()}

    assert len(spooled) == 2 * sent > 2 * KILLED_AFTER * KILLS
    assert await stored(connection) == spooled
    assert metrics.DUPLICATES.labels("mine")._value.get() == duplicates
    assert await fetch(connection, "select from stream where not isempty(declared_lost)") == []


async def produce(
    edge: BrokerEdge, done: asyncio.Event, connection: AsyncConnection, group: str, width: int
) -> int:
    """Put blocks into the spool until done; return how many."""
    n = 0
    while not done.is_set():
        await edge.put(levels(n + more, group, width) for more in range(5))
        n += 5

        async def has_room(n: int = n) -> bool:
            return n - await delivered(connection) // len(EDGES) < BACKLOG_MAX or done.is_set()

        await until(has_room)
    return n


async def advanced(connection: AsyncConnection, blocks: int) -> bool:
    return await delivered(connection) >= blocks


@pytest.fixture
def bench_site(tmp_path: Path) -> Path:
    return write_site(tmp_path, site_document())


async def test_what_strangers_repeat_is_taken_once_and_what_they_write_never(
    broker: Broker, postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, bench_site: Path
) -> None:
    refused = metrics.BROKER_MESSAGES_REFUSED.labels("seal")._value.get()
    async with (
        ingest(postgres_dsn, bench_site) as bench,
        sessions(bench, broker),
        broker_edge(bench, broker, tmp_path) as edge,
        broker_line(address_of(broker), None, ["groundwatch/#"]) as stranger,
    ):
        echoing = asyncio.create_task(echo(stranger))
        for n in range(40):
            await edge.put([levels(n)])
        await until(edge.spool.is_delivered)
        echoing.cancel()
        await asyncio.wait([echoing])
        spooled = edge.readings()

    assert await stored(connection) == spooled
    assert metrics.BROKER_MESSAGES_REFUSED.labels("seal")._value.get() - refused > 40


async def echo(stranger: BrokerLine) -> None:
    """Say everything once more, and once more changed and counted on; but not what we have said."""
    said: set[bytes] = set()
    while True:
        topic, message = await stranger.receive()
        if message in said:
            continue
        counter = int.from_bytes(message[33:41], "big") + 2000
        changed = message[:33] + counter.to_bytes(8, "big") + message[41:-1]
        changed += bytes([message[-1] ^ 1])
        said |= {message, changed}
        for one in (message, changed):
            try:
                await stranger.publish(topic, one)
            except BrokerError:
                return


async def test_a_recorded_session_opens_nothing_later(
    broker: Broker, postgres_dsn: str, tmp_path: Path, bench_site: Path
) -> None:
    recorded: list[tuple[str, bytes]] = []

    async def record(stranger: BrokerLine) -> None:
        while True:
            recorded.append(await stranger.receive())

    async with (
        ingest(postgres_dsn, bench_site) as bench,
        sessions(bench, broker),
        broker_line(address_of(broker), None, ["groundwatch/#"]) as stranger,
    ):
        recording = asyncio.create_task(record(stranger))
        async with broker_edge(bench, broker, tmp_path) as edge:
            await edge.put([levels(1)])
            await until(edge.spool.is_delivered)
        await until(lambda: not bench.parts.callers)
        recording.cancel()
        await asyncio.wait([recording])
        up = [(topic, message) for topic, message in recorded if "/up/" in topic]
        await stranger.publish(*up[0])
        await until(lambda: bench.parts.callers)  # It is asked to prove itself anew.
        refused = metrics.BROKER_MESSAGES_REFUSED.labels("seal")._value
        before = refused.get()
        for topic, message in up[1:]:
            await stranger.publish(topic, message)
        await until(lambda: refused.get() == before + len(up) - 1)
        (stream,) = bench.desks[0].streams.values()
        assert stream.line is None


@pytest.mark.parametrize("of_edge", ["hill-edge", None])
async def test_without_the_edges_own_token_nothing_is_taken(
    of_edge: str | None,
    broker: Broker,
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    bench_site: Path,
) -> None:
    refused = metrics.LINES_REFUSED.labels("unauthorised")._value
    before = refused.get()
    async with ingest(postgres_dsn, bench_site) as bench, sessions(bench, broker):
        token = await bench.token(of_edge) if of_edge else "gw_0123456789ab_nobody"
        async with broker_edge(bench, broker, tmp_path, token=token) as edge:
            await edge.put([levels(1)])
            await until(lambda: refused.get() > before)
            assert not bench.parts.callers
    assert await fetch(connection, SCANS) == []


async def test_a_revoked_token_ends_the_session(
    broker: Broker,
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    bench_site: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "CHECK_CALLERS_EVERY_S", 0.2)
    async with ingest(postgres_dsn, bench_site) as bench, sessions(bench, broker):
        token = await bench.token("dam-edge")
        async with broker_edge(bench, broker, tmp_path, token=token) as edge:
            await edge.put([levels(1)])
            await until(edge.spool.is_delivered)
            await revoke_token(connection, token.split("_")[1])
            await until(lambda: not bench.parts.callers)
            assert [one.line for one in bench.desks[0].streams.values()] == [None]
            await until(lambda: edge.uplink._down == "refused")
            await edge.put([levels(2)])
    assert len(await fetch(connection, SCANS)) == 2


async def test_an_edge_comes_back_when_the_centre_does(
    broker: Broker, postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, bench_site: Path
) -> None:
    async with ingest(postgres_dsn, bench_site) as bench:
        async with sessions(bench, broker), broker_edge(bench, broker, tmp_path) as edge:
            await edge.put([levels(1)])
            await until(edge.spool.is_delivered)
        async with broker_edge(bench, broker, tmp_path) as edge:
            await edge.put([levels(2)])
            async with sessions(bench, broker):
                await until(edge.spool.is_delivered)
    assert len(await fetch(connection, SCANS)) == 4


async def test_frames_that_are_lost_repeated_and_overtaken_are_made_up_for(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    bench_site: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MqttCarrier, "patience_s", 0.3)
    chance = random.Random(1)
    kept: list[tuple[BrokerLine, str, bytes]] = []
    faults: Counter[str] = Counter()
    publish = BrokerLine.publish

    async def badly(broker: BrokerLine, topic: str, payload: bytes) -> None:
        fate = chance.choices(["sent", "lost", "repeated", "overtaken"], [80, 5, 8, 7])[0]
        faults[fate] += 1
        if fate == "overtaken":
            kept.append((broker, topic, payload))
        for _ in range({"sent": 1, "repeated": 2}.get(fate, 0)):
            await publish(broker, topic, payload)
        for late in [kept.pop() for _ in range(len(kept)) if fate == "sent"]:
            await publish(*late)

    monkeypatch.setattr(BrokerLine, "publish", badly)
    with running_broker("nats", tmp_path / "broker") as broker:
        async with (
            ingest(postgres_dsn, bench_site) as bench,
            sessions(bench, broker),
            broker_edge(bench, broker, tmp_path) as edge,
        ):
            for n in range(60):
                await edge.put([levels(n)])
                await until(lambda n=n: advanced(connection, n - 20))
            await until(edge.spool.is_delivered)
            spooled = edge.readings()

    assert await stored(connection) == spooled
    assert min(faults.values()) > 3
