"""Was every scan of a load run stored exactly once? The senders' ledger against the rows.

The ledger says how many steps each edge has taken; the numbers are made again from that. Both
sides are compared scan by scan and bit by bit.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import AsyncConnection

from simulators.load_numbers import PERIOD_US, LoadNumbers

STORED = """
    select (extract(epoch from scan.time) * 1000000)::bigint / %(period_us)s as step, scan.raw
    from scan join scan_group using (site_id, group_id)
    where scan_group.key = %(group)s and scan.stream_id is not null
    order by 1
"""


@dataclass(frozen=True, slots=True)
class LoadBalance:
    """What the comparison found, in readings."""

    stored: int
    lost: int
    duplicated: int  # Or invented: stored with numbers that nobody has sent.


async def load_balance(conn: AsyncConnection[Any], ledger: Path) -> LoadBalance:
    """Compare the ledger with what is stored."""
    document = json.loads(ledger.read_text(encoding="utf-8"))
    channels = document["channels"]
    numbers = LoadNumbers(channels)
    stored = lost = duplicated = 0
    for index, (edge, taken) in enumerate(document["edges"].items()):
        async with conn.cursor(binary=True) as cursor:
            await cursor.execute(STORED, {"period_us": PERIOD_US, "group": edge})
            rows = await cursor.fetchall()
        steps = np.array([row[0] for row in rows], np.int64)
        sent = np.arange(taken["first_step"], taken["first_step"] + taken["scans"])
        raw = np.array([row[1] for row in rows], np.float64).reshape(len(rows), channels)
        right = (raw == numbers.of(index, steps)).all(axis=1) & np.isin(steps, sent)
        found = len(np.unique(steps[right]))
        stored += len(rows)
        lost += len(sent) - found
        duplicated += len(rows) - found
    return LoadBalance(stored * channels, lost * channels, duplicated * channels)
