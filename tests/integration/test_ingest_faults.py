"""When the database fails, refuses or is another's: nothing is lost, doubled or held up."""

import asyncio
import tempfile
import threading
from pathlib import Path

import psycopg
import pytest
from ingest_bench import EdgeLine, counted, edge_line, fetch, ingest, transitions
from ingest_site import block, plan_in, site_document, write_site
from psycopg import AsyncConnection
from store_proxy import store_proxy
from websockets.exceptions import InvalidStatus

from historian.connection import connect
from historian.embedded import EmbeddedPostgres
from historian.migration import migrate
from historian.writer import OwnershipLostError, take_site
from ingest.line import listen
from ingest.service import IngestSettings, run_ingest
from ingest.supervisor import TAKEN_OVER
from telemetry.frames import Lost, encode_frame
from telemetry.lifetime import CANNOT_START
from telemetry.ranges import RangeSet

PLAN = plan_in(site_document())
STORED = "select seq, raw[1] as pond from scan where seq is not null order by seq, time"
# What no flush may ever store.
REFUSE_666 = """
    create function refuse() returns trigger language plpgsql as $$
        begin
            if new.raw[1] = 666 then raise exception 'not this one'; end if;
            return new;
        end $$;
    create trigger refuse before insert on scan for each row execute function refuse();
"""
REFUSE_ONCE = """
    create sequence attempts;
    create function refuse() returns trigger language plpgsql as $$
        begin
            if nextval('attempts') = 1 then raise exception 'not this time'; end if;
            return new;
        end $$;
    create trigger refuse before insert on scan for each row execute function refuse();
"""
REFUSE_LOSS_OF_13 = """
    create function refuse() returns trigger language plpgsql as $$
        begin
            if new.declared_lost @> 13::bigint then raise exception 'not this one'; end if;
            return new;
        end $$;
    create trigger refuse before update on stream for each row execute function refuse();
"""
TERMINATE = """
    select count(pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
      and application_name <> 'groundwatch test'
"""
# Every other scan violates the pond's limit, so that a lost or doubled one shows in the alarms.
PONDS = [11.0 if n % 2 else 0.0 for n in range(40)]


def ponds(values: list[float]) -> list[bytes]:
    """Blocks of one scan each."""
    return [block(PLAN, "levels", [[value, 0.0]], first=n) for n, value in enumerate(values, 1)]


def swings(count: int) -> list[tuple[str, ...]]:
    """The journal after so many scans of PONDS."""
    return [
        ("pond", "limit_high", "raise" if n % 2 else "clear", "yellow") for n in range(1, count)
    ]


async def test_a_block_that_is_refused_each_time_ends_alone_in_quarantine(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await connection.execute(REFUSE_666)
    with_culprit = [*PONDS[:17], 666.0, *PONDS[17:]]
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        async with connection.transaction():  # One flush shall meet them all.
            await connection.execute("select from site for update")
            await line.put(*ponds(with_culprit))
            await bench.inbox.holds(len(with_culprit))
        await line.drained()

    assert line.acknowledged == RangeSet([(1, 41)])
    assert [(one.seq, one.reason) for one in line.rejected] == [(18, "not_storable")]
    (row,) = await fetch(connection, "select seq, reason, content from quarantine")
    assert (row["seq"], row["reason"]) == (18, "not_storable")
    assert row["content"] == line.spool[18]
    assert [row["pond"] for row in await fetch(connection, STORED)] == PONDS
    assert await transitions(connection, kind="process") == swings(40)


async def test_a_block_that_was_refused_once_is_stored(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await connection.execute(REFUSE_ONCE)
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(*ponds([11.0]))
        await line.drained()

    assert [row["pond"] for row in await fetch(connection, STORED)] == [11.0]
    assert await transitions(connection) == [("pond", "limit_high", "raise", "yellow")]


async def test_a_loss_that_cannot_be_recorded_holds_up_nobody_else(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await connection.execute(REFUSE_LOSS_OF_13)
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench, "hill-edge") as hill,
        edge_line(bench) as dam,
    ):
        await dam.say(encode_frame(Lost(10, 20, "the spool was full")))
        await hill.put(block(PLAN, "cracks", [[1.0]]))
        await hill.drained()
        await dam.ended()

    assert dam.refused is not None
    assert dam.refused.code == "protocol"
    assert hill.acknowledged == RangeSet([(1, 1)])


async def test_connections_killed_in_the_middle(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    killed = 0
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        for n, content in enumerate(ponds(PONDS)):
            if n % 8:
                await line.put(content)
                continue
            async with connection.transaction():  # The flush has begun, and cannot end.
                await connection.execute("select from site for update")
                await line.put(content)
                await until_blocked(postgres_dsn)
                row = await (await connection.execute(TERMINATE)).fetchone()
                assert row is not None
                killed += row[0]
        await line.drained()

    assert killed >= 10
    await check_swings(connection, line)


async def test_a_commit_whose_answer_is_lost(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory() as short:  # A socket's path must be.
        async with store_proxy(Path(short), postgres_dsn) as (proxy, dsn):
            async with (
                ingest(dsn, write_site(tmp_path, site_document())) as bench,
                edge_line(bench) as line,
            ):
                for content in ponds(PONDS)[:12]:
                    await line.put(content)
                    await line.drained()
                    proxy.armed = True

            assert proxy.cuts >= 11

    await check_swings(connection, line, 12)
    flushes = await fetch(
        connection, "select count(*) as n from input where kind = 'configuration'"
    )
    assert flushes == [{"n": 1}]


async def test_a_restart_of_the_whole_server(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", settings={"fsync": "off"})
    dsn = server.start()
    try:
        await migrate(dsn)
        async with ingest(dsn, write_site(tmp_path, site_document())) as bench:
            token = await bench.token("dam-edge")
            async with edge_line(bench, token=token) as line:
                await line.put(*ponds(PONDS)[:10])
                await line.drained()

                await asyncio.to_thread(server.stop)
                await line.put(*ponds(PONDS)[10:])
                await bench.inbox.holds(30)
                assert counted("inbox_arrivals") == 30
                with pytest.raises(InvalidStatus, match="503"):
                    async with edge_line(bench, token=token):
                        pass
                await asyncio.to_thread(server.start)
                await line.drained()
            async with (
                edge_line(bench, "hill-edge") as hill,
                await connect(dsn, name="test", autocommit=True) as connection,
            ):
                await hill.put(block(PLAN, "cracks", [[1.0]]))
                await hill.drained()
                await connection.execute("delete from scan where raw = '{1}'")
                await check_swings(connection, line)
                assert await transitions(connection, kind="technical") == []
    finally:
        server.stop()


async def test_an_owner_that_lost_its_site_stores_nothing_more(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async def run() -> None:
        async with (
            ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
            edge_line(bench) as line,
        ):
            await line.put(*ponds([11.0]))
            await line.drained()
            await take_site(connection, "mine")
            await line.put(block(PLAN, "levels", [[0.0, 0.0]], first=2))
            async with asyncio.timeout(10):
                await asyncio.wait([bench.flushing])
            assert line.acknowledged == RangeSet([(1, 1)])

    with pytest.raises(OwnershipLostError):
        await run()

    assert [row["pond"] for row in await fetch(connection, STORED)] == [11.0]
    assert await transitions(connection) == [("pond", "limit_high", "raise", "yellow")]


def test_the_service_ends_when_its_site_is_taken(postgres_dsn: str, tmp_path: Path) -> None:
    path = write_site(tmp_path, site_document())
    settings = IngestSettings((path,), postgres_dsn, "127.0.0.1", 0, None, None)
    ended = threading.Event()

    def take_over() -> None:
        listening = "select 1 from pg_stat_activity where application_name = 'groundwatch actions'"
        with psycopg.connect(postgres_dsn, autocommit=True) as conn:
            while not ended.wait(0.05):
                if conn.execute(listening).fetchone():
                    conn.execute("update site set term = term + 1")
                    conn.execute("notify groundwatch, 'action'")

    other = threading.Thread(target=take_over)
    other.start()
    try:
        assert run_ingest(settings) == TAKEN_OVER
    finally:
        ended.set()
        other.join()


async def test_who_cannot_have_the_port_leaves_the_site_to_whoever_has_it(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_site(tmp_path, site_document())
    async with ingest(postgres_dsn, path):
        before = await fetch(connection, "select term from site")
        with listen("127.0.0.1", 0) as taken:
            port = taken.getsockname()[1]
            settings = IngestSettings((path,), postgres_dsn, "127.0.0.1", port, None, None)
            assert await asyncio.to_thread(run_ingest, settings) == 1

    told = capsys.readouterr().err
    assert f"cannot listen for edges on 127.0.0.1:{port}" in told
    assert "choose another with --line-port" in told
    assert await fetch(connection, "select term from site") == before


async def test_a_file_that_is_not_there_is_a_sentence_and_takes_no_site(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await migrate(postgres_dsn)
    sites = (write_site(tmp_path, site_document()), tmp_path / "gone.yaml")
    settings = IngestSettings(sites, postgres_dsn, "127.0.0.1", 0, None, None)

    assert await asyncio.to_thread(run_ingest, settings) == CANNOT_START

    told = capsys.readouterr().err
    assert "gone.yaml" in told
    assert "the file cannot be read" in told
    assert await fetch(connection, "select from site") == []


async def check_swings(
    connection: AsyncConnection, line: EdgeLine, count: int = len(PONDS)
) -> None:
    assert line.acknowledged == RangeSet([(1, count)])
    assert line.rejected == []
    assert await fetch(connection, STORED) == [
        {"seq": n, "pond": pond} for n, pond in enumerate(PONDS[:count], 1)
    ]
    assert await transitions(connection, kind="process") == swings(count)


async def until_blocked(dsn: str) -> None:
    """Wait until somebody waits for a lock in this database."""
    waits = "select from pg_stat_activity where wait_event_type = 'Lock'"
    async with asyncio.timeout(10), await connect(dsn, name="test", autocommit=True) as conn:
        while (await (await conn.execute(waits)).fetchone()) is None:
            await conn.execute("select pg_stat_clear_snapshot()")
