"""What is done beside the flushes: room for the weeks to come, and pruning."""

from pathlib import Path

from ingest_bench import NOON_US, HandClock, edge_line, fetch, ingest
from ingest_site import HOUR_US, block, plan_in, site_document, write_site
from psycopg import AsyncConnection
from waiting import until

from historian.partition import WEEK_US, partition_name, weeks_of
from historian.tokens import Scope, create_sign_in_code
from ingest.upkeep import prune
from telemetry.clock import instant_at

PLAN = plan_in(site_document())
PARTITIONS = """
    select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'scan'::regclass order by relname
"""
CODES = """
    insert into sign_in_code (sha256, scope, expires_at, used_at) values
        ('used', 'viewer', now() + interval '1 hour', now()),
        ('expired', 'viewer', now() - interval '1 second', null),
        ('good', 'viewer', now() + interval '1 hour', null)
"""
ACTIONS = """
    insert into action (action_id, site_id, kind, body, asked_at, expires_at, accepted, reason)
    select gen_random_uuid(), site_id, 'acknowledgement', '{}', now(), expires_at, accepted, name
    from site, (values
        ('old', true, now() - interval '25 hours'),
        ('old and refused', false, now() - interval '25 hours'),
        ('new', true, now() - interval '23 hours'),
        ('old but undecided', null, now() - interval '25 hours')
    ) as one (name, accepted, expires_at)
"""
MESSAGES = """
    insert into outbox (message_id, site_id, number, destination, level, enqueued_at, delivered_at,
                        given_up_at)
    select name, site_id, 1, 'duty', 1, now() - interval '90 days', delivered_at, given_up_at
    from site, (values
        ('old', now() - interval '31 days', null),
        ('new', now() - interval '29 days', null),
        ('waiting', null, null),
        ('given up', null, now() - interval '80 days')
    ) as one (name, delivered_at, given_up_at)
"""
SESSIONS = """
    insert into token (token_id, sha256, scope, label, created_at, expires_at, parent) values
        ('by hand', '', 'viewer', 'made by hand', now(), now() - interval '9 days', null),
        ('old', '', 'viewer', 'session', now(), now() - interval '25 hours', 'by hand'),
        ('just over', '', 'viewer', 'session', now(), now() - interval '23 hours', 'by hand'),
        ('open', '', 'viewer', 'session', now(), now() + interval '1 hour', null)
"""
BLOCKS = """
    insert into block (stream_id, seq, hash, flush_id, received_at)
    select stream_id, seq, 'hash', 1, %s from stream, generate_series(%s::int, %s::int) as seq
"""


async def test_room_is_made_before_it_is_needed(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    weeks = [partition_name(one) for one in weeks_of(range(NOON_US, NOON_US + 2 * WEEK_US))]

    async def made() -> bool:
        return [row["name"] for row in await fetch(connection, PARTITIONS)] == weeks

    assert len(weeks) == 3
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())):
        await until(made)


async def test_room_that_cannot_be_made_ahead_disturbs_nobody(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await connection.execute("create table scan_20250707 ()")  # Its name is taken.
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(block(PLAN, "levels", [[1.0, 2.0]]))
        await line.drained()

    assert line.rejected == []


async def test_what_nobody_asks_for_any_more_is_forgotten(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench),
    ):
        site_id = bench.desks[0].ids.site_id
    for statement in (CODES, SESSIONS, ACTIONS, MESSAGES):
        await connection.execute(statement)
    await connection.execute(BLOCKS, [instant_at(NOON_US - 25 * HOUR_US), 1, 3])
    await connection.execute(BLOCKS, [instant_at(NOON_US - 23 * HOUR_US), 4, 5])

    await prune(connection, sites=[site_id], clock=HandClock())

    async def left(query: str) -> list[str]:
        return [row["name"] for row in await fetch(connection, query)]

    assert await left("select convert_from(sha256, 'utf8') as name from sign_in_code") == ["good"]
    assert await left(
        "select token_id as name from token where scope = 'viewer' order by token_id"
    ) == ["by hand", "just over", "open"]
    assert await left("select reason as name from action order by reason") == [
        "new",
        "old but undecided",
    ]
    assert await left("select message_id as name from outbox order by message_id") == [
        "given up",
        "new",
        "waiting",
    ]
    assert await left("select seq as name from block order by seq") == [4, 5]


async def test_a_running_centre_prunes(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await create_sign_in_code(connection, Scope.VIEWER, lifetime_s=-1.0)

    async def gone() -> bool:
        return not await fetch(connection, "select from sign_in_code")

    async with ingest(postgres_dsn, write_site(tmp_path, site_document())):
        await until(gone)
