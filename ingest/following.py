"""Beside the flushes: a task that looks again and again at what they have stored.

On a connection of its own. A lost database is waited for; what fails is told and begun again from
what was written down last, and never ends the flushes.
"""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import structlog
from psycopg import AsyncConnection

from historian.connection import connect
from ingest import metrics

LOOK_EVERY_S = 0.5
AGAIN_S = 2.0  # After a failure.

log = structlog.get_logger()


async def follow(
    dsn: str,
    name: str,
    *,
    begin: Callable[[], None],
    look: Callable[[AsyncConnection], Awaitable[None]],
) -> None:
    """Begin, and look until cancelled; after a failure begin anew, and look on."""
    while True:
        try:
            async with await connect(dsn, name=name, autocommit=True) as conn:
                begin()
                while True:
                    await look(conn)
                    await asyncio.sleep(LOOK_EVERY_S)
        except psycopg.OperationalError as error:
            log.warning(f"the {name} waits for the database", error=str(error).strip())
        except Exception as error:  # Whatever it is, the flushes go on.
            metrics.SLOW_TIER_FAILED.inc()
            log.exception(f"the {name} failed, and begins again", error=repr(error))
        await asyncio.sleep(AGAIN_S)
