"""From the database back to the engine's state: checkpoint, then the inputs of later flushes.

The same way after a start, a crash and a failed COMMIT (decision record 0002). Nothing that a
replay says is told or stored: the journal has it already.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import structlog
from psycopg import AsyncConnection

from alarms.checkpoint import CheckpointError
from alarms.checkpoint import decode as decode_state
from alarms.engine import NEVER_US, EngineState
from alarms.transition import Acknowledgement, Happening, Inputs, Silence, Tick
from historian.checkpoint import read_checkpoint
from historian.latest import read_anchors
from historian.replay import FlushRecord, flushes_after
from historian.streams import open_stream
from ingest.desk import SiteDesk
from ingest.judging import as_wide_as
from ingest.preparation import joined
from ingest.stamps import StampState
from telemetry.ranges import RangeSet
from telemetry.scan import JudgedScans

K = TypeVar("K")

log = structlog.get_logger()


async def recover(conn: AsyncConnection, desk: SiteDesk) -> None:
    """Set a desk's state to what the database's newest flush left."""
    state, checkpoint_flush_id, version = await _from_checkpoint(conn, desk)
    flush_id = checkpoint_flush_id
    replayed = 0
    async for record in flushes_after(conn, desk.ids.site_id, flush_id):
        desk.engine.step(state, inputs_of(record, desk))
        flush_id = record.flush_id
        replayed += 1
    desk.resume(state, flush_id, checkpoint_flush_id, await _stamps(conn, desk, state))
    desk.configuration_is_new = version != desk.ids.version
    for stream in list(desk.streams.values()):  # An edge may come meanwhile.
        stored = await open_stream(conn, desk.ids.site_id, stream.edge, stream.epoch)
        stream.delivered = RangeSet([*stored.delivered, *stored.lost])
    log.info(
        "site recovered",
        site=desk.key,
        checkpoint=checkpoint_flush_id,
        flush=flush_id,
        replayed=replayed,
    )


async def _from_checkpoint(
    conn: AsyncConnection, desk: SiteDesk
) -> tuple[EngineState, int, int | None]:
    """Load the state, the flush that it is of, and the configuration that was in force then."""
    checkpoint = await read_checkpoint(conn, desk.ids.site_id)
    if checkpoint is None:
        return desk.engine.initial_state(), 0, None
    try:
        state = decode_state(desk.engine, checkpoint.state)
    except CheckpointError as error:
        log.warning("checkpoint can't be used, replaying all", site=desk.key, error=str(error))
        return desk.engine.initial_state(), 0, None
    return state, checkpoint.flush_id, checkpoint.version


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


def inputs_of(record: FlushRecord, desk: SiteDesk) -> Inputs:
    """Put a recorded flush back into the order in which it counted."""
    index = {group_id: n for n, group_id in enumerate(desk.ids.group_ids)}
    bodies: dict[str, list[dict[str, Any]]] = {}
    for _, kind, body in record.inputs:
        bodies.setdefault(kind, []).append(body)
    return Inputs(
        acknowledgements=tuple(Acknowledgement(**one) for one in bodies.get("acknowledgement", ())),
        scans=_scans_of(record, desk, index),
        silences=_of_known_groups(Silence, bodies.get("silence", ()), index),
        happenings=tuple(Happening(**one) for one in bodies.get("happening", ())),
        ticks=_of_known_groups(Tick, bodies.get("tick", ()), index),
    )


def _of_known_groups(
    kind: Callable[..., K], bodies: Sequence[dict[str, Any]], index: Mapping[int, int]
) -> tuple[K, ...]:
    """Make inputs about groups; one that has left the site file concerns nobody any more."""
    return tuple(
        kind(**{**body, "group": index[body["group"]]}) for body in bodies if body["group"] in index
    )


def _scans_of(
    record: FlushRecord, desk: SiteDesk, index: Mapping[int, int]
) -> tuple[JudgedScans, ...]:
    by_group: dict[int, list[JudgedScans]] = {}
    for scans in record.scans:
        group = index.get(scans.group_id)
        if group is None:
            continue
        width = desk.plan.groups[group].slot_count
        value, quality = as_wide_as(width, scans.value, scans.quality)
        raw, _ = as_wide_as(width, scans.raw, scans.quality)
        by_group.setdefault(group, []).append(
            JudgedScans(group, scans.time_us, scans.judged_us, raw, value, quality)
        )
    return tuple(joined(by_group[group]) for group in sorted(by_group))
