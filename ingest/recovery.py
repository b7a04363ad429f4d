"""From the database back to the engine's state: checkpoint, then the inputs of later flushes.

The same way after a start, a crash and a failed COMMIT (decision record 0002). Nothing that a
replay says is told or stored: the journal has it already. Where the journal has something else,
because another program judged then, the next flush tells the difference.
"""

import asyncio
from collections.abc import Callable

import structlog
from psycopg import AsyncConnection

from alarms.checkpoint import CheckpointError
from alarms.checkpoint import decode as decode_state
from alarms.engine import NEVER_US, EngineState
from alarms.journal import read_open
from alarms.reconciliation import differing, reconcile
from alarms.replaying.eras import Era, carried_over, open_era
from alarms.replaying.recorded import Replay, from_the_beginning
from alarms.transition import Transition
from historian.checkpoint import read_checkpoint
from historian.latest import read_anchors
from historian.replay import flushes_after
from historian.streams import open_stream
from ingest.desk import SiteDesk
from ingest.stamps import StampState
from telemetry.planted import planted
from telemetry.ranges import RangeSet

OCCURRENCES_LOGGED = 10

log = structlog.get_logger()


async def recover(
    conn: AsyncConnection, desk: SiteDesk, progressed: Callable[[], None] = lambda: None
) -> None:
    """Set a desk's state to what the database's newest flush left; tell of each step forward."""
    newest = _era_of(desk)
    found = await _from_checkpoint(conn, desk, newest)
    kept_flush_id = found.flush_id
    progressed()
    async for record in flushes_after(conn, desk.ids.site_id, kept_flush_id):
        await found.take(conn, record)
        progressed()
        await asyncio.sleep(0)  # A replay may be long, and lines want to be answered.
    state = carried_over(found.state, found.era, newest)
    if planted("state_forgotten"):
        state = desk.engine.initial_state()
    healing = await _reconciled(conn, desk, state, found.flush_id)
    stamps = await _stamps(conn, desk, state)
    desk.resume(state, found.flush_id, kept_flush_id, stamps, found.readings)
    desk.healing = healing
    desk.configuration_is_new = found.era.version != desk.ids.version
    for stream in list(desk.streams.values()):  # An edge may come meanwhile.
        progressed()
        stored = await open_stream(conn, desk.ids.site_id, stream.edge, stream.epoch)
        stream.reread(RangeSet([*stored.delivered, *stored.lost]))
    log.info(
        "site recovered",
        site=desk.key,
        checkpoint=kept_flush_id,
        flush=found.flush_id,
        replayed=found.replayed,
    )


def _era_of(desk: SiteDesk) -> Era:
    """Judge by what the file says now."""
    return Era(desk.ids.version, desk.plan, desk.ids.group_ids, desk.engine)


async def _from_checkpoint(conn: AsyncConnection, desk: SiteDesk, newest: Era) -> Replay:
    """Load the state, the flush that it is of, and the configuration that was in force then."""
    checkpoint = await read_checkpoint(conn, desk.ids.site_id)
    if checkpoint is not None:
        era = await open_era(conn, desk.ids.site_id, checkpoint.version, newest)
        try:
            state = decode_state(era.engine, checkpoint.state)
        except CheckpointError as error:
            log.warning("checkpoint can't be used, replaying all", site=desk.key, error=str(error))
        else:
            return Replay(desk.ids.site_id, newest, era, state, checkpoint.flush_id)
    return from_the_beginning(desk.ids.site_id, newest)


async def _reconciled(
    conn: AsyncConnection, desk: SiteDesk, state: EngineState, flush_id: int
) -> tuple[Transition, ...] | None:
    """Find what the next flush must tell, because the replay judged otherwise than was told."""
    told = await read_open(conn, desk.ids.site_id)
    occurrences = differing(state, told)
    if not occurrences:
        return None
    log.error(
        "the replay judges otherwise than was told; the difference will be told now",
        site=desk.key,
        alarms=len(occurrences),
        occurrences=occurrences[:OCCURRENCES_LOGGED],
    )
    return reconcile(desk.engine, state, told, flush_id)


async def _stamps(conn: AsyncConnection, desk: SiteDesk, state: EngineState) -> list[StampState]:
    """Find each group's newest scan with its clocks, so that no wrong stamp loses its repair."""
    anchors = await read_anchors(conn, desk.ids.site_id)
    found = []
    for group_id, newest in zip(desk.ids.group_ids, state.newest_us.tolist(), strict=True):
        judged_us, anchor = anchors.get(group_id, (NEVER_US, None))
        if anchor is None or judged_us < newest:
            found.append(StampState(newest))
        else:
            clocks = (anchor.stream_id, anchor.monotonic_us, anchor.received_us)
            found.append(StampState(judged_us, *clocks))
    return found
