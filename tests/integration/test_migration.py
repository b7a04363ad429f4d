"""The schema is brought up to date once, whoever asks and however often."""

import asyncio
from dataclasses import replace

import psycopg
import pytest
from hill import ROOM, START_US, make_hill, scans
from psycopg import AsyncConnection

from historian.connection import connect
from historian.migration import (
    LOCK_KEY,
    Migration,
    MigrationError,
    has_timescaledb,
    migrate,
    read_migrations,
)
from historian.partition import WEEK_US, ensure_partitions, partition_name
from historian.writer import RoomMissingError, write_scans

FIRST = Migration(1, "0001-first", "create table one (n integer);", "")
SECOND = Migration(
    2, "0002-second", "create table two (n integer); create table three (n int);", ""
)
BROKEN = Migration(3, "0003-broken", "create table four (n int); select nothing_like_that();", "")


async def tables(dsn: str) -> set[str]:
    async with await connect(dsn, name="test") as opened:
        cursor = await opened.execute(
            "select relname from pg_class where relkind in ('r', 'p') "
            "and relnamespace = 'public'::regnamespace"
        )
        return {name for (name,) in await cursor.fetchall()}


async def test_a_new_database_gets_the_whole_schema_once(empty_postgres_dsn: str) -> None:
    names = [migration.name for migration in read_migrations()]

    assert await migrate(empty_postgres_dsn) == names
    assert names[0] == "0001-start"
    assert {"site", "scan", "journal", "schema_version"} <= await tables(empty_postgres_dsn)
    assert await migrate(empty_postgres_dsn) == []


async def test_only_what_is_missing_is_applied(empty_postgres_dsn: str) -> None:
    assert await migrate(empty_postgres_dsn, [FIRST]) == ["0001-first"]
    assert await migrate(empty_postgres_dsn, [FIRST, SECOND]) == ["0002-second"]


async def test_a_broken_file_leaves_nothing_behind_and_can_be_repeated(
    empty_postgres_dsn: str,
) -> None:
    with pytest.raises(psycopg.errors.UndefinedFunction):
        await migrate(empty_postgres_dsn, [FIRST, SECOND, BROKEN])

    assert await tables(empty_postgres_dsn) == {"schema_version", "one", "two", "three"}
    repaired = replace(BROKEN, text="create table four (n int);")
    assert await migrate(empty_postgres_dsn, [FIRST, SECOND, repaired]) == ["0003-broken"]


async def test_a_released_file_is_never_edited(empty_postgres_dsn: str) -> None:
    await migrate(empty_postgres_dsn, [FIRST])

    with pytest.raises(MigrationError, match="0001-first differs"):
        await migrate(empty_postgres_dsn, [replace(FIRST, text="create table other (n int)")])


async def test_a_newer_database_is_refused(empty_postgres_dsn: str) -> None:
    await migrate(empty_postgres_dsn, [FIRST, SECOND])

    with pytest.raises(MigrationError, match="0002-second, which is newer"):
        await migrate(empty_postgres_dsn, [FIRST])


async def test_two_migrations_at_once_apply_each_file_once(empty_postgres_dsn: str) -> None:
    done = await asyncio.gather(*(migrate(empty_postgres_dsn) for _ in range(3)))

    names = [migration.name for migration in read_migrations()]
    assert sorted(name for applied in done for name in applied) == names


async def test_a_migration_that_must_wait_too_long_says_so(
    empty_postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("historian.migration.LOCK_TIMEOUT_S", 0.05)
    async with await connect(empty_postgres_dsn, name="other", autocommit=True) as other:
        await other.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        with pytest.raises(MigrationError, match="another migration"):
            await migrate(empty_postgres_dsn)


async def test_who_may_not_make_tables_is_told_the_remedy_and_needs_none_when_all_is_done(
    empty_postgres_dsn: str,
) -> None:
    role = "looks_only"
    weak = f"{empty_postgres_dsn} user={role}"
    async with await connect(empty_postgres_dsn, name="owner", autocommit=True) as owner:
        await owner.execute(f"create role {role} login")
        try:
            with pytest.raises(MigrationError, match="permission denied for schema public") as told:
                await migrate(weak)
            assert "Let it own its database" in str(told.value)
            await migrate(empty_postgres_dsn, [FIRST])
            await owner.execute(f"grant select on schema_version to {role}")
            assert await migrate(weak, [FIRST]) == []
            with pytest.raises(MigrationError, match="Let it own its database"):
                await migrate(weak, [FIRST, SECOND])
        finally:
            await owner.execute(f"drop owned by {role}")
            await owner.execute(f"drop role {role}")


async def test_a_store_with_data_in_it_is_brought_from_every_version_to_the_newest(
    empty_postgres_dsn: str,
) -> None:
    first, *others = read_migrations()
    await migrate(empty_postgres_dsn, [first])
    async with await connect(empty_postgres_dsn, name="old", autocommit=True) as old:
        site_id = await make_hill(old)
        await old.execute("update site set term = 3")
        await old.execute(
            "insert into stream (site_id, edge, epoch) values (%s, 'edge', gen_random_uuid())",
            [site_id],
        )
        await write_scans(old, site_id, 1, [scans([[1.0], [2.0]])])

        for one in range(1, len(others) + 1):
            applied = await migrate(empty_postgres_dsn, [first, *others[:one]])
            assert applied == [others[one - 1].name]

        kept = await (await old.execute("select raw from scan order by time")).fetchall()
        kind = await (await old.execute("select kind from stream")).fetchall()
        beats = await (await old.execute("select count(*) from heartbeat")).fetchall()
    assert (kept, kind, beats) == ([([1.0],), ([2.0],)], [("edge",)], [(1,)])


async def test_partitions_are_made_once_for_each_week(connection: AsyncConnection) -> None:
    span_us = range(START_US, START_US + 2 * WEEK_US)  # From a Tuesday: touches three weeks.

    made = await ensure_partitions(connection, span_us)

    assert made == ["scan_20250630", "scan_20250707", "scan_20250714"]
    assert await ensure_partitions(connection, span_us) == []
    assert await ensure_partitions(connection, range(START_US, START_US)) == []
    assert await ensure_partitions(connection, range(-1, 0)) == ["scan_19691229"]
    cursor = await connection.execute(
        "select count(*) from pg_indexes where tablename = 'scan_20250630'"
    )
    assert await cursor.fetchone() == (2,)


async def test_partitions_are_made_while_others_write_and_read(
    connection: AsyncConnection, postgres_dsn: str
) -> None:
    site_id = await make_hill(connection)
    async with await connect(postgres_dsn, name="writer") as writer:
        await write_scans(writer, site_id, 1, [scans([[1.0]])])
        await writer.execute("select * from scan")

        made = await asyncio.wait_for(
            ensure_partitions(connection, range(ROOM.start + WEEK_US, ROOM.stop + WEEK_US)), 5
        )

        assert made == [partition_name(ROOM.start - 86_400_000_000 + WEEK_US)]
        week_later = scans([[2.0]], first=7 * 86_400)
        assert (await write_scans(writer, site_id, 1, [week_later])).new == 1


async def test_two_may_make_the_same_partition(postgres_dsn: str) -> None:
    async def make() -> list[str]:
        async with await connect(postgres_dsn, name="test", autocommit=True) as opened:
            return await ensure_partitions(opened, ROOM)

    made = await asyncio.gather(*(make() for _ in range(4)))

    assert [name for names in made for name in names] == ["scan_20250630"]


async def test_no_partition_is_made_for_a_century(connection: AsyncConnection) -> None:
    with pytest.raises(ValueError, match="weeks was asked for"):
        await ensure_partitions(connection, range(START_US, START_US + 5200 * WEEK_US))


# TimescaleDB itself cannot be shipped. A function with the name and arguments of the extension's
# stands in for it, so that our part, all but the one call, is run for real.
STAND_IN = """
    create function create_hypertable(
        relation regclass, time_column_name name,
        chunk_time_interval interval, create_default_indexes boolean
    ) returns void language plpgsql as $$
    begin
        if (select relkind from pg_class where oid = relation) <> 'r' then
            raise 'table "%" is already partitioned', relation;
        end if;
    end $$;
"""


async def test_where_timescaledb_divides_the_table_we_do_not(
    connection: AsyncConnection,
) -> None:
    assert not await has_timescaledb(connection)
    (start, *_) = read_migrations()
    assert start.timescaledb_text
    async with connection.transaction():
        await connection.execute(STAND_IN)
        await connection.execute(start.timescaledb_text.encode())

    site_id = await make_hill(connection)
    assert await ensure_partitions(connection, ROOM) == []
    async with connection.transaction():
        await write_scans(connection, site_id, 1, [scans([[1.0]])])
        again = await write_scans(connection, site_id, 1, [scans([[1.0]], first=9_999_999)])
        repeated = await write_scans(connection, site_id, 1, [scans([[1.0]])])

    assert (again.new, repeated.duplicates) == (1, 1)
    await connection.execute("select * from reading")
    cursor = await connection.execute(
        "select count(*) from pg_indexes where tablename = 'scan' and indexdef like '%%flush_id%%'"
    )
    assert await cursor.fetchone() == (1,)


async def test_without_a_partition_writing_says_what_to_do(connection: AsyncConnection) -> None:
    async with connection.transaction():
        with pytest.raises(RoomMissingError):
            await write_scans(connection, 1, 1, [scans([[1.0]])])
