"""How far a site's sources of events have been judged, and what stands: one row a site."""

from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from telemetry.clock import instant_at

WRITE: Final = """
    insert into event_watch (site_id, flush_id, state, stored_at) values (%s, %s, %s, %s)
    on conflict (site_id) do update set
        flush_id = excluded.flush_id, state = excluded.state, stored_at = excluded.stored_at
"""
READ: Final = "select flush_id, state from event_watch where site_id = %s"


@dataclass(frozen=True, slots=True)
class EventWatchRow:
    """What was written down last."""

    flush_id: int
    state: dict[str, Any]  # By source.


async def write_event_watch(
    connection: AsyncConnection[Any], site_id: int, row: EventWatchRow, stored_us: int
) -> None:
    """Write down how far the sources have been judged, beside the beliefs that follow from it."""
    await connection.execute(
        WRITE, (site_id, row.flush_id, Jsonb(row.state), instant_at(stored_us))
    )


async def read_event_watch(connection: AsyncConnection[Any], site_id: int) -> EventWatchRow | None:
    """Read it; None where nothing has been judged yet."""
    found = await (await connection.execute(READ, (site_id,))).fetchone()
    return None if found is None else EventWatchRow(found[0], found[1])
