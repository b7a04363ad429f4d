"""What the slow tier believes, on its way to the flush; what it says now; and its state."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alarms.transition import Belief
from historian.checkpoint import Checkpoint
from telemetry.clock import instant_at, instant_us

BELIEFS_AT_ONCE = 2_000  # In one flush.

OWNED = "select 1 from site where site_id = %s and term = %s"
INSERT_BELIEF = """
    insert into belief (site_id, channel, rule, at, body) values (%s, %s, %s, %s, %s)
    on conflict (site_id, channel, rule, at) do nothing
"""
WAITING = """
    select number, body from belief where site_id = %s and taken_flush_id is null
    order by number limit %s
"""
TAKE = """
    update belief set taken_flush_id = %s
    where site_id = %s and number = any(%s) and taken_flush_id is null
"""
UPSERT_TREND = """
    insert into trend (site_id, channel, rule, asked_at, figure, unit, level)
    values (%s, %s, %s, %s, %s, %s, %s)
    on conflict (site_id, channel, rule) do update set
        asked_at = excluded.asked_at, figure = excluded.figure, unit = excluded.unit,
        level = excluded.level
"""
DROP_OTHER_TRENDS = """
    delete from trend where site_id = %s and channel || '/' || rule <> all(%s)
"""
READ_TRENDS = """
    select channel, rule, asked_at, figure, unit, level from trend
    where site_id = %s order by channel, rule
"""
UPSERT_CHECKPOINT = """
    insert into slow_checkpoint (site_id, flush_id, version, state, stored_at)
    values (%s, %s, %s, %s, %s)
    on conflict (site_id) do update set
        flush_id = excluded.flush_id, version = excluded.version,
        state = excluded.state, stored_at = excluded.stored_at
"""
READ_CHECKPOINT = "select flush_id, version, state from slow_checkpoint where site_id = %s"
# A belief that was taken stands in the inputs; what is kept here only stops a repeat.
FORGET_TAKEN = """
    delete from belief where site_id = %s and taken_flush_id is not null and at < %s
"""


@dataclass(frozen=True, slots=True)
class TrendRow:
    """What one slow rule says now."""

    channel: str
    rule: str
    asked_us: int
    figure: float | None  # None where nothing can be said.
    unit: str
    level: int


async def owns(conn: AsyncConnection, site_id: int, term: int) -> bool:
    """Tell whether a site is still its caller's."""
    return await (await conn.execute(OWNED, (site_id, term))).fetchone() is not None


async def write_beliefs(conn: AsyncConnection, site_id: int, beliefs: Sequence[Belief]) -> None:
    """Lay beliefs down for the next flush; what was laid down before is no second one."""
    if not beliefs:
        return
    async with conn.cursor() as cursor:
        await cursor.executemany(
            INSERT_BELIEF,
            [
                (site_id, one.channel, one.rule, instant_at(one.at_us), Jsonb(asdict(one)))
                for one in beliefs
            ],
        )


async def waiting_beliefs(conn: AsyncConnection, site_id: int) -> list[tuple[int, Belief]]:
    """Read the beliefs that no flush has taken, in order, with their numbers."""
    cursor = await conn.execute(WAITING, (site_id, BELIEFS_AT_ONCE))
    return [(number, Belief(**body)) for number, body in await cursor.fetchall()]


async def take_beliefs(
    conn: AsyncConnection, site_id: int, flush_id: int, numbers: Sequence[int]
) -> None:
    """Note, in a flush's transaction, that it has taken beliefs."""
    if numbers:
        await conn.execute(TAKE, (flush_id, site_id, list(numbers)))


async def forget_taken(conn: AsyncConnection, site_id: int, before_us: int) -> int:
    """Forget beliefs of long ago that were taken; return how many."""
    return (await conn.execute(FORGET_TAKEN, (site_id, instant_at(before_us)))).rowcount


async def write_trends(conn: AsyncConnection, site_id: int, rows: Sequence[TrendRow]) -> None:
    """Keep what slow rules say now."""
    if not rows:
        return
    async with conn.cursor() as cursor:
        await cursor.executemany(
            UPSERT_TREND,
            [
                (
                    site_id,
                    one.channel,
                    one.rule,
                    instant_at(one.asked_us),
                    one.figure,
                    one.unit,
                    one.level,
                )
                for one in rows
            ],
        )


async def keep_only_trends(conn: AsyncConnection, site_id: int, names: Sequence[str]) -> None:
    """Forget what rules said that are in the site's file no more; names are "channel/rule"."""
    await conn.execute(DROP_OTHER_TRENDS, (site_id, list(names)))


async def read_trends(conn: AsyncConnection, site_id: int) -> list[TrendRow]:
    """Read what the slow rules of a site say now."""
    cursor = await conn.execute(READ_TRENDS, (site_id,))
    return [
        TrendRow(channel, rule, instant_us(asked_at), figure, unit, level)
        for channel, rule, asked_at, figure, unit, level in await cursor.fetchall()
    ]


async def write_slow_checkpoint(
    conn: AsyncConnection, site_id: int, checkpoint: Checkpoint, stored_us: int
) -> None:
    """Keep the slow tier's state, from which it goes on after a restart."""
    await conn.execute(
        UPSERT_CHECKPOINT,
        (
            site_id,
            checkpoint.flush_id,
            checkpoint.version,
            checkpoint.state,
            instant_at(stored_us),
        ),
    )


async def read_slow_checkpoint(conn: AsyncConnection, site_id: int) -> Checkpoint | None:
    """Read the state that was kept, None where there is none."""
    row = await (await conn.execute(READ_CHECKPOINT, (site_id,))).fetchone()
    return None if row is None else Checkpoint(row[0], row[1], bytes(row[2]))
