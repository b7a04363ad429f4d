"""The live line over real sockets: nothing lost, the latest wins, and nobody waits for another."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from api_centre import SITE, Centre, running_centre
from ground import START_US, transition
from live_lines import TIMEOUT_S, closing, hear, line, numbers, raises, subscribe
from psycopg.errors import DiskFull
from websockets.exceptions import InvalidStatus

from alarms import journal
from alarms.transition import Change
from api import live_feed
from api.parts import LONG_POOL_MAX
from historian import tokens
from historian.connection import connect as connect_database


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


async def test_an_alarm_arrives_with_its_entry_and_how_it_stands(centre: Centre) -> None:
    async with line(centre, {"alarms": True, "cursor": None}) as opened:
        hello = await hear(opened, "hello")
        assert (hello["rate"], hello["cursor"]) == (1.0, {SITE: 0})
        await centre.flush(
            transition(Change.RAISE, "blue", at_s=0, of="crack-1-opening", evidence={"value": 12})
        )
        message = await hear(opened, "alarm")

    assert message["cursor"] == {SITE: 1}
    assert message["entry"]["change"] == "raise"
    assert message["entry"]["stored_at"] is not None
    assert message["alarm"]["state"] == "unacknowledged"
    assert message["alarm"]["evidence"] == {"value": 12}


async def test_an_alarm_says_how_fresh_its_channel_is(centre: Centre) -> None:
    await centre.flush(scans=[centre.scan("cracks", [1.0])])
    async with line(centre, {"cursor": None}) as opened:
        await hear(opened, "hello")
        await centre.flush(transition(Change.RAISE, "blue", at_s=0, of="crack-1-opening"))
        known = await hear(opened, "alarm")
        raised = transition(Change.RAISE, "blue", at_s=0, of="p-101-pressure")
        await centre.flush(raised, scans=[centre.scan("piezometers", [50.0, 8.0, 1.0, 2.0])])
        begun = await hear(opened, "alarm")
    assert known["alarm"]["freshness"] == "fresh"
    assert begun["alarm"]["freshness"] == "fresh"


async def test_alarms_arrive_although_their_push_cannot_be_recorded(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        raise DiskFull("no space left on device")

    monkeypatch.setattr(journal, "mark_pushed", full)
    async with line(centre, {"cursor": None}) as opened:
        await hear(opened, "hello")
        await centre.flush(*raises(1))
        assert await numbers(opened, 1) == [1]
        await centre.flush(*raises(1, begin=1))
        async with asyncio.timeout(3):
            assert await numbers(opened, 2) == [2]


async def test_no_alarm_is_lost_over_a_cut(centre: Centre) -> None:
    await centre.flush(*raises(3))
    async with line(centre, {"cursor": {SITE: 0}}) as first:
        assert await numbers(first, 3) == [1, 2, 3]
    await centre.flush(*raises(4, begin=3))
    async with line(centre, {"cursor": {SITE: 3}}) as second:
        assert await numbers(second, 7) == [4, 5, 6, 7]
        await centre.flush(*raises(1, begin=7))
        assert await numbers(second, 8) == [8]


async def test_a_client_far_behind_catches_up_from_the_store(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live_site.ENTRIES_KEPT", 5)
    async with line(centre, {"cursor": None}) as ahead, line(centre) as behind:
        await hear(ahead, "hello")
        await centre.flush(*raises(300))
        assert await numbers(ahead, 300) == list(range(1, 301))
        await subscribe(behind, cursor={SITE: 0})
        await centre.flush(*raises(20, begin=300))
        assert await numbers(behind, 320) == list(range(1, 321))


async def test_many_flushes_at_once_arrive_complete_and_in_order(centre: Centre) -> None:
    async with line(centre, {"cursor": {SITE: 0}}) as one, line(centre, {"cursor": None}) as two:
        await hear(one, "hello")
        await hear(two, "hello")
        for n in range(40):
            await centre.flush(*raises(3, begin=3 * n))
        assert await numbers(one, 120) == list(range(1, 121))
        assert await numbers(two, 120) == list(range(1, 121))


async def test_readings_arrive_and_the_latest_wins(centre: Centre) -> None:
    await centre.flush(scans=[centre.scan("cracks", [1.0])])
    wish = {"alarms": False, "channels": ["crack-1-opening"]}
    async with line(centre, wish) as opened:
        first = await hear(opened, "values")
        assert [row["value"] for row in first["values"]] == [1.0]
        for n in range(2, 30):
            at_us = START_US + n
            scans = [
                centre.scan("cracks", [float(n)], at_us=at_us),
                centre.scan("piezometers", [0.0] * 4, at_us=at_us),
            ]
            await centre.flush(scans=scans)
        seen: list[float] = []
        while not seen or seen[-1] != 29.0:
            rows = (await hear(opened, "values"))["values"]
            assert [row["channel"] for row in rows] == ["crack-1-opening"]
            seen.append(rows[0]["value"])
    assert seen == sorted(seen)


async def test_a_level_that_stands_is_shown_with_the_reading(centre: Centre) -> None:
    await centre.flush(scans=[centre.scan("cracks", [1.0])])
    async with line(centre, {"channels": ["crack-1-opening"]}) as opened:
        assert (await hear(opened, "values"))["values"][0]["level"] == 0
        await centre.flush(transition(Change.RAISE, "yellow", at_s=1, of="crack-1-opening"))
        message = await hear(opened, "values")
    assert message["values"][0]["level"] == 2


async def test_subscribing_to_all_shows_also_what_has_never_come(centre: Centre) -> None:
    async with line(centre, {"channels": "all"}) as opened:
        rows = (await hear(opened, "values"))["values"]
    assert {row["channel"] for row in rows} == centre.plan.channel_by_key.keys()
    assert {row["freshness"] for row in rows} == {"unknown"}


async def test_a_subscription_can_be_changed_without_losing_the_cursor(centre: Centre) -> None:
    async with line(centre, {"cursor": {SITE: 0}, "channels": []}) as opened:
        await hear(opened, "hello")
        await centre.flush(*raises(2))
        assert await numbers(opened, 2) == [1, 2]
        await subscribe(opened, channels="all", cursor=None)
        assert (await hear(opened, "hello"))["cursor"] == {SITE: 2}
        await centre.flush(*raises(1, begin=2))
        assert await numbers(opened, 3) == [3]


async def test_a_cursor_from_a_former_store_is_corrected(centre: Centre) -> None:
    await centre.flush(*raises(2))
    async with line(centre, {"cursor": {SITE: 99}}) as opened:
        assert (await hear(opened, "hello"))["cursor"] == {SITE: 2}
        await centre.flush(*raises(1, begin=2))
        assert await numbers(opened, 3) == [3]


async def test_the_heartbeat_tells_the_cursor_too(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.live_client.BEAT_S", 0.05)
    await centre.flush(*raises(2))
    async with line(centre) as opened:
        assert (await hear(opened, "clock"))["cursor"] == {}
        await subscribe(opened, cursor={SITE: 1})
        await numbers(opened, 2)
        beat = await hear(opened, "clock")
    assert beat["cursor"] == {SITE: 2}
    assert beat["now_at"].startswith("2025-07-01T")


async def test_pushed_is_recorded_at_the_first_hand_over(centre: Centre) -> None:
    await centre.flush(*raises(1))
    query = "select number, pushed_at from journal_instant"
    async with line(centre, {"cursor": {SITE: 0}}) as opened:
        await numbers(opened, 1)
        first = await until_rows(centre, query)
    async with line(centre, {"cursor": {SITE: 0}}) as again:
        await numbers(again, 1)
        await centre.flush(*raises(1, begin=1))
        await numbers(again, 2)
        both = await until_rows(centre, query, count=2)
    assert both[0] == first[0]


async def until_rows(centre: Centre, query: str, *, count: int = 1) -> list[tuple[Any, ...]]:
    async with asyncio.timeout(TIMEOUT_S):
        while len(rows := await centre.fetch(query)) < count:
            pass
    return sorted(rows)


async def test_a_lost_wake_up_delays_no_more_than_a_second(centre: Centre) -> None:
    async with line(centre, {"cursor": None}) as opened:
        await hear(opened, "hello")
        await centre.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'groundwatch api wake-ups'"
            " and datname = current_database()"
        )
        await centre.flush(*raises(1))
        async with asyncio.timeout(3):
            assert await numbers(opened, 1) == [1]


async def test_long_questions_hold_up_no_alarm(centre: Centre, postgres_dsn: str) -> None:
    waiting = (
        "select count(*) from pg_stat_activity"
        " where wait_event_type = 'Lock' and datname = current_database()"
    )
    async with (
        line(centre, {"cursor": None}) as opened,
        centre.client(centre.viewer) as client,
        await connect_database(postgres_dsn, name="lock", autocommit=True) as other,
    ):
        await hear(opened, "hello")
        async with other.transaction():
            await other.execute("lock table scan in access exclusive mode")
            history = f"/api/v1/sites/{SITE}/channels/crack-1-opening/history"
            asking = [asyncio.create_task(client.get(history)) for _ in range(16)]
            async with asyncio.timeout(TIMEOUT_S):
                while (await centre.fetch(waiting))[0][0] < LONG_POOL_MAX:
                    pass
            await centre.flush(*raises(1))
            async with asyncio.timeout(1):
                assert await numbers(opened, 1) == [1]
        await asyncio.gather(*asking)


@asynccontextmanager
async def frozen_line(centre: Centre) -> AsyncIterator[None]:
    """A line that is opened by hand and never read from again.

    To be left while the server runs: unless we hang up, its end stays open for what is unsent.
    """
    with socket.socket() as raw:
        await freeze(raw, centre)
        yield


async def freeze(raw: socket.socket, centre: Centre) -> None:
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", centre.settings.port))
    request = (
        f"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{centre.settings.port}\r\n"
        f"Authorization: Bearer {centre.viewer}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await loop.sock_sendall(raw, request.encode())
    answer = await loop.sock_recv(raw, 4096)
    assert answer.startswith(b"HTTP/1.1 101")
    wish = json.dumps(
        {"subscribe": {"site": SITE, "channels": "all", "cursor": {SITE: 0}}}
    ).encode()
    mask = bytes(4)  # Masking with zeros leaves the bytes as they are.
    await loop.sock_sendall(raw, bytes([0x81, 0x80 | len(wish)]) + mask + wish)


async def test_a_frozen_client_blocks_nobody_and_is_cut(postgres_dsn: str, tmp_path: Path) -> None:
    fat = {"note": "x" * 20_000}
    async with (
        running_centre(postgres_dsn, tmp_path, send_timeout_s=1.0) as centre,
        frozen_line(centre),
        line(centre, {"cursor": None}) as healthy,
        centre.client(centre.viewer) as client,
    ):
        await hear(healthy, "hello")
        for n in range(60):
            step = transition(Change.RAISE, "blue", at_s=n, of=f"crack-{n}", evidence=fat)
            await centre.flush(step)
            async with asyncio.timeout(3):  # While the frozen one takes nothing.
                assert await numbers(healthy, n + 1) == [n + 1]
        async with asyncio.timeout(TIMEOUT_S):
            while 'live_clients_cut_total{reason="1013"} 1.0' not in (
                (await client.get("/metrics")).text
            ):
                pass
        assert "groundwatch_live_clients 1.0" in (await client.get("/metrics")).text


async def test_a_revoked_token_ends_its_open_line(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "TOKEN_CHECK_S", 0.0)
    async with line(centre, {"cursor": None}) as opened:
        await hear(opened, "hello")
        token_id = tokens.token_id_of(centre.viewer)
        assert token_id is not None
        await tokens.revoke_token(centre.connection, token_id)
        assert await closing(opened) == (1008, "the token has expired or was revoked")


async def test_who_joins_while_tokens_are_checked_is_not_cut(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    checking, joined = asyncio.Event(), asyncio.Event()
    check = tokens.still_valid

    async def slow_check(conn: Any, token_ids: list[str]) -> set[str]:
        valid = await check(conn, token_ids)
        checking.set()
        await joined.wait()
        return valid

    monkeypatch.setattr(live_feed, "TOKEN_CHECK_S", 0.0)
    monkeypatch.setattr(tokens, "still_valid", slow_check)
    async with line(centre, {"cursor": None}):
        await checking.wait()
        async with line(centre, {"cursor": None}, token=centre.operator) as later:
            await hear(later, "hello")
            joined.set()
            await centre.flush(*raises(1))
            assert await numbers(later, 1) == [1]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("not json", 1008),
        ('{"subscribe": {"site": "north-mine", "colour": "red"}}', 1008),
        ('{"subscribe": {"site": "north-mine", "cursor": {"north-mine": -1}}}', 1008),
        ('{"subscribe": {"site": "no-such-mine"}}', 1008),
        ('{"subscribe": {"site": "north-mine", "channels": ["no-such-channel"]}}', 1008),
        ("[" * 30_000, 1008),
        (b"\x00", 1003),
        ("x" * 70_000, 1009),
    ],
)
async def test_a_wrong_wish_ends_the_line_with_a_sentence(
    centre: Centre, said: str | bytes, code: int
) -> None:
    async with line(centre) as opened:
        await opened.send(said)
        ended, reason = await closing(opened)
    assert ended == code
    assert reason


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer gw_000000000000_wrong"}, 401),
        ({"origin": "https://elsewhere.example"}, 403),
    ],
)
async def test_strangers_get_no_line_and_write_nothing_into_the_log(
    centre: Centre, headers: dict[str, str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with line(centre, headers=headers):
            pass
    assert refused.value.response.status_code == status
    assert await quiet_after_serving(centre, caplog) == []


async def test_a_line_too_many_is_refused_with_a_sentence(
    centre: Centre, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("api.routes.live.CLIENTS_MAX", 0)
    with pytest.raises(InvalidStatus) as refused:
        async with line(centre):
            pass
    assert refused.value.response.status_code == 503
    assert json.loads(refused.value.response.body)["error"]["code"] == "too_many"
    assert await quiet_after_serving(centre, caplog) == []


async def quiet_after_serving(centre: Centre, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the server has logged, once it has had time to think about the call before."""
    async with centre.client(None) as client:
        assert (await client.get("/healthz")).status_code == 200
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_an_edges_token_gets_no_line_and_our_own_page_does(centre: Centre) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with line(centre, token=centre.edge):
            pass
    assert refused.value.response.status_code == 403
    async with line(centre, {"cursor": None}, headers={"origin": centre.url}) as opened:
        await hear(opened, "hello")
