"""The newest scan of each group, as whoever asks what is now is shown it."""

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from alarms.transition import Outcome
from alarms.warming import warming_by_channel
from historian.latest import Anchor, LatestScan, mark_silent, write_latest
from historian.votes import write_votes
from ingest.desk import SiteDesk
from ingest.preparation import Prepared
from telemetry.scan import JudgedScans


async def write_newest(
    conn: AsyncConnection, desk: SiteDesk, prepared: Prepared, outcome: Outcome, flush_id: int
) -> None:
    """Write what is newest after a flush: scans of all kinds, votes, and who fell silent."""
    warming = warming_by_channel(desk.state, desk.engine.rules, len(desk.plan.channels))
    rows = [row for scans in prepared.scans for row in _latest_of(desk, scans, warming)]
    rows += [
        LatestScan(
            group_id=desk.ids.group_ids[scans.group],
            time_us=int(scans.at_us[-1]),
            raw=None,
            value=scans.value[-1],
            quality=scans.quality[-1],
            warming=_by_slot(desk, scans.group, warming),
        )
        for scans in outcome.calculated
    ]
    await write_latest(conn, desk.ids.site_id, flush_id, rows)
    await write_votes(conn, desk.ids.site_id, flush_id, outcome.votes)
    if prepared.silences:
        silent = [desk.ids.group_ids[one.group] for one in prepared.silences]
        await mark_silent(conn, desk.ids.site_id, flush_id, silent)


def _by_slot(desk: SiteDesk, group: int, warming: NDArray[np.int16]) -> NDArray[np.int16] | None:
    """Put what is known of channels at their slots; None where nothing warms up."""
    plan = desk.plan.groups[group]
    begin = plan.channels[0].index  # A group's channels stand together.
    of_group = warming[begin : begin + len(plan.channels)]
    if not of_group.any():
        return None
    at_slot = np.zeros(plan.slot_count, np.int16)
    at_slot[[channel.slot for channel in plan.channels]] = of_group
    return at_slot


def _latest_of(desk: SiteDesk, scans: JudgedScans, warming: NDArray[np.int16]) -> list[LatestScan]:
    """The newest scan of a group, at the instant it was judged at: a wild stamp shows nowhere.

    There is none where only scans came that had been delivered before.
    """
    stamps = desk.stamps[scans.group]
    return [
        LatestScan(
            group_id=desk.ids.group_ids[scans.group],
            time_us=stamps.newest_us,
            raw=scans.raw[n],
            value=scans.value[n],
            quality=scans.quality[n],
            anchor=Anchor(stamps.stream_id, stamps.monotonic_us, stamps.received_us),
            warming=_by_slot(desk, scans.group, warming),
        )
        for n in np.flatnonzero(scans.judged_us == stamps.newest_us)[:1].tolist()
    ]
