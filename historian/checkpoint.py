"""The engine's state after a flush, from which a recovery begins."""

from dataclasses import dataclass

from psycopg import AsyncConnection

from telemetry.clock import instant_at

UPSERT_CHECKPOINT = """
    insert into checkpoint (site_id, flush_id, version, state, stored_at)
    values (%s, %s, %s, %s, %s)
    on conflict (site_id) do update set
        flush_id = excluded.flush_id, version = excluded.version,
        state = excluded.state, stored_at = excluded.stored_at
"""
READ_CHECKPOINT = "select flush_id, version, state from checkpoint where site_id = %s"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The engine's state after a flush."""

    flush_id: int
    version: int  # Of the configuration.
    state: bytes


async def write_checkpoint(
    connection: AsyncConnection, site_id: int, checkpoint: Checkpoint, stored_us: int
) -> None:
    """Keep the engine's state, from which a recovery begins."""
    await connection.execute(
        UPSERT_CHECKPOINT,
        [
            site_id,
            checkpoint.flush_id,
            checkpoint.version,
            checkpoint.state,
            instant_at(stored_us),
        ],
    )


async def read_checkpoint(connection: AsyncConnection, site_id: int) -> Checkpoint | None:
    """Return the newest checkpoint, if there is one."""
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(READ_CHECKPOINT, [site_id])
        row = await cursor.fetchone()
    return Checkpoint(flush_id=row[0], version=row[1], state=row[2]) if row else None
