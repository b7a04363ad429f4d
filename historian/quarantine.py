"""The quarantine: what came and cannot be stored as scans, with the bytes as they came."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection

from telemetry.clock import instant_at

INSERT_QUARANTINE = """
    insert into quarantine (site_id, received_at, edge, stream_id, seq, reason, message, content)
    values (%s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class QuarantineWrite:
    """What cannot be stored as scans, with the bytes as they came."""

    received_us: int
    edge: str
    stream_id: int | None
    seq: int | None
    reason: str
    message: str
    content: bytes


async def write_quarantine(
    connection: AsyncConnection, site_id: int, rows: Sequence[QuarantineWrite]
) -> None:
    """Keep what cannot be stored, so that nobody has to measure it again."""
    if not rows:
        return
    async with connection.cursor() as cursor:
        await cursor.executemany(
            INSERT_QUARANTINE,
            [
                (
                    *(site_id, instant_at(row.received_us)),
                    *(row.edge, row.stream_id, row.seq),
                    *(row.reason, row.message, row.content),
                )
                for row in rows
            ],
        )
