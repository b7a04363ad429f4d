"""Which scans of a new stream were delivered before, in another one?

An edge that was restored from an old copy of its disk sends again, in a new stream, what the
copy had not known to be delivered. Its stamps look as if its clock had been set back; judged
as of now, last month's readings would end today's alarms. A clock that really is wrong (a new
disk in a computer whose clock has no battery) stamps readings that the store does not hold.
"""

from collections.abc import Sequence

from psycopg import AsyncConnection

from historian.known_scans import stored_already
from ingest.desk import SiteDesk
from ingest.inbox import Arrival, Stream
from ingest.judging import BlockRefusedError, read_block
from telemetry.uplink import BlockReceived


async def look_up_repetitions(
    conn: AsyncConnection, desk: SiteDesk, arrivals: Sequence[Arrival]
) -> None:
    """Look up what may have been delivered before, for the desk; nearly always that is nothing.

    Only what is not after the group's newest scan, and not of the same stream, is looked up: a
    stream gives each of its blocks one number for ever.
    """
    desk.repetitions.clear()
    streams = {one.stream for one in arrivals if one.stream.site == desk.key}
    new = {one for one in streams if _is_new_to_some_group(desk, one)}
    for arrival in arrivals:
        stream, event = arrival.stream, arrival.event
        if not isinstance(event, BlockReceived) or stream not in new:
            continue
        try:
            block, group = read_block(event.content, edge=stream.edge, known=desk.known)
        except BlockRefusedError:
            continue
        if not block.in_order:
            continue  # What is not after the newest is late, and says nothing about now either.
        stamps = desk.stamps[group.index]
        old = block.sampled_us <= stamps.newest_us
        # A wild stamp may be more than the database can say.
        old &= block.sampled_us >= desk.known.began_us
        if stamps.stream_id == stream.stream_id or not old.any():
            continue
        known = old.copy()
        group_id = desk.ids.group_ids[group.index]
        async with conn.transaction():
            known[old] = await stored_already(
                conn, desk.ids.site_id, group_id, block.sampled_us[old], block.raw[old]
            )
        desk.repetitions[stream.stream_id, event.seq] = known


def _is_new_to_some_group(desk: SiteDesk, stream: Stream) -> bool:
    newest = [desk.stamps[group.index] for group in desk.plan.groups_of_edge(stream.edge)]
    return any(one.newest_us >= 0 and one.stream_id != stream.stream_id for one in newest)
