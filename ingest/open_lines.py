"""Which edges' lines are open, written down for whoever asks the API.

Beside the lines, never before them: what can't be written just now is written with the next look.
"""

from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg_pool import AsyncConnectionPool

from historian.identities import close_line, hear_lines, open_line, see_certificate
from ingest.conversation import Caller, Carrier

AWAY = (psycopg.Error, OSError)


async def note_line(pool: AsyncConnectionPool, caller: Caller, connection: Carrier) -> None:
    """Note that a line is open, and when it ends."""
    with suppress(*AWAY):
        async with pool.connection() as conn:
            await _note_open(conn, caller)
    await connection.wait_closed()
    with suppress(*AWAY):
        async with pool.connection() as conn:
            await close_line(conn, caller.line_id)


async def note_heard(pool: AsyncConnectionPool, callers: Sequence[Caller]) -> None:
    """Note which lines are still open."""
    with suppress(*AWAY):
        async with pool.connection() as conn:
            await hear_lines(conn, [one.line_id for one in callers])


async def _note_open(conn: psycopg.AsyncConnection, caller: Caller) -> None:
    shown = caller.certificate
    await open_line(
        conn,
        caller.site,
        caller.edge,
        line_id=caller.line_id,
        token_id=caller.token_id,
        serial=None if shown is None else shown.serial,
        address=caller.address,
    )
    if shown is not None:
        await see_certificate(
            conn,
            issuer=shown.issuer,
            serial=shown.serial,
            site=caller.site,
            edge=caller.edge,
            ends_us=shown.ends_us,
        )
