"""A small site for tests of the store: one hill with two groups, and room for an hour."""

import numpy as np
from psycopg import AsyncConnection

from historian.partition import ensure_partitions
from historian.writer import ScanWrite

NAN = float("nan")
SECOND_US = 1_000_000
START_US = 1_751_328_000 * SECOND_US  # 2025-07-01T00:00:00Z
ROOM = range(START_US, START_US + 3600 * SECOND_US)


async def make_hill(connection: AsyncConnection) -> int:
    """Make the site known with groups 1 and 2 of a scan per second; return its number."""
    row = await (
        await connection.execute("insert into site (key) values ('hill') returning site_id")
    ).fetchone()
    assert row is not None
    for group_id in (1, 2):
        await connection.execute(
            "insert into scan_group values (%s, %s, %s, 'dam', 'crest', false, 1)",
            [row[0], group_id, f"group-{group_id}"],
        )
    await ensure_partitions(connection, ROOM)
    return int(row[0])


def scans(
    raw: list[list[float]],
    *,
    group_id: int = 1,
    seq: int = 0,
    first: int = 0,
    value: list[list[float]] | None = None,
    quality: list[list[int]] | None = None,
) -> ScanWrite:
    """Scans one second apart, from second `first` on; values equal raw numbers unless given."""
    matrix = np.array(raw, np.float64)
    count = len(matrix)
    time_us = START_US + (first + np.arange(count, dtype=np.int64)) * SECOND_US
    return ScanWrite(
        group_id=group_id,
        stream_id=1,
        seq=seq,
        time_us=time_us,
        judged_us=time_us.copy(),
        ordinal=np.arange(count, dtype=np.int16),
        raw=matrix,
        value=matrix.copy() if value is None else np.array(value, np.float64),
        quality=np.zeros(matrix.shape, np.int16)
        if quality is None
        else np.array(quality, np.int16),
    )
