"""The newest vote of each structure, beside the newest scans."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alarms.transition import TakenVote
from telemetry.clock import instant_at, instant_us

UPSERT = """
    insert into vote (site_id, structure, time, flush_id, document) values (%s, %s, %s, %s, %s)
    on conflict (site_id, structure) do update set
        time = excluded.time, flush_id = excluded.flush_id, document = excluded.document
    where vote.time <= excluded.time
"""
READ = "select structure, time, document from vote where site_id = %s"


@dataclass(frozen=True, slots=True)
class StoredVote:
    """What was voted last."""

    at_us: int
    document: dict[str, Any]


async def write_votes(
    connection: AsyncConnection, site_id: int, flush_id: int, votes: Sequence[TakenVote]
) -> None:
    """Let the votes of a flush take the place of those before; in the caller's transaction."""
    if not votes:
        return
    async with connection.cursor() as cursor:
        await cursor.executemany(
            UPSERT,
            [
                (site_id, one.structure, instant_at(one.at_us), flush_id, Jsonb(one.document))
                for one in votes
            ],
        )


async def read_votes(connection: AsyncConnection, site_id: int) -> dict[str, StoredVote]:
    """Return the newest votes of a site, by structure."""
    cursor = await connection.execute(READ, [site_id])
    return {row[0]: StoredVote(instant_us(row[1]), row[2]) for row in await cursor.fetchall()}
