"""What a centre does beside its flushes, now and then: room for the weeks to come, and pruning.

Each is a task of its own with a connection of its own. A failure is told and tried again; it
never reaches a flush.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog
from psycopg import AsyncConnection

from alarms.outbox import forget_delivered
from historian.actions import forget_decided
from historian.beliefs import forget_taken
from historian.connection import connect, hung_up_after
from historian.enrolments import forget_codes
from historian.old_streams import forget_streams, old_streams
from historian.streams import forget_blocks
from historian.submissions import forget_outcomes
from historian.tokens import forget_sessions, forget_sign_in_codes
from ingest.desk import SiteDesk
from ingest.room import make_room_ahead
from telemetry.clock import Clock, SharedClock

EVERY_S = 3600.0
AGAIN_S = 60.0  # After a failure.
LOOK_AT_CLOCK_S = 1.0
END_WITHIN_S = 2.0
PRUNING_TIMEOUT_S = 600.0  # The first pruning of a store that has grown for long takes a while.
# Of a statement, too; whoever makes room holds up all who need some until he is hung up on.
ROOM_TIMEOUT_S = 30.0
DAY_S = 86_400.0
DAY_US = 86_400 * 1_000_000
BELIEFS_KEPT_US = 7 * DAY_US
MESSAGES_KEPT_S = 30 * DAY_S
STREAMS_KEPT = 100  # Of each edge: years of spools that were exchanged.

log = structlog.get_logger()


@asynccontextmanager
async def kept_up(dsn: str, desks: Sequence[SiteDesk], clock: Clock) -> AsyncIterator[None]:
    """Do the upkeep of a centre's sites as long as the block inside runs."""
    jobs = {
        "room ahead": (partial(make_room_ahead, clock=clock), ROOM_TIMEOUT_S),
        "old streams": (partial(forget_old_streams, desks=desks), PRUNING_TIMEOUT_S),
        "pruning": (
            partial(prune, sites=[desk.ids.site_id for desk in desks], clock=clock),
            PRUNING_TIMEOUT_S,
        ),
    }
    tasks = [
        asyncio.create_task(_repeat(dsn, clock, name, job, timeout_s), name=name)
        for name, (job, timeout_s) in jobs.items()
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=END_WITHIN_S)


async def prune(conn: AsyncConnection, *, sites: Sequence[int], clock: Clock) -> None:
    """Forget what nobody asks for any more; what was never sent or decided stays."""
    for site_id in sites:
        await forget_blocks(conn, site_id, clock.now_us() - DAY_US)
        await forget_taken(conn, site_id, clock.now_us() - BELIEFS_KEPT_US)
    await forget_sign_in_codes(conn)
    await forget_codes(conn)
    await forget_sessions(conn, older_than_s=DAY_S)
    await forget_decided(conn, older_than_s=DAY_S)
    await forget_outcomes(conn, older_than_s=DAY_S)
    await forget_delivered(conn, older_than_s=MESSAGES_KEPT_S)


async def forget_old_streams(conn: AsyncConnection, *, desks: Sequence[SiteDesk]) -> None:
    """Forget spools that are gone, except the newest of each edge and what is in use."""
    for desk in desks:
        found = await old_streams(conn, desk.ids.site_id, STREAMS_KEPT)
        in_use = {key for key, one in desk.streams.items() if one.line or one.pending}
        gone = {(edge, epoch): n for n, edge, epoch in found if (edge, epoch) not in in_use}
        for key in gone:
            desk.streams.pop(key, None)
        desk.forgetting = set(gone)  # Who calls meanwhile is asked to call again.
        try:
            if count := await forget_streams(conn, gone.values()):
                log.info("old streams forgotten", site=desk.key, streams=count)
        finally:
            desk.forgetting = set()


async def _repeat(
    dsn: str,
    clock: Clock,
    name: str,
    job: Callable[[AsyncConnection], Awaitable[None]],
    statement_timeout_s: float,
) -> None:
    while True:
        if isinstance(clock, SharedClock) and not clock.began:
            await asyncio.sleep(LOOK_AT_CLOCK_S)  # What time it is will be known soon.
            continue
        pause_s = EVERY_S
        try:
            async with await connect(
                dsn, name=name, autocommit=True, statement_timeout_s=statement_timeout_s
            ) as conn:
                with hung_up_after(conn, 2 * statement_timeout_s):
                    await job(conn)
        except Exception as error:  # Whatever it is, the flushes go on without it.
            log.exception("upkeep failed", job=name, error=repr(error))
            pause_s = AGAIN_S
        await asyncio.sleep(pause_s)
