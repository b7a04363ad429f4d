"""Pools of connections to the store: what a server has that answers no more is not kept in them.

A connection is looked at before it is lent out. Where that shows that the server has stopped
answering, all that wait in the pool are as old, and are replaced at once: else as many callers
would be refused as there are connections.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from historian.connection import (
    LOCK_TIMEOUT_S,
    STATEMENT_TIMEOUT_S,
    StoreConnection,
    answer_within_s,
    connection_arguments,
    hung_up_after,
)
from telemetry.clock import real_monotonic_s

# A connection is tried for this long, then again with the next one that is wanted: so after a long
# absence of the database nobody sits out a back-off that has grown as long as the absence.
RECONNECT_S = 3.0
LOOK_WITHIN_S = 2.0  # An empty statement; for a server that is only slow it costs a connection.


class StorePool(AsyncConnectionPool[AsyncConnection]):
    """A pool of connections; its name shows in the database's list of them."""

    def __init__(
        self,
        dsn: str,
        name: str,
        *,
        size_max: int,
        lent_within_s: float,
        statement_timeout_s: float = STATEMENT_TIMEOUT_S,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
    ) -> None:
        """Make a pool that is still closed."""
        arguments = connection_arguments(
            dsn, name, statement_timeout_s=statement_timeout_s, lock_timeout_s=lock_timeout_s
        )
        self._answer_within_s = answer_within_s(statement_timeout_s)
        self._replaced_s = float("-inf")
        super().__init__(
            dsn,
            connection_class=StoreConnection,
            min_size=1,
            max_size=size_max,
            timeout=lent_within_s,
            reconnect_timeout=RECONNECT_S,
            open=False,
            check=self._look,
            configure=self._be_patient,
            name=name,
            kwargs={"autocommit": True, **arguments},
        )

    async def _be_patient(self, conn: AsyncConnection) -> None:
        assert isinstance(conn, StoreConnection)
        conn.answer_within_s = self._answer_within_s

    async def _look(self, conn: AsyncConnection) -> None:
        """Fail where a connection is dead, as all are after a restart, or its server is."""
        began_s = real_monotonic_s()
        try:
            with hung_up_after(conn, LOOK_WITHIN_S):
                await self.check_connection(conn)
        except psycopg.OperationalError:
            if began_s >= self._replaced_s:  # What has been replaced meanwhile is sound.
                self._replaced_s = real_monotonic_s()
                await self.drain()
            raise


@asynccontextmanager
async def lent(pool: AsyncConnectionPool, within_s: float) -> AsyncIterator[AsyncConnection]:
    """Borrow a connection for what must be done, as a whole, within so long."""
    async with pool.connection() as conn:
        with hung_up_after(conn, within_s):
            yield conn
