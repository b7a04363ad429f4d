"""Room for scans, made before they come: one partition of `scan` for each week.

A partition is created on its own and then attached, which holds up neither readers nor
writers. Where TimescaleDB divides the table there is nothing to do.
"""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection, sql

from telemetry.clock import instant_at, instant_us

WEEK_US = 7 * 86_400 * 1_000_000
FIRST_MONDAY_US = instant_us(datetime(1970, 1, 5, tzinfo=UTC))
# Twenty years in one go; more is a mistake, because implausible stamps go to the quarantine.
WEEKS_MAX = 1_050

IS_DIVIDED_BY_US = """
    select relkind = 'p' from pg_class where oid = 'scan'::regclass
"""
PARTITIONS = """
    select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'scan'::regclass
"""
# Two ingests may want the same week; the second one waits and then finds it there.
ONE_AT_A_TIME = "select pg_advisory_xact_lock('scan'::regclass::oid::bigint)"


async def ensure_partitions(connection: AsyncConnection, times_us: range) -> list[str]:
    """Make the weekly partitions that a span of time needs; return the names of new ones.

    The connection must not be inside a transaction: each partition is made in its own. The
    span's beginning belongs to it, its end does not.
    """
    assert connection.autocommit, "partitions are made in transactions of their own"
    weeks = weeks_of(times_us)
    if len(weeks) > WEEKS_MAX:
        raise ValueError(
            f"room for {len(weeks)} weeks was asked for, from {instant_at(times_us.start)} to "
            f"{instant_at(times_us.stop)}; at most {WEEKS_MAX} are made at once"
        )
    divided = await (await connection.execute(IS_DIVIDED_BY_US)).fetchone()
    if divided is None or not divided[0]:
        return []
    known = await _known(connection)
    made = []
    for start_us in weeks:
        name = partition_name(start_us)
        if name not in known and await _make(connection, name, start_us):
            made.append(name)
    return made


def weeks_of(times_us: range) -> range:
    """Return the beginnings of the weeks, Monday 00:00 UTC, that a span of time touches.

    >>> [partition_name(start_us) for start_us in weeks_of(range(0, WEEK_US))]
    ['scan_19691229', 'scan_19700105']
    """
    first = times_us.start - (times_us.start - FIRST_MONDAY_US) % WEEK_US
    return range(first, max(times_us.stop, first), WEEK_US) if times_us else range(0)


def week_of(times_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the beginning of the week of each instant.

    >>> week_of(np.array([FIRST_MONDAY_US + 5])).item() == FIRST_MONDAY_US
    True
    """
    return times_us - (times_us - FIRST_MONDAY_US) % WEEK_US


def partition_name(start_us: int) -> str:
    """Name a week's partition by its Monday."""
    return f"scan_{instant_at(start_us):%Y%m%d}"


async def _known(connection: AsyncConnection) -> set[str]:
    cursor = await connection.execute(PARTITIONS)
    return {name for (name,) in await cursor.fetchall()}


async def _make(connection: AsyncConnection, name: str, start_us: int) -> bool:
    partition = sql.Identifier(name)
    create = sql.SQL("create table {} (like scan including defaults)").format(partition)
    attach = sql.SQL("alter table scan attach partition {} for values from ({}) to ({})").format(
        partition,
        sql.Literal(instant_at(start_us).isoformat()),
        sql.Literal(instant_at(start_us + WEEK_US).isoformat()),
    )
    async with connection.transaction():
        await connection.execute(ONE_AT_A_TIME)
        if name in await _known(connection):
            return False
        await connection.execute(create)
        await connection.execute(attach)
    return True
