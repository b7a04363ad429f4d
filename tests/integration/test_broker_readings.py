"""Readings of gateways over a broker: acknowledged once committed, or in quarantine."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from broker import KINDS, Broker, running_broker
from broker_edge import address_of
from gateway_site import GATEWAY, gateway_document, reading, scan
from ingest_bench import IngestBench, fetch, ingest
from ingest_site import write_site
from peers import peer
from psycopg import AsyncConnection
from waiting import until

from historian.submissions import SubmissionOutcome
from ingest import broker_readings, metrics
from ingest.broker_readings import BrokerReadings
from ingest.callers import callers_pool
from ingest.desk import SiteDesk

TOPIC = f"groundwatch/v1/mine/{GATEWAY}/readings"
ANSWERS = f"groundwatch/v1/mine/{GATEWAY}/answers"
ROWS = """
    select time, revision, raw from scan join scan_group using (site_id, group_id)
    where key = 'cracks' order by time, revision
"""


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with running_broker(request.param, tmp_path / "broker") as running:
        yield running


@pytest.fixture
async def bench(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[IngestBench]:
    async with ingest(postgres_dsn, write_site(tmp_path, gateway_document())) as running:
        yield running


@asynccontextmanager
async def taking(
    bench: IngestBench, broker: Broker, kind: type[BrokerReadings] = BrokerReadings
) -> AsyncIterator[None]:
    """Take readings over a broker."""
    pool = callers_pool(bench.dsn)
    await pool.open()
    readings = kind(pool, bench.desks, bench.clock, address_of(broker), None)
    running = asyncio.create_task(readings.run())
    try:
        # Before it has subscribed for the first time, a broker keeps nothing for it.
        await until(lambda: metrics.BROKER_CONNECTED.labels("gateways")._value.get() == 1)
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])
        await pool.close()
    assert running.cancelled()


class Gateway:
    """Somebody else's program."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def send(self, content: bytes | dict[str, Any], topic: str = TOPIC) -> None:
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        await self._client.publish(topic, payload, qos=1)

    async def answer(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            message = await anext(self._client.messages)
        assert isinstance(message.payload, bytes)
        return json.loads(message.payload)  # type: ignore[no-any-return]


@asynccontextmanager
async def gateway(broker: Broker) -> AsyncIterator[Gateway]:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe(ANSWERS)
        yield Gateway(client)


async def test_readings_are_stored_and_answered(
    broker: Broker, bench: IngestBench, connection: AsyncConnection
) -> None:
    async with gateway(broker) as sender, taking(bench, broker):
        await sender.send({"site": "mine", "scans": [scan(1, crack=4.0, tilt=1.0)]})
        first = await sender.answer()
        await sender.send({"site": "mine", "readings": [reading(1, "crack", 4.0)]})
        again = await sender.answer()

    assert (first["accepted"], first["stored"], first["refused"]) == (True, 1, [])
    assert (again["duplicates"], again["late"]) == (1, 1)
    assert len(first["sha256"]) == 64
    assert [row["raw"] for row in await fetch(connection, ROWS)] == [[4.0, 1.0]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\x00", "malformed_readings"),
        (b"[" * 5000, "malformed_readings"),
        ({"site": "other", "scans": [scan(1, crack=1.0)]}, "wrong_site"),
        ({"site": "mine", "scans": [scan(1, crack=1.0), scan(1, pond=1.0)]}, "wrong_readings"),
        ({"site": "mine", "scans": [scan(1, crack=1.0)], "topic": "dam-edge"}, "unknown_gateway"),
    ],
    ids=range(5),
)
async def test_what_cannot_be_stored_goes_to_quarantine_once(
    content: bytes | dict[str, Any],
    reason: str,
    broker: Broker,
    bench: IngestBench,
    connection: AsyncConnection,
) -> None:
    topic = TOPIC
    if isinstance(content, dict) and "topic" in content:
        topic = TOPIC.replace(GATEWAY, content["topic"])
        content = {key: value for key, value in content.items() if key != "topic"}
    async with gateway(broker) as sender:
        async with taking(bench, broker):
            await sender.send(content, topic)
            await until(lambda: fetch(connection, "select from quarantine"))
            if topic == TOPIC:
                answer = await sender.answer()
                assert (answer["accepted"], answer["reason"]) == (False, reason)
        async with taking(bench, broker):  # The broker has forgotten it.
            await sender.send({"site": "mine", "scans": [scan(2, crack=2.0)]})
            assert (await sender.answer())["stored"] == 1
    (kept,) = await fetch(connection, "select edge, reason, content from quarantine")
    assert kept["reason"] == reason
    if isinstance(content, bytes):
        assert bytes(kept["content"]) == content


async def test_the_broker_keeps_what_is_not_committed(
    broker: Broker, postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    site = write_site(tmp_path, gateway_document())
    async with ingest(postgres_dsn, site) as bench:
        pass  # It knows the site now, and is gone: nobody decides.
    undecided = "select from submission where outcome is null"
    async with gateway(broker) as sender:
        async with taking(bench, broker):
            await sender.send({"site": "mine", "scans": [scan(1, crack=4.0)]})
            await until(lambda: fetch(connection, undecided))
        async with ingest(postgres_dsn, site) as later, taking(later, broker):
            answer = await sender.answer()

    assert (answer["accepted"], answer["duplicates"]) == (True, 1)
    assert len(await fetch(connection, ROWS)) == 1


class SlowAsker(BrokerReadings):
    """Asks what became of a submission, and hears of it only when the flush has said it."""

    async def _outcome(self, desk: SiteDesk, number: int) -> SubmissionOutcome | None:
        if (decided := desk.awaited.get(number)) is not None:
            await asyncio.wait([decided])
        return await super()._outcome(desk, number)


async def test_a_submission_that_is_decided_while_we_ask_is_answered(
    broker: Broker, bench: IngestBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_readings, "LOOK_EVERY_S", 0.0)
    async with gateway(broker) as sender, taking(bench, broker, SlowAsker):
        for number in (1, 2):  # The first must not end those who take the second.
            await sender.send({"site": "mine", "scans": [scan(number, crack=4.0)]})
            assert (await sender.answer())["stored"] == 1


READ_ONLY = """
    create sequence tries;
    create function refuse() returns trigger language plpgsql as $$ begin
        perform nextval('tries');
        raise exception 'read-only' using errcode = 'read_only_sql_transaction';
    end $$;
    create trigger refuse before insert on submission execute function refuse()
"""


async def test_a_store_that_takes_nothing_just_now_is_waited_for(
    broker: Broker, bench: IngestBench, connection: AsyncConnection
) -> None:
    await connection.execute(READ_ONLY)  # As one is from which another has taken over.
    async with gateway(broker) as sender, taking(bench, broker):
        await sender.send({"site": "mine", "scans": [scan(1, crack=4.0)]})
        await until(lambda: fetch(connection, "select from tries where last_value > 1"))
        await connection.execute("drop trigger refuse on submission")
        assert (await sender.answer())["stored"] == 1


async def test_a_submission_that_the_store_has_forgotten_is_handed_in_again(
    broker: Broker, postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """Else it would hold up for ever what is acknowledged after it."""
    site = write_site(tmp_path, gateway_document())
    async with ingest(postgres_dsn, site) as bench:
        pass  # Nobody decides.
    async with gateway(broker) as sender, taking(bench, broker):
        await sender.send({"site": "mine", "scans": [scan(1, crack=4.0)]})
        await until(lambda: fetch(connection, "select from submission"))
        await connection.execute("delete from submission")  # As one is from before it came.
        await until(lambda: fetch(connection, "select from submission"))
        async with ingest(postgres_dsn, site):
            assert (await sender.answer())["stored"] == 1


async def test_mosquittos_own_clients_get_on_with_us(
    bench: IngestBench, connection: AsyncConnection, tmp_path: Path
) -> None:
    publish, subscribe = peer("mosquitto_pub"), peer("mosquitto_sub")
    document = json.dumps({"site": "mine", "scans": [scan(1, crack=4.0)]})
    with running_broker("mosquitto", tmp_path / "broker") as broker:
        where = ["-h", "127.0.0.1", "-p", str(broker.port)]
        async with taking(bench, broker):
            listening = await asyncio.create_subprocess_exec(
                *(subscribe, *where, "-t", ANSWERS, "-C", "1", "-W", "20"),
                stdout=subprocess.PIPE,
            )

            async def answered() -> bool:
                sending = [publish, *where, "-t", TOPIC, "-q", "1", "-m", document]
                await asyncio.to_thread(subprocess.run, sending, check=True, timeout=20)
                return listening.returncode is not None

            await until(answered)
            said, _ = await listening.communicate()
    assert json.loads(said)["accepted"] is True
    assert len(await fetch(connection, ROWS)) == 1
