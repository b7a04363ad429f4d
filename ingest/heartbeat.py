"""Says in the database that each site is looked after, as long as its flushes go well.

On a connection and in a task of its own: a beat holds up no flush, and a flush that hangs, or that
fails again and again, makes no beat.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
import structlog
from psycopg import AsyncConnection

from historian.connection import connect, hung_up_after
from historian.heartbeat import BEAT_EVERY_S, beat
from ingest.desk import SiteDesk
from telemetry.clock import real_monotonic_s

LOOK_EVERY_S = 0.25
ANSWER_WITHIN_S = 10.0
END_WITHIN_S = 2.0
# It is said again in a moment, so a beat waits for no disk; and none is said for an old flush.
SAY_LIGHTLY = "set synchronous_commit = off"

log = structlog.get_logger()


@asynccontextmanager
async def beating(dsn: str, desks: Sequence[SiteDesk]) -> AsyncIterator[None]:
    """Beat for a centre's sites as long as the block inside runs."""
    task = asyncio.create_task(_beat_always(dsn, desks), name="heartbeat")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=END_WITHIN_S)


async def _beat_always(dsn: str, desks: Sequence[SiteDesk]) -> None:
    while True:
        try:
            async with await connect(dsn, name="heartbeat", autocommit=True) as conn:
                with hung_up_after(conn, ANSWER_WITHIN_S):
                    await conn.execute(SAY_LIGHTLY)
                await _beat(conn, desks)
        except psycopg.Error as error:  # The flush says it louder, if it concerns the flush too.
            log.warning("no heartbeat", error=str(error).strip())
        await asyncio.sleep(BEAT_EVERY_S)


async def _beat(conn: AsyncConnection, desks: Sequence[SiteDesk]) -> None:
    beaten_s: dict[str, float] = {}
    while True:
        due = [desk for desk in desks if is_due(desk.well_s, beaten_s.get(desk.key))]
        if due:
            with hung_up_after(conn, ANSWER_WITHIN_S):
                await beat(conn, [(desk.ids.site_id, desk.term) for desk in due])
            beaten_s.update((desk.key, real_monotonic_s()) for desk in due)
        await asyncio.sleep(LOOK_EVERY_S)


def is_due(well_s: float | None, beaten_s: float | None) -> bool:
    """Tell whether a site has done well since its last beat, and that is a while ago.

    >>> is_due(None, None), is_due(1.0, None), is_due(1.0, 5.0), is_due(9.0, 5.0)
    (False, True, False, True)
    """
    return well_s is not None and (beaten_s is None or well_s >= beaten_s + BEAT_EVERY_S)
