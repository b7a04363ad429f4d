"""Blocks out of quarantine, through a flush of their own.

Somebody has mended what was in the way (loaded the edge's site file, say) and asks for a block
again. It is stored as it would have been when it came. What it says of instants that have been
judged since is history, and raises no alarm; what is newer than the group's newest is judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from psycopg import AsyncConnection

from alarms.outbox import Destination
from alarms.transition import Decision
from historian import actions
from historian.quarantine import QuarantineRow, forget_quarantined, read_quarantined
from ingest.desk import SiteDesk
from ingest.event_judging import judge_events
from ingest.flush import Written, write_flush
from ingest.inbox import Arrival, Stream
from ingest.judging import BlockRefusedError, judge_block, read_block
from ingest.preparation import IMPLAUSIBLE_CLOCK, GoodBlock, GoodEvents, Prepared
from ingest.room import Room
from ingest.settlement import settle
from ingest.stamps import Receipt
from telemetry.event_wire import is_event_block
from telemetry.ranges import RangeSet
from telemetry.uplink import BlockReceived

NOT_MEANT = "its stamps can't be meant, so no table may hold them"
TOLD = "select pg_notify('groundwatch', 'flush')"


@dataclass(frozen=True, slots=True)
class Release:
    """Somebody wants a block out of quarantine."""

    action_id: str
    number: int


async def wanted(conn: AsyncConnection, desk: SiteDesk) -> list[Release]:
    """Find what is asked for, in the order in which it was."""
    async with conn.transaction():
        found = await actions.undecided_releases(conn, desk.ids.site_id)
    return [Release(action_id, number) for action_id, number in found]


async def carry_out(
    conn: AsyncConnection,
    maker: AsyncConnection,
    desk: SiteDesk,
    release: Release,
    *,
    room: Room,
    now_us: int,
    destinations: Sequence[Destination],
) -> Written:
    """Store one block in a transaction of its own, with which it leaves the quarantine.

    Raises BlockRefusedError, before anything has moved, when it still can't be understood; after
    any other failure the desk has to be recovered.
    """
    async with conn.transaction():
        row = await read_quarantined(conn, release.number, desk.ids.site_id)
    if row is None:
        raise BlockRefusedError("gone", f"number {release.number} is not in quarantine any more")
    prepared = _prepared(desk, row)
    await room.make(maker, prepared.weeks_us)
    async with conn.transaction():
        written = await write_flush(conn, desk, prepared, now_us=now_us, destinations=destinations)
        await forget_quarantined(conn, release.number)
        accepted = Decision(release.action_id, accepted=True, reason="")
        await actions.decide(conn, [accepted], written.flush_id)
        await conn.execute(TOLD)
    settle(desk, prepared, written)
    return written


async def refuse(conn: AsyncConnection, release: Release, reason: str) -> None:
    """Say why a block stays where it is."""
    async with conn.transaction():
        refused = Decision(release.action_id, accepted=False, reason=reason)
        await actions.decide(conn, [refused], None)


def in_short(error: Exception) -> str:
    """The first line of what an error says: databases add where in their own code it arose."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _prepared(desk: SiteDesk, row: QuarantineRow) -> Prepared:
    """Judge a block as of its receipt; moves the desk's stamps on."""
    if is_event_block(row.content):
        return _prepared_events(desk, row)
    block, group = read_block(row.content, edge=row.edge, known=desk.known)
    stream_id = -1 if row.stream_id is None else row.stream_id
    receipt = Receipt(stream_id, row.received_us, desk.known.began_us)
    if any(receipt.is_wild(stamp_us) for stamp_us in block.sampled_us.tolist()):
        raise BlockRefusedError(
            IMPLAUSIBLE_CLOCK, NOT_MEANT + "; the readings were judged when they came"
        )
    judged = judge_block(
        block,
        group,
        converter=desk.known.converters[group.index],
        receipt=receipt,
        stamps=desk.stamps[group.index],
        # What is not after the newest is history, not a clock that has been set back.
        repeated=np.ones(len(block.sampled_us), np.bool_),
    )
    desk.stamps[group.index] = judged.stamps
    arrival, event = _arrival(desk, row)
    scans = () if judged.is_late else (judged.seen,)
    nobody = np.zeros(len(desk.plan.groups), np.bool_)
    return Prepared(
        arrivals=(),
        good=(GoodBlock(arrival, event, judged),),
        scans=scans,
        ticks=desk.ticks.due(desk.state, scans, nobody),
        complaints=desk.complaints,
        is_release=True,
    )


def _prepared_events(desk: SiteDesk, row: QuarantineRow) -> Prepared:
    """Judge a block of events as of its receipt: those that are known already are passed over."""
    arrival, event = _arrival(desk, row)
    receipt = Receipt(arrival.stream.stream_id, row.received_us, desk.known.began_us)
    judged = judge_events(row.content, edge=row.edge, known=desk.known, receipt=receipt)
    if judged.wild.any():
        raise BlockRefusedError(IMPLAUSIBLE_CLOCK, NOT_MEANT)
    return Prepared(
        arrivals=(),
        events=(GoodEvents(arrival, event, judged),),
        complaints=desk.complaints,
        is_release=True,
    )


def _arrival(desk: SiteDesk, row: QuarantineRow) -> tuple[Arrival, BlockReceived]:
    """The block as it came, in a stream apart: the edge's own was told of its number long ago."""
    event = BlockReceived(row.seq or 0, row.content, b"")
    stream_id = -1 if row.stream_id is None else row.stream_id
    stream = Stream(desk.key, row.edge, UUID(int=0), stream_id, RangeSet())
    return Arrival(stream, event, row.received_us, float("-inf")), event
