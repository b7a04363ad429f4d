"""Was every reading that an edge took stored exactly once? Spools against rows, value by value.

A spool is the ledger: the edge committed it before it sent anything. Both sides become
multisets of (group, instant, slot, raw number); what is only in the ledger is lost, what is
only in the store is duplicated (or invented).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from edge_agent.spool import read_ledger
from telemetry.clock import instant_us
from telemetry.event_wire import is_event_block
from telemetry.scan import ScanBlock
from telemetry.wire import decode_block

STORED = """
    select scan_group.key, scan.time, scan.raw
    from scan join scan_group using (site_id, group_id) join site using (site_id)
    where site.key = %s and scan.stream_id is not null
"""

Row = tuple[str, int, bytes]  # Group, instant, and the raw numbers bit by bit.


@dataclass(frozen=True, slots=True)
class Balance:
    """What the comparison found."""

    scans: int  # Stored.
    readings: int  # Stored measured values; failed reads are none.
    lost: int
    duplicated: int


async def balance(conn: AsyncConnection[Any], site: str, spools: Iterable[Path]) -> Balance:
    """Compare the spools of a site's edges with what is stored."""
    taken: Counter[Row] = Counter()
    for spool in spools:
        for _, content in read_ledger(spool):
            if not is_event_block(content):
                taken.update(_rows_of(decode_block(content)))
    stored: Counter[Row] = Counter()
    readings = 0
    cursor = await conn.execute(STORED, (site,))
    async for group, time, raw in cursor:
        numbers = np.array(raw, dtype=np.float64)
        readings += int(np.isfinite(numbers).sum())
        stored[group, instant_us(time), _bits(numbers)] += 1
    return Balance(
        scans=stored.total(),
        readings=readings,
        lost=_readings_in(taken - stored),
        duplicated=_readings_in(stored - taken),
    )


def _rows_of(block: ScanBlock) -> Iterable[Row]:
    for n, sampled_us in enumerate(block.sampled_us.tolist()):
        yield block.group, sampled_us, _bits(block.raw[n])


def _bits(numbers: NDArray[np.float64]) -> bytes:
    """Write numbers so that equal means the same bits; every NaN is the same."""
    return np.where(np.isnan(numbers), np.nan, numbers).astype("<f8").tobytes()


def _readings_in(rows: Counter[Row]) -> int:
    return sum(count * (len(bits) // 8) for (_, _, bits), count in rows.items())
