"""Which scans does the store hold already? Asked before scans are judged, not to store them."""

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from telemetry.clock import instant_at, instant_us

# The bounds on time let the server leave out partitions before it begins to look.
READ_RAW = """
    select time, raw from scan
    where site_id = %s and group_id = %s and time = any(%s) and time between %s and %s
      and raw is not null
"""


async def stored_already(
    connection: AsyncConnection,
    site_id: int,
    group_id: int,
    time_us: NDArray[np.int64],  # [scan]
    raw: NDArray[np.float64],  # [scan, slot]
) -> NDArray[np.bool_]:  # [scan]
    """Tell which scans of a group are stored with the same numbers."""
    known = np.zeros(len(time_us), dtype=np.bool_)
    if not len(time_us):
        return known
    instants = [instant_at(us) for us in time_us.tolist()]
    stored: dict[int, list[NDArray[np.float64]]] = {}
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(READ_RAW, [site_id, group_id, instants, min(instants), max(instants)])
        for time, numbers in await cursor.fetchall():
            stored.setdefault(instant_us(time), []).append(np.array(numbers, np.float64))
    for n, us in enumerate(time_us.tolist()):
        known[n] = any(_holds(one, raw[n]) for one in stored.get(us, ()))
    return known


def _holds(stored: NDArray[np.float64], came: NDArray[np.float64]) -> bool:
    """Tell whether all numbers that came are stored; where none came, none may be stored."""
    slots = min(len(stored), len(came))
    numbers = ~np.isnan(came)
    if not numbers.any():
        return bool(np.isnan(stored).all())
    same = stored[:slots] == came[:slots]
    return bool(same[numbers[:slots]].all()) and not numbers[slots:].any()
