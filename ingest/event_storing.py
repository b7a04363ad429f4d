"""A flush's events: which of them are stored."""

import numpy as np
from psycopg import AsyncConnection

from historian.events import EventOutcome, EventWrite, write_events
from ingest.desk import SiteDesk
from ingest.preparation import Prepared


async def store_events(
    conn: AsyncConnection, desk: SiteDesk, prepared: Prepared, flush_id: int
) -> EventOutcome:
    """Store the events of a site's part of a flush, in the order (stream, seq, row)."""
    in_order = sorted(
        prepared.events, key=lambda one: (one.arrival.stream.stream_id, one.event.seq)
    )
    writes = []
    for one in in_order:
        tame = np.flatnonzero(~one.judged.wild)
        if len(tame):
            writes.append(
                EventWrite(
                    stream_id=one.arrival.stream.stream_id,
                    seq=one.event.seq,
                    received_us=one.arrival.received_us,
                    block=one.judged.block.rows(tame),
                    ordinal=tame.tolist(),
                )
            )
    return await write_events(conn, desk.ids.site_id, flush_id, writes)
