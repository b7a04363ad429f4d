"""What ingest does not take: blocks that are none, and callers who may not, or do not, speak."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from ingest_bench import counted, edge_line, fetch, ingest, transitions
from ingest_site import MINUTE_US, block, plan_in, site_document, write_site
from psycopg import AsyncConnection
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from historian.tokens import Scope
from telemetry.frames import Block, encode_frame
from telemetry.ranges import RangeSet
from telemetry.unread import Unread, encode_unread
from telemetry.wire import CONTENT_BYTES_MAX, MAGIC, PREFIX, VERSION

PLAN = plan_in(site_document())
BOMB = zstandard.compress(bytes(CONTENT_BYTES_MAX + 1))
POISON = {
    "malformed": b"not a block",
    "truncated": block(PLAN, "levels", [[1.0, 2.0]])[:-3],
    "decompression_bomb": PREFIX.pack(MAGIC, VERSION, len(BOMB)) + BOMB,
    "unknown_version": PREFIX.pack(MAGIC, 9, 0),
    "unknown_layout": block(PLAN, "levels", [[1.0, 2.0]], layout=4711),
    "unknown_group": block(PLAN, "nowhere", [[1.0]]),
    "wrong_edge": block(PLAN, "cracks", [[99.0]]),
    "wrong_width": block(PLAN, "levels", [[1.0, 2.0, 3.0]]),
    "wrong_site": block(PLAN, "levels", [[1.0, 2.0]], site="pit"),
}
QUARANTINE = "select seq, edge, reason, message, content from quarantine order by seq"


async def test_poison_goes_to_quarantine_and_the_rest_is_stored(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    before = {reason: quarantined(reason) for reason in POISON}
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        good = [block(PLAN, "levels", [[1.0, 2.0]], first=n) for n in range(1, 11)]
        bad = list(POISON.values())
        await line.put(*[one for pair in zip(good, bad, strict=False) for one in pair], good[-1])
        await line.drained()

    assert line.acknowledged == RangeSet([(1, 19)])
    rows = await fetch(connection, QUARANTINE)
    assert {row["reason"]: row["content"] for row in rows} == POISON
    assert [row["seq"] for row in rows] == list(range(2, 20, 2))
    assert {row["edge"] for row in rows} == {"dam-edge"}
    assert all(row["message"] for row in rows)
    assert [(one.seq, one.reason) for one in line.rejected] == [
        (row["seq"], row["reason"]) for row in rows
    ]
    assert {reason: quarantined(reason) - before[reason] for reason in POISON} == dict.fromkeys(
        POISON, 1
    )
    stored = await fetch(connection, "select seq from scan where seq is not null order by seq")
    assert [row["seq"] for row in stored] == list(range(1, 20, 2))
    told = await transitions(connection)
    assert sorted(rule for _, rule, change, _ in told if change == "raise") == sorted(
        f"quarantined_{reason}" for reason in POISON
    )


async def test_what_an_edge_kept_aside_is_kept_whatever_it_says_about_it(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """A text of the database's holds no NUL, and a damaged or hostile edge may send some."""
    aside = encode_unread(Unread("dam\0bus", "dam/1", 0, "no\0number", 3, b"abc"))
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        good = [block(PLAN, "levels", [[1.0, 2.0]], first=n) for n in (1, 2)]
        await line.put(good[0], aside, good[1])
        await line.drained()

    (row,) = await fetch(connection, QUARANTINE)
    assert (row["reason"], row["content"]) == ("unread", aside)
    assert row["message"] == "the edge could not read this from dam\ufffdbus: no\ufffdnumber"
    assert line.acknowledged == RangeSet([(1, 3)])


async def test_an_edge_that_sends_rubbish_for_ever_is_told_of_once_a_minute(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        for _ in range(4):
            await line.put(*[POISON["malformed"]] * 5)
            await line.drained()
            bench.clock.us += 16 * MINUTE_US // 60
        assert len(await transitions(connection)) == 2

        await line.put(POISON["malformed"])
        await line.drained()
        assert len(await transitions(connection)) == 4

    assert len(await fetch(connection, QUARANTINE)) == 21


async def test_a_complaint_is_not_lost_with_the_flush_that_made_it(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """The first flush fails after it has been prepared; the second must complain as well."""
    await connection.execute(
        """
        create sequence attempts;
        create function fail_once() returns trigger language plpgsql as $$
            begin
                if nextval('attempts') = 1 then raise exception 'the first one fails'; end if;
                return new;
            end $$;
        create trigger fail_once before insert on quarantine
            for each row execute function fail_once();
        """
    )
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(POISON["malformed"])
        await line.drained()

    (row,) = await fetch(connection, QUARANTINE)
    assert row["reason"] == "malformed"
    assert [rule for _, rule, _, _ in await transitions(connection)] == [
        "quarantined_malformed",
        "quarantined_malformed",
    ]


@pytest.mark.parametrize(
    ("scope", "edge", "of_site", "called_site", "status"),
    [
        (Scope.EDGE, "dam-edge", "mine", "mine", 101),
        (Scope.EDGE, "dam-edge", "mine", "pit", 403),
        (Scope.VIEWER, None, "mine", "mine", 403),
        (Scope.OPERATOR, None, None, "mine", 403),
        (None, None, None, "mine", 401),
    ],
)
async def test_who_may_call(
    postgres_dsn: str,
    tmp_path: Path,
    scope: Scope | None,
    edge: str | None,
    of_site: str | None,
    called_site: str,
    status: int,
) -> None:
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        token = "gw_0a1b2c3d4e5f_never-made"
        if scope is not None:
            token = await bench.token(edge, of_site, scope)
        assert await answer_to(bench.port, called_site, f"Bearer {token}") == status
        assert await answer_to(bench.port, called_site, f"Basic {token}") == 401


async def test_a_token_speaks_for_its_own_edge_only(postgres_dsn: str, tmp_path: Path) -> None:
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        token = await bench.token("dam-edge")
        async with edge_line(bench, "hill-edge", token=token) as line:
            await line.put(block(PLAN, "cracks", [[99.0]]))
            await line.ended()

        assert line.refused is not None
        assert line.refused.code == "wrong_site"
        assert bench.desks[0].streams == {}


def with_nul() -> bytes:
    """A declared loss whose reason no text column can hold."""
    return bytes([3]) + msgspec.msgpack.encode((1, 2, "full\x00"))


def with_last_number_of_all() -> bytes:
    """A declared loss whose end has no successor in a bigint."""
    return bytes([3]) + msgspec.msgpack.encode((1, 2**63 - 1, "full"))


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        b"",
        b"\x02garbage",
        b"\xff",
        encode_frame(Block(0, b"")),
        with_nul(),
        with_last_number_of_all(),
    ],
    ids=["text", "empty", "garbage", "unknown-frame", "number-0", "nul", "last-number"],
)
async def test_who_breaks_the_protocol_is_told_and_counted(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, message: Any
) -> None:
    before = counted("edge_lines_refused_total", reason="protocol")
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench, "hill-edge") as other,
    ):
        async with edge_line(bench) as line:
            await line.put(block(PLAN, "levels", [[1.0, 2.0]]))
            await line.drained()
            await line.say(message)
            await line.ended()
        assert line.refused is not None
        assert line.refused.code == "protocol"
        assert counted("edge_lines_refused_total", reason="protocol") - before == 1

        await other.put(block(PLAN, "cracks", [[1.0]]))
        await other.drained()
    assert await transitions(connection) == []


def quarantined(reason: str) -> float:
    return counted("blocks_quarantined_total", site="mine", reason=reason)


async def answer_to(port: int, site: str, authorization: str) -> int:
    """The status that a call is answered with; 101 when it is let in."""
    try:
        async with (
            asyncio.timeout(10),
            connect(
                f"ws://127.0.0.1:{port}/edge/v1/{site}",
                additional_headers={"Authorization": authorization},
                proxy=None,
            ),
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code
