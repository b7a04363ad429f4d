"""The quarantine: what came and cannot be stored as scans, with the bytes as they came."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from telemetry.clock import instant_at, instant_us

INSERT_QUARANTINE = """
    insert into quarantine (site_id, received_at, edge, stream_id, seq, reason, message, content)
    values (%s, %s, %s, %s, %s, %s, %s, %s)
"""
COLUMNS = """
    select number, site_id, site.key, received_at, edge, stream_id, seq, reason, message,
           length(content)
"""
FIND = (
    COLUMNS
    + """
    , ''::bytea from quarantine join site using (site_id)
    where (%s::text is null or site.key = %s) and (%s::text is null or reason = %s)
    order by number limit %s
"""
)
READ = (
    COLUMNS
    + """
    , content from quarantine join site using (site_id)
    where number = %s and (%s::integer is null or site_id = %s)
"""
)
FORGET = "delete from quarantine where number = %s"


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """What is kept under a number, and why."""

    number: int
    site_id: int
    site: str
    received_us: int
    edge: str
    stream_id: int | None
    seq: int | None
    reason: str
    message: str
    size: int
    content: bytes  # Empty in a list.


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


async def find_quarantined(
    connection: AsyncConnection, site: str | None, reason: str | None, limit: int | None
) -> AsyncIterator[QuarantineRow]:
    """List what is kept, in the order in which it came, without the bytes."""
    cursor = await connection.execute(FIND, [site, site, reason, reason, limit])
    for row in await cursor.fetchall():
        yield _row(row)


async def read_quarantined(
    connection: AsyncConnection, number: int, site_id: int | None = None
) -> QuarantineRow | None:
    """Read what is kept under a number, of one site or of any."""
    cursor = await connection.execute(READ, [number, site_id, site_id])
    row = await cursor.fetchone()
    return None if row is None else _row(row)


async def forget_quarantined(connection: AsyncConnection, number: int) -> None:
    """Let go of what has been stored as scans in the same transaction."""
    await connection.execute(FORGET, [number])


def _row(fetched: tuple[Any, ...]) -> QuarantineRow:
    number, site_id, site, received_at, *rest = fetched
    return QuarantineRow(number, site_id, site, instant_us(received_at), *rest)
