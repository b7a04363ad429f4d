"""Connections to the store, all with the same manners.

Nobody waits for ever: a statement and a wait for a lock end after a while, with an error. A
connection that was forgotten inside a transaction is closed by the server, because it would
keep old rows alive and hold locks.
"""

from typing import TypedDict

from psycopg import AsyncConnection

STATEMENT_TIMEOUT_S = 30.0
LOCK_TIMEOUT_S = 10.0
IDLE_IN_TRANSACTION_TIMEOUT_S = 300.0
CONNECT_TIMEOUT_S = 10


class ConnectionArguments(TypedDict):
    """Keyword arguments for psycopg's connections and, as `kwargs`, for its pools."""

    application_name: str
    connect_timeout: int
    options: str


def connection_arguments(
    name: str,
    *,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> ConnectionArguments:
    """Say how a part of Groundwatch connects; a time-out of 0 means none."""
    settings = {
        "timezone": "UTC",
        "statement_timeout": f"{round(statement_timeout_s * 1000)}ms",
        "lock_timeout": f"{round(lock_timeout_s * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{round(IDLE_IN_TRANSACTION_TIMEOUT_S * 1000)}ms",
    }
    return {
        "application_name": f"groundwatch {name}",
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": " ".join(f"-c {key}={value}" for key, value in settings.items()),
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
        name, statement_timeout_s=statement_timeout_s, lock_timeout_s=lock_timeout_s
    )
    return await AsyncConnection.connect(dsn, autocommit=autocommit, **arguments)
