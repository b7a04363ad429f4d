"""Wake-ups from the database: something was committed; what it was is read from the tables."""

import asyncio
from contextlib import suppress

import psycopg
import structlog

from historian.connection import connect

RECONNECT_S = 0.5
ALIVE_CHECK_S = 30.0  # A connection that died without a word is noticed after this long.

log = structlog.get_logger(__name__)


class Wakeups:
    """Listens on one connection for everybody who waits.

    A wake-up may get lost (the connection breaks, and until it is back nobody listens), so
    whoever waits does so with a time-out and then looks for himself.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._next = asyncio.Event()
        self.listening = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Return the event of the next wake-up; ask before you look, then wait for it."""
        return self._next

    async def run(self) -> None:
        """Listen until cancelled."""
        reached = True
        while True:
            try:
                async with await connect(self._dsn, name="api wake-ups", autocommit=True) as conn:
                    await conn.execute("listen groundwatch")
                    if not reached:
                        log.info("listening again")
                    reached = True
                    self.listening.set()
                    self._ring()
                    while True:
                        async for _ in conn.notifies(timeout=ALIVE_CHECK_S):
                            self._ring()
                        await conn.execute("select 1")
            except psycopg.Error as error:
                if reached:
                    log.warning("not listening: database not reached", error=str(error))
                reached = False
                self.listening.clear()
                await asyncio.sleep(RECONNECT_S)

    def _ring(self) -> None:
        event, self._next = self._next, asyncio.Event()
        event.set()


async def wait_for(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for a wake-up, but not for long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
