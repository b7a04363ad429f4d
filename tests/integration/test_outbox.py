"""Telling by webhook over real sockets: signed, at least once, each destination by itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import standardwebhooks
from ground import START_US, insert_site, transition
from http_sink import Received, Sink, http_sink
from psycopg import AsyncConnection

from alarms import journal, outbox
from alarms.notify import service
from alarms.notify.destinations import Webhook
from alarms.transition import AlarmState, Change, Transition
from telemetry.clock import MachineClock

SECRET = "whsec_" + "c2lnbmVkIGJ5IHRoZSBzdG9uZXMgb2YgdGhlIGRhbQ=="
RAISED = transition(Change.RAISE, "blue", at_s=0, evidence={"value": 12.0})
RISEN = transition(Change.RISE, "red", at_s=60)
FALLEN = transition(Change.FALL, "blue", at_s=70)
CLEARED = transition(Change.CLEAR, "blue", at_s=80, state=AlarmState.RETURNED_UNACKNOWLEDGED)
ANSWERED = transition(Change.ACKNOWLEDGE, "blue", at_s=90, state=AlarmState.NORMAL)


@pytest.fixture
async def site_id(connection: AsyncConnection) -> int:
    return await insert_site(connection)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with http_sink() as opened:
        yield opened


def destination(folder: Path, url: str, *, key: str = "control-room", **more: Any) -> Webhook:
    secret = folder / "webhook.secret"
    secret.write_text(SECRET + "\n", encoding="ascii")
    return Webhook(id=key, url=url, secret_file=secret, **more)


async def commit(
    connection: AsyncConnection,
    site_id: int,
    destinations: Sequence[Webhook],
    *transitions: Transition,
) -> int:
    async with connection.transaction():
        numbered = await journal.append(connection, site_id, 1, transitions, START_US)
        count = await outbox.enqueue(connection, site_id, numbered, destinations)
        await connection.execute("select pg_notify('groundwatch', 'flush')")
    return count


@asynccontextmanager
async def notifier(dsn: str, *destinations: Webhook, lease_s: float = 30.0) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(
        service.run(dsn, destinations, MachineClock(), stop, lease_s=lease_s)
    )
    try:
        yield
    finally:
        stop.set()
        await running


async def until_all_settled(connection: AsyncConnection) -> None:
    query = "select count(*) from outbox where delivered_at is null and given_up_at is null"
    async with asyncio.timeout(20):
        while (await (await connection.execute(query)).fetchone()) != (0,):
            pass


async def test_a_message_is_signed_and_says_what_happened(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    to = destination(tmp_path, sink.url)
    async with notifier(postgres_dsn, to):
        await commit(connection, site_id, [to], RAISED)
        await sink.until(lambda: len(sink.received) == 1)
        await until_all_settled(connection)

    [message] = sink.received
    said = standardwebhooks.Webhook(SECRET).verify(message.body, message.headers)
    assert said["type"] == "alarm.raise"
    assert said["timestamp"] == "2025-07-01T00:00:00Z"
    data = said["data"]
    assert (data["site"], data["structure"], data["channel"]) == (
        "north-mine",
        "east-slope",
        "crack-1",
    )
    assert (data["level"], data["kind"], data["state"]) == ("blue", "process", "unacknowledged")
    assert data["evidence"] == {"value": 12.0}
    assert "sampled_us" not in data
    [entry] = await journal.read_after(connection, site_id, 0, 10)
    assert entry.told_us is not None
    assert entry.delivered_us is not None
    assert entry.told_us <= entry.delivered_us

    forged = message.body.replace(b"blue", b"none")
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(forged, message.headers)


async def test_who_heard_of_the_worst_hears_of_the_end(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    for_reds = destination(tmp_path, sink.url, key="phone", levels=("red",))
    for_all = destination(tmp_path, sink.url, key="log")
    await commit(connection, site_id, [for_reds, for_all], RAISED, RISEN, FALLEN, CLEARED, ANSWERED)

    rows = await (
        await connection.execute("select destination, number from outbox order by 1, 2")
    ).fetchall()
    assert rows == [("log", n) for n in (1, 2, 4, 5)] + [("phone", n) for n in (2, 4, 5)]


async def test_failures_that_may_pass_are_tried_again_under_one_id(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    answers = iter([(500, {}), (503, {"retry-after": "0"}), (429, {}), (408, {})])
    sink.answer = lambda _: next(answers, (200, {}))
    to = destination(tmp_path, sink.url)
    async with notifier(postgres_dsn, to):
        await commit(connection, site_id, [to], RAISED)
        for tries in range(1, 5):
            await sink.until(lambda tries=tries: len(sink.received) == tries)
            await hurry(connection, tries)
        await sink.until(lambda: len(sink.received) == 5)
        await until_all_settled(connection)

    assert list(sink.tries.values()) == [5]
    assert len({one.body for one in sink.received}) == 1
    rows = await (
        await connection.execute("select tries, delivered_at is not null, last_error from outbox")
    ).fetchall()
    assert rows == [(5, True, None)]


async def hurry(connection: AsyncConnection, tries: int) -> None:
    """Once a try has been recorded as failed, let the next one be due at once."""
    async with asyncio.timeout(20):
        while True:
            cursor = await connection.execute(
                "update outbox set next_try_at = clock_timestamp()"
                " where tries = %s and leased_until is null and delivered_at is null",
                [tries],
            )
            if cursor.rowcount:
                await connection.execute("select pg_notify('groundwatch', 'flush')")
                return


async def test_a_refusal_waits_longer_and_is_given_up_after_days(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    sink.answer = lambda _: (404, {})
    to = destination(tmp_path, sink.url)
    async with notifier(postgres_dsn, to):
        await commit(connection, site_id, [to], RAISED)
        await sink.until(lambda: len(sink.received) == 1)
        waits = (
            "select count(*) from outbox where next_try_at > clock_timestamp() + '29 s'::interval"
        )
        async with asyncio.timeout(20):
            while (await (await connection.execute(waits)).fetchone()) != (1,):
                pass
        await connection.execute("update outbox set enqueued_at = enqueued_at - '4 days'::interval")
        await hurry(connection, 1)
        await until_all_settled(connection)

    rows = await (
        await connection.execute(
            "select given_up_at is not null, delivered_at, last_error from outbox"
        )
    ).fetchall()
    assert rows == [(True, None, "the destination answered 404")]


async def test_nobody_listening_is_tried_until_somebody_does(
    connection: AsyncConnection, site_id: int, postgres_dsn: str, tmp_path: Path
) -> None:
    async with http_sink() as gone:
        url = gone.url
    to = destination(tmp_path, url)
    async with notifier(postgres_dsn, to):
        await commit(connection, site_id, [to], RAISED)
        await hurry(connection, 1)
        async with http_sink(int(url.split(":")[2].split("/")[0])) as back:
            await back.until(lambda: len(back.received) == 1)
            await until_all_settled(connection)


async def test_a_notifier_that_dies_before_marking_sends_again_under_the_same_id(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    to = destination(tmp_path, sink.url)
    await commit(connection, site_id, [to], RAISED)
    # The first notifier claims and sends, and is gone before it could mark anything.
    claimed = await outbox.claim(connection, to.id, lease_s=0.5)
    assert claimed is not None
    assert await outbox.claim(connection, to.id, lease_s=0.5) is None
    sender = service.WebhookSender(to)
    await sender.send(claimed, real_us=MachineClock().now_us())
    await sender.aclose()

    async with notifier(postgres_dsn, to, lease_s=0.5):
        await sink.until(lambda: len(sink.received) == 2)
        await until_all_settled(connection)
    assert list(sink.tries.values()) == [2]


async def test_a_destination_that_hangs_holds_up_no_other(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    async with http_sink() as hanging:
        hanging.answer = lambda _: None
        stuck = destination(tmp_path, hanging.url, key="stuck")
        healthy = destination(tmp_path, sink.url, key="healthy")
        async with notifier(postgres_dsn, stuck, healthy):
            await commit(connection, site_id, [stuck, healthy], RAISED)
            await hanging.until(lambda: len(hanging.received) == 1)
            await commit(connection, site_id, [stuck, healthy], RISEN, CLEARED)
            await sink.until(lambda: len(sink.received) == 3, timeout_s=5)
            assert len(hanging.received) == 1


async def test_after_a_cut_the_reds_come_first(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    to = destination(tmp_path, sink.url)
    blues = [transition(Change.RAISE, "blue", at_s=n, of=f"crack-{n}") for n in range(5)]
    red = transition(Change.RAISE, "red", at_s=9, of="crack-9")
    await commit(connection, site_id, [to], *blues, red)

    async with notifier(postgres_dsn, to):
        await sink.until(lambda: len(sink.received) == 6)
        await until_all_settled(connection)
    levels = [json.loads(one.body)["data"]["level"] for one in sink.received]
    assert levels == ["red", *["blue"] * 5]


async def test_two_notifiers_share_the_work(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    to = destination(tmp_path, sink.url)
    many = [transition(Change.RAISE, "blue", at_s=n, of=f"crack-{n}") for n in range(40)]
    await commit(connection, site_id, [to], *many)

    async with notifier(postgres_dsn, to), notifier(postgres_dsn, to):
        await until_all_settled(connection)
    assert len(sink.tries) == 40
    assert set(sink.tries.values()) == {1}


async def test_the_notifier_comes_back_when_its_connection_is_cut(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    to = destination(tmp_path, sink.url)
    async with notifier(postgres_dsn, to):
        await commit(connection, site_id, [to], RAISED)
        await sink.until(lambda: len(sink.received) == 1)
        await until_all_settled(connection)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'groundwatch notify' and datname = current_database()"
        )
        await commit(connection, site_id, [to], RISEN)
        await sink.until(lambda: len(sink.received) == 2)
        await until_all_settled(connection)


async def test_a_notifier_ends_although_the_database_goes_during_its_last_message(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    to = destination(tmp_path, sink.url)
    stop = asyncio.Event()

    def answer(_: Received) -> tuple[int, dict[str, str]]:
        with psycopg.connect(postgres_dsn, autocommit=True) as other:
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'groundwatch notify' and datname = current_database()"
            )
        stop.set()
        return 204, {}

    sink.answer = answer
    await commit(connection, site_id, [to], RAISED)
    async with asyncio.timeout(20):
        await service.run(postgres_dsn, [to], MachineClock(), stop)

    assert len(sink.received) == 1


async def test_what_is_rolled_back_is_never_told(
    connection: AsyncConnection, site_id: int, sink: Sink, tmp_path: Path
) -> None:
    to = destination(tmp_path, sink.url)

    async def fail_after_enqueueing() -> None:
        async with connection.transaction():
            numbered = await journal.append(connection, site_id, 1, [RAISED], START_US)
            assert await outbox.enqueue(connection, site_id, numbered, [to]) == 1
            await connection.execute("select 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        await fail_after_enqueueing()
    assert await outbox.claim(connection, to.id, lease_s=1) is None


def test_a_rebuilt_store_names_a_message_the_same() -> None:
    one = outbox.message_id_of("north-mine", RAISED.key, "phone")
    assert one == outbox.message_id_of("north-mine", RAISED.key, "phone")
    assert one != outbox.message_id_of("north-mine", RAISED.key, "log")
    assert one != outbox.message_id_of("north-mine", RISEN.key, "phone")


async def test_a_redirect_is_not_followed(
    connection: AsyncConnection, site_id: int, sink: Sink, postgres_dsn: str, tmp_path: Path
) -> None:
    async with http_sink() as elsewhere:

        def redirect(_: Received) -> tuple[int, dict[str, str]]:
            return 302, {"location": elsewhere.url}

        sink.answer = redirect
        to = destination(tmp_path, sink.url)
        async with notifier(postgres_dsn, to):
            await commit(connection, site_id, [to], RAISED)
            await hurry(connection, 1)
            await sink.until(lambda: len(sink.received) == 2)
        assert elsewhere.received == []
