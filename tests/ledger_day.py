"""A day of which an edge took three blocks, and one came: for tests of the ledger."""

from uuid import UUID

import numpy as np
from api_centre import Centre
from ground import SECOND_US, START_US

from historian.partition import ensure_partitions
from historian.streams import announce, open_stream, record_delivered
from historian.writer import ScanWrite, write_scans

EPOCH = UUID("00000000-0000-4000-8000-000000000001")


async def delivered(centre: Centre) -> None:
    """Have one block of three scans stored, of the three blocks that an edge gave out."""
    site_id = centre.ids.site_id
    times = START_US + np.arange(3, dtype=np.int64) * SECOND_US
    await ensure_partitions(centre.connection, range(START_US, START_US + 60 * SECOND_US))
    stream = await open_stream(centre.connection, site_id, "dam-edge", EPOCH)
    write = ScanWrite(
        group_id=centre.scan("cracks", [0]).group_id,
        stream_id=stream.stream_id,
        seq=1,
        time_us=times,
        judged_us=times,
        ordinal=np.zeros(3, np.int16),
        raw=np.ones((3, 1)),
        value=np.ones((3, 1)),
        quality=np.zeros((3, 1), np.int16),
    )
    async with centre.connection.transaction():
        await write_scans(centre.connection, site_id, 1, [write])
    await record_delivered(centre.connection, stream.stream_id, [(1, 1)])
    await announce(centre.connection, stream.stream_id, 3, START_US)
