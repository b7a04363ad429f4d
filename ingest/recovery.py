"""From the database back to the engine's state: checkpoint, then the inputs of later flushes.

The same way after a start, a crash and a failed COMMIT (decision record 0002). Nothing that a
replay says is told or stored: the journal has it already. Where the journal has something else,
because another program judged then, the next flush tells the difference.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from psycopg import AsyncConnection

from alarms.checkpoint import CheckpointError
from alarms.checkpoint import decode as decode_state
from alarms.engine import NEVER_US, EngineState
from alarms.journal import read_open
from alarms.reconciliation import differing, reconcile
from alarms.transition import Acknowledgement, Happening, Inputs, Silence, Tick, Transition
from historian.checkpoint import read_checkpoint
from historian.latest import read_anchors
from historian.replay import FlushRecord, flushes_after
from historian.streams import open_stream
from ingest.desk import SiteDesk
from ingest.eras import Era, carried_over, era_of, open_era
from ingest.judging import as_wide_as
from ingest.preparation import joined
from ingest.stamps import StampState
from telemetry.plan import SitePlan
from telemetry.ranges import RangeSet
from telemetry.scan import JudgedScans

K = TypeVar("K")
OCCURRENCES_LOGGED = 10

log = structlog.get_logger()


async def recover(
    conn: AsyncConnection, desk: SiteDesk, progressed: Callable[[], None] = lambda: None
) -> None:
    """Set a desk's state to what the database's newest flush left; tell of each step forward."""
    found = await _from_checkpoint(conn, desk)
    kept_flush_id = found.flush_id
    progressed()
    async for record in flushes_after(conn, desk.ids.site_id, kept_flush_id):
        await found.take(conn, desk, record)
        progressed()
        await asyncio.sleep(0)  # A replay may be long, and lines want to be answered.
    state = carried_over(found.state, found.era, era_of(desk, desk.ids.version))
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


@dataclass(slots=True, eq=False)
class _Recovered:
    """A state on its way through the recorded flushes."""

    era: Era
    state: EngineState
    flush_id: int = 0
    replayed: int = 0
    readings: int = 0

    async def take(self, conn: AsyncConnection, desk: SiteDesk, record: FlushRecord) -> None:
        """Take one flush in, under the configuration that was in force in it."""
        for _, kind, body in record.inputs:
            if kind == "configuration" and body["version"] != self.era.version:
                before, self.era = self.era, await open_era(conn, desk, body["version"])
                self.state = carried_over(self.state, before, self.era)
        inputs = inputs_of(record, self.era.plan, self.era.group_ids)
        self.era.engine.step(self.state, inputs)
        self.flush_id = record.flush_id
        self.replayed += 1
        self.readings += sum(one.raw.size for one in inputs.scans)


async def _from_checkpoint(conn: AsyncConnection, desk: SiteDesk) -> _Recovered:
    """Load the state, the flush that it is of, and the configuration that was in force then."""
    checkpoint = await read_checkpoint(conn, desk.ids.site_id)
    if checkpoint is not None:
        era = await open_era(conn, desk, checkpoint.version)
        try:
            state = decode_state(era.engine, checkpoint.state)
        except CheckpointError as error:
            log.warning("checkpoint can't be used, replaying all", site=desk.key, error=str(error))
        else:
            return _Recovered(era, state, checkpoint.flush_id)
    return _Recovered(era_of(desk, None), desk.engine.initial_state())


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


def inputs_of(record: FlushRecord, plan: SitePlan, group_ids: Sequence[int]) -> Inputs:
    """Put a recorded flush back into the order in which it counted."""
    index = {group_id: n for n, group_id in enumerate(group_ids)}
    bodies: dict[str, list[dict[str, Any]]] = {}
    for _, kind, body in record.inputs:
        bodies.setdefault(kind, []).append(body)
    return Inputs(
        acknowledgements=tuple(Acknowledgement(**one) for one in bodies.get("acknowledgement", ())),
        scans=_scans_of(record, plan, index),
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
    record: FlushRecord, plan: SitePlan, index: Mapping[int, int]
) -> tuple[JudgedScans, ...]:
    by_group: dict[int, list[JudgedScans]] = {}
    for scans in record.scans:
        group = index.get(scans.group_id)
        if group is None:
            continue
        width = plan.groups[group].slot_count
        value, quality = as_wide_as(width, scans.value, scans.quality)
        raw, _ = as_wide_as(width, scans.raw, scans.quality)
        by_group.setdefault(group, []).append(
            JudgedScans(group, scans.time_us, scans.judged_us, raw, value, quality)
        )
    return tuple(joined(by_group[group]) for group in sorted(by_group))
