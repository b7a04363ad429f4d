"""Faults that are not a block's: nobody is blamed, and nobody else waits for their end."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from ingest_bench import (
    PATIENCE_S,
    HandClock,
    IngestBench,
    counted,
    edge_line,
    fetch,
    ingest,
    transitions,
)
from ingest_site import BEGAN_US, block, plan_in, site_document, write_site
from psycopg import AsyncConnection, sql
from store_proxy import store_proxy
from waiting import until

from historian.connection import connect
from historian.partition import WEEK_US
from ingest import narrowing, pipeline, recovery, room
from ingest.desk import SiteDesk
from ingest.room import Room
from telemetry.clock import instant_at
from telemetry.ranges import RangeSet

PLAN = plan_in(site_document())
PIT = plan_in(site_document("pit"))
STORED = "select seq from scan where seq is not null order by seq"
QUARANTINE = "select seq, reason from quarantine"
TOO_LONG = """
    create function wait() returns trigger language plpgsql as $$
        begin
            if new.raw[1] = 666 then
                raise exception 'too long' using errcode = 'query_canceled';
            end if;
            return new;
        end $$;
    create trigger wait before insert on scan for each row execute function wait();
"""
FULL = """
    create function fill() returns trigger language plpgsql as $$
        begin
            raise exception 'no space left' using errcode = 'disk_full';
        end $$;
    create trigger fill before insert on scan for each row execute function fill();
"""


def levels(minute: int, pond: float = 0.0) -> bytes:
    return block(PLAN, "levels", [[pond, 0.0]], first=minute)


@asynccontextmanager
async def two_sites(dsn: str, folder: Path) -> AsyncIterator[IngestBench]:
    paths = [write_site(folder, site_document(site)) for site in ("mine", "pit")]
    async with ingest(dsn, *paths) as bench:
        yield bench


def breaks(*_: object) -> NoReturn:
    raise ValueError("planned")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrowing, "PAUSES_S", (0.0, 0.1))
    monkeypatch.setattr(room, "TRY_AGAIN_S", 0.2)


async def failed(site: str, times: int) -> None:
    """Wait until flushes have failed so often."""
    before = counted("flushes_total", outcome="failed")
    await until(lambda: counted("flushes_total", outcome="failed") - before >= times)
    assert counted("storage_failed", site=site) == 1


async def test_a_site_that_fails_holds_up_no_other_and_loses_nothing(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        two_sites(postgres_dsn, tmp_path) as bench,
        edge_line(bench) as mine,
        edge_line(bench, site="pit") as pit,
    ):
        pit_desk = next(desk for desk in bench.desks if desk.key == "pit")
        with monkeypatch.context() as patch:
            patch.setattr(pit_desk, "ticks", type("Broken", (), {"due": breaks}))
            for minute in range(1, 9):
                await pit.put(block(PIT, "levels", [[11.0, 0.0]], first=minute))
                await mine.put(levels(minute, 11.0))
                await mine.drained()
            await failed("pit", 3)
        assert mine.acknowledged == RangeSet([(1, 8)])
        assert not pit.acknowledged
        assert counted("storage_failed", site="mine") == 0
        await pit.drained()

    assert pit.acknowledged == RangeSet([(1, 8)])
    assert pit.rejected == mine.rejected == []
    assert await fetch(connection, QUARANTINE) == []
    assert counted("storage_failed", site="pit") == 0
    for site in ("mine", "pit"):
        assert await transitions(connection, site) == [("pond", "limit_high", "raise", "yellow")]


async def test_a_site_that_cannot_be_recovered_holds_up_no_other(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sound = recovery.recover

    async def recover(conn: AsyncConnection, desk: object, _progressed: object) -> None:
        if getattr(desk, "key", None) == "pit":
            raise ValueError("planned")
        await sound(conn, desk)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "recover", recover)
        async with (
            two_sites(postgres_dsn, tmp_path) as bench,
            edge_line(bench) as mine,
            edge_line(bench, site="pit") as pit,
        ):
            await pit.put(block(PIT, "levels", [[11.0, 0.0]]))
            await mine.put(levels(1, 11.0))
            await mine.drained()
            patch.undo()
            await pit.drained()

    assert await transitions(connection, "pit") == [("pond", "limit_high", "raise", "yellow")]


async def test_a_recovery_does_not_wait_for_ever_for_a_server_that_has_frozen(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "RECOVERY_STEP_WITHIN_S", 0.5)
    sound = recovery.recover
    steps: list[int] = []
    with tempfile.TemporaryDirectory() as short:  # A socket's path must be.
        async with store_proxy(Path(short), postgres_dsn) as (proxy, dsn):

            async def recover(
                conn: AsyncConnection, desk: SiteDesk, progressed: Callable[[], None]
            ) -> None:
                if len(steps) == 1:
                    proxy.freeze()
                steps.append(0)

                def count() -> None:
                    steps[-1] += 1
                    progressed()

                await sound(conn, desk, count)

            monkeypatch.setattr(pipeline, "recover", recover)
            path = write_site(tmp_path, site_document())
            async with ingest(dsn, path) as bench, edge_line(bench) as mine:
                await mine.put(levels(1, 11.0))
                await mine.drained()
                bench.pipeline._narrowings["mine"].must_recover = True
                for minute in (2, 3):
                    await mine.put(levels(minute, 11.0))
                    await mine.drained()
            assert len(steps) == 3
            async with connection.transaction():
                await connection.execute("delete from checkpoint")
            async with ingest(dsn, path):
                pass

    assert steps[1] == 0
    assert steps[3] > 3  # Each flush is a step that renews the patience.
    assert await transitions(connection) == [("pond", "limit_high", "raise", "yellow")]


async def test_a_stop_does_not_wait_for_a_site_that_fails(
    postgres_dsn: str, tmp_path: Path
) -> None:
    """The edge keeps what was not acknowledged."""
    async with two_sites(postgres_dsn, tmp_path) as bench, edge_line(bench, site="pit") as pit:
        for desk in bench.desks:
            desk.ticks = type("Broken", (), {"due": breaks})  # type: ignore[assignment]
        await pit.put(block(PIT, "levels", [[11.0, 0.0]]))
        await failed("pit", 6)
        bench.stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait([bench.flushing])
        assert len(bench.inbox) == 1
        assert not pit.acknowledged


async def test_room_that_a_strangers_partition_stands_in_the_way_of_is_waited_for(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """It holds another part of the week, so that there is neither room nor a way to make it."""
    await connection.execute(strange_partition(BEGAN_US + WEEK_US // 4, BEGAN_US + WEEK_US // 2))
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(*(levels(minute) for minute in range(1, 4)))
        await failed("mine", 5)
        await connection.execute("drop table strange")
        await line.drained()

    assert line.rejected == []
    assert [row["seq"] for row in await fetch(connection, STORED)] == [1, 2, 3]


async def test_old_room_that_a_lock_stands_in_the_way_of_is_no_blocks_fault(
    postgres_dsn: str, connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backlog of a month would be condemned by three quick flushes, while one lock is held."""
    old_us = BEGAN_US - BEGAN_US % WEEK_US - 10 * WEEK_US
    found = Room(HandClock())
    async with await connect(
        postgres_dsn, name="test", autocommit=True, lock_timeout_s=0.1
    ) as maker:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock('scan'::regclass::oid::bigint)")
            await found.make(maker, {old_us})
            assert found.is_lacking
            await found.make(maker, {old_us})  # Not tried again so soon.
            assert found.is_lacking

        monkeypatch.setattr(room, "TRY_AGAIN_S", 0.0)
        await found.make(maker, {old_us})
        assert not found.is_lacking


async def test_room_that_somebody_else_has_made_will_do(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await connection.execute(strange_partition(BEGAN_US, BEGAN_US + 4 * WEEK_US))
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(levels(1), levels(2))
        await line.drained()

    assert line.rejected == []
    assert len(await fetch(connection, "select from strange")) == 2


async def test_a_statement_that_takes_too_long_each_time_is_narrowed_down(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await connection.execute(TOO_LONG)
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        async with connection.transaction():  # One flush shall meet them all.
            await connection.execute("select from site for update")
            await line.put(*(levels(n, 666.0 if n == 5 else 0.0) for n in range(1, 9)))
            await bench.inbox.holds(8)
        await line.drained()

    assert [(one.seq, one.reason) for one in line.rejected] == [(5, "not_storable")]
    assert [row["seq"] for row in await fetch(connection, STORED)] == [1, 2, 3, 4, 6, 7, 8]


async def test_a_full_disk_is_no_blocks_fault(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await connection.execute(FULL)
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(levels(1))
        await failed("mine", 5)
        await connection.execute("drop trigger fill on scan")
        await line.drained()

    assert line.rejected == []
    assert [row["seq"] for row in await fetch(connection, STORED)] == [1]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(b"copy scan", id="while it stores"),
        pytest.param(b"kind = 'release'", id="while it looks for releases"),
    ],
)
async def test_a_database_that_answers_no_more_is_left(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: bytes,
) -> None:
    monkeypatch.setattr(pipeline, "FLUSH_WITHIN_S", 0.5)
    away = counted("flushes_total", outcome="database_away")
    with tempfile.TemporaryDirectory() as short:  # A socket's path must be.
        async with (
            store_proxy(Path(short), postgres_dsn) as (proxy, dsn),
            ingest(dsn, write_site(tmp_path, site_document())) as bench,
            edge_line(bench) as line,
        ):
            await line.put(levels(1))
            await line.drained()
            proxy.freeze_at(words)
            bench.pipeline.wake_for_action()
            await line.put(levels(2))
            await line.drained()

    assert proxy.is_frozen
    assert counted("flushes_total", outcome="database_away") > away
    assert [row["seq"] for row in await fetch(connection, STORED)] == [1, 2]


def strange_partition(since_us: int, until_us: int) -> sql.Composed:
    return sql.SQL("create table strange partition of scan for values from ({}) to ({})").format(
        instant_at(since_us).isoformat(), instant_at(until_us).isoformat()
    )
