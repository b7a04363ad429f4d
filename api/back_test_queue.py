"""The back-tests that wait, run one after the other, as long as this process has the turn.

Of several API processes over one database one has the turn; another takes it when that one ends.
"""

import asyncio
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection

from api.back_test_run import run_back_test
from historian import back_tests
from historian.back_tests import BegunBackTest, Ending
from historian.connection import connect
from historian.registry import newest_configurations

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 2.0  # Others may have taken requests in, or have the turn.
CUT: Final = "The API that ran it was stopped. Remedy: ask again."


class BackTestQueue:
    """Runs what waits."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._asked = asyncio.Event()
        self._away = False

    def wake(self) -> None:
        """Look at once: something was asked for."""
        self._asked.set()

    async def run(self) -> None:
        """Run what waits until cancelled; what runs then is killed."""
        while True:
            try:
                async with await connect(self._dsn, name="back-tests", autocommit=True) as conn:
                    self._tell_away(None)
                    await self._serve(conn)
            except psycopg.Error as error:  # Away, or not brought up to date yet.
                self._tell_away(error)
            await self._look_again()

    async def _serve(self, conn: AsyncConnection[Any]) -> None:
        while not await back_tests.take_turn(conn):
            await self._look_again()
        cut = await back_tests.end_cut(conn, CUT)
        if cut:
            log.warning("back-tests were cut", count=cut)
        while True:
            begun = await back_tests.begin_next(conn)
            if begun is None:
                await self._look_again()
            else:
                await self._run_one(conn, begun)

    async def _run_one(self, conn: AsyncConnection[Any], begun: BegunBackTest) -> None:
        async def tell(doing: str, share: float) -> bool:
            return await back_tests.tell(conn, begun.back_test_id, doing, share)

        documents = {one[0]: one[3] for one in await newest_configurations(conn)}
        in_force = documents[begun.site_id]
        try:
            ending = await run_back_test(begun, in_force=in_force, dsn=self._dsn, tell=tell)
        except OSError as error:  # No room for its files, no process to be had.
            log.warning("a back-test could not be run", error=str(error))
            reason = f"It could not be run: {error.strerror}. Remedy: make room, and ask again."
            ending = Ending("failed", reason)
        if ending is not None:
            await back_tests.end(conn, begun.back_test_id, ending)

    async def _look_again(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._asked.wait()
        except TimeoutError:
            pass
        self._asked.clear()

    def _tell_away(self, error: Exception | None) -> None:
        """Log a change only: a database may be away for long."""
        if error is not None and not self._away:
            log.warning("back-tests wait for the database", error=str(error))
        self._away = error is not None
