"""Connections to the store, all with the same manners.

Nobody waits for ever: a statement and a wait for a lock end after a while, with an error. A
connection that was forgotten inside a transaction is closed by the server, because it would
keep old rows alive and hold locks.

Those limits are the server's to keep. One whose machine is gone without a word (no power, a
broken network) is given up by our own system; one that is there but has stopped working is hung
up on: by every connection itself, when an answer comes later than any that works would give it,
and sooner by `hung_up_after`, where somebody waits for the whole of something.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypedDict, TypeVar

import psycopg
from psycopg import AsyncConnection, pq
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict

STATEMENT_TIMEOUT_S = 30.0
LOCK_TIMEOUT_S = 10.0
IDLE_IN_TRANSACTION_TIMEOUT_S = 300.0
# A server that works ends a statement by itself, and says so within this long after its time-out.
ANSWER_MARGIN_S = 5.0
CONNECT_TIMEOUT_S = 10
# A machine that takes nothing that we send for this long is gone; of one that we send nothing to
# we ask after a silence whether it is there. Connections within a machine know none of this.
UNTAKEN_TIMEOUT_MS = 15_000
ASK_AFTER_SILENCE_S, ASK_EVERY_S, ASK_TIMES = 10, 5, 3

Answer = TypeVar("Answer")


class ConnectionArguments(TypedDict):
    """Keyword arguments for psycopg's connections and, as `kwargs`, for its pools."""

    application_name: str
    connect_timeout: int
    options: str
    tcp_user_timeout: int  # In milliseconds, unlike its kin.
    keepalives: int
    keepalives_idle: int
    keepalives_interval: int
    keepalives_count: int


def connection_arguments(
    dsn: str,
    name: str,
    *,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> ConnectionArguments:
    """Say how a part of Groundwatch connects; a time-out of 0 means none.

    What is given to psycopg beside the dsn takes the place of what stands in it, so the user's
    own options (a search path) are said again, and ours after them.
    """
    settings = {
        "timezone": "UTC",
        "statement_timeout": f"{round(statement_timeout_s * 1000)}ms",
        "lock_timeout": f"{round(lock_timeout_s * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{round(IDLE_IN_TRANSACTION_TIMEOUT_S * 1000)}ms",
    }
    return {
        "application_name": f"groundwatch {name}",
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": " ".join(
            [*_options_in(dsn), *(f"-c {key}={value}" for key, value in settings.items())]
        ),
        "tcp_user_timeout": UNTAKEN_TIMEOUT_MS,
        "keepalives": 1,
        "keepalives_idle": ASK_AFTER_SILENCE_S,
        "keepalives_interval": ASK_EVERY_S,
        "keepalives_count": ASK_TIMES,
    }


async def connect(
    dsn: str,
    *,
    name: str,
    autocommit: bool = False,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> AsyncConnection:
    """Connect to the store; the name shows in the database's list of connections."""
    arguments = connection_arguments(
        dsn, name, statement_timeout_s=statement_timeout_s, lock_timeout_s=lock_timeout_s
    )
    connection = await StoreConnection.connect(dsn, autocommit=autocommit, **arguments)
    connection.answer_within_s = answer_within_s(statement_timeout_s)
    return connection


def answer_within_s(statement_timeout_s: float) -> float | None:
    """Say how long a server that works may let us wait, at most; None for as long as it likes.

    >>> answer_within_s(30.0), answer_within_s(0)
    (35.0, None)
    """
    return statement_timeout_s + ANSWER_MARGIN_S if statement_timeout_s else None


@asynccontextmanager
async def statements_may_take(connection: AsyncConnection, real_s: float) -> AsyncIterator[None]:
    """Give the statements of a transaction another time than the connection's; so wait for them."""
    await connection.execute(f"set local statement_timeout = {round(real_s * 1000)}")
    if not isinstance(connection, StoreConnection):
        yield
        return
    before, connection.answer_within_s = connection.answer_within_s, answer_within_s(real_s)
    try:
        yield
    finally:
        connection.answer_within_s = before


class StoreConnection(AsyncConnection[tuple[Any, ...]]):
    """A connection that no single wait for its server keeps for ever.

    The bound is for each wait, so that what takes many (a history, an export) may take as long as
    it likes, as long as it gets on. After it the line is cut, as by `hung_up_after`.
    """

    answer_within_s: float | None = answer_within_s(STATEMENT_TIMEOUT_S)

    async def wait(  # The time-out is psycopg's, whose method this is.
        self,
        gen: PQGen[Answer],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Answer:
        """Wait as psycopg does wherever it waits for the server, but not for ever."""
        if timeout is not None:  # Waiting for notifications: it ends by itself.
            return await super().wait(gen, interval, timeout)
        if self.answer_within_s is None:
            return await super().wait(gen, interval)
        with hung_up_after(self, self.answer_within_s):
            return await super().wait(gen, interval)


def _options_in(dsn: str) -> list[str]:
    """Find the options that the connection would have without ours: the dsn's, or PGOPTIONS."""
    try:
        given = conninfo_to_dict(dsn).get("options")
    except psycopg.ProgrammingError:  # Whoever connects with it says what is wrong.
        return []
    if given is None:
        defaults = {one.keyword: one.val for one in pq.Conninfo.get_defaults()}
        given = (defaults.get(b"options") or b"").decode()
    return [str(given)] if given else []


class Patience:
    """A timer that hangs a connection up, unless it is renewed or ended before."""

    def __init__(self, connection: AsyncConnection, real_s: float) -> None:
        self._connection = connection
        self._real_s = real_s
        self._timer = self._begin()

    def renew(self) -> None:
        """Begin to wait anew: there has been progress."""
        self._timer.cancel()
        self._timer = self._begin()

    def end(self) -> None:
        """Wait no more."""
        self._timer.cancel()

    def _begin(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._real_s, _hang_up, self._connection)


@contextmanager
def hung_up_after(connection: AsyncConnection, real_s: float) -> Iterator[Patience]:
    """Break a connection when what is done with it inside makes no progress for so long.

    Progress is what renews the patience; without that, the bound is for the whole.
    What waits for the server then fails with OperationalError, as after any other cut. A time-out
    of asyncio's would not do: psycopg then waits again, for the server to say that the statement
    is cancelled, which one that has stopped working never does.
    """
    patience = Patience(connection, real_s)
    try:
        yield patience
    finally:
        patience.end()


def _hang_up(connection: AsyncConnection) -> None:
    """End the line below the connection; the connection itself notices, and tells its user."""
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as line, suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
