"""One site's part of a flush, written: everything in the caller's transaction, journal last."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from uuid import uuid4

import numpy as np
from psycopg import AsyncConnection

from alarms import journal, outbox
from alarms.checkpoint import encode as encode_state
from alarms.transition import (
    Acknowledgement,
    Belief,
    Change,
    Inputs,
    Outcome,
    Transition,
)
from historian import actions
from historian.beliefs import BELIEFS_AT_ONCE, take_beliefs, waiting_beliefs
from historian.events import EventOutcome
from historian.recorded_scans import body_of
from historian.scan_rows import NOT_REPLAYED, ScanWrite
from historian.streams import (
    BlockWrite,
    LossWrite,
    record_delivered,
    record_lost,
    write_blocks,
    write_losses,
)
from historian.submissions import SubmissionOutcome
from historian.writer import (
    Checkpoint,
    InputWrite,
    ScanOutcome,
    begin_flush,
    unstored_inputs,
    write_checkpoint,
    write_inputs,
    write_quarantine,
    write_scans,
)
from ingest.announcing import Announced, write_announced
from ingest.desk import SiteDesk
from ingest.event_storing import store_events
from ingest.newest_scans import write_newest
from ingest.preparation import GoodBlock, Prepared, RefusedBlock
from ingest.quarantining import quarantined_in
from ingest.screened import as_screened
from ingest.settled_numbers import FOUND_AGAIN, compare_repeated
from ingest.submissions import decide_submissions
from telemetry.failpoints import passing
from telemetry.planted import planted
from telemetry.quality import Quality
from telemetry.ranges import Range

# Whichever comes first: a replay of as much takes a second or two.
CHECKPOINT_EVERY_FLUSHES = 300
CHECKPOINT_EVERY_READINGS = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What a flush did for one site; true once it is committed."""

    flush_id: int
    scans: ScanOutcome
    events: EventOutcome
    readings: int  # Measured ones in the rows that it added.
    refused: tuple[RefusedBlock, ...]  # In quarantine, repeated blocks among them.
    numbered: tuple[tuple[int, Transition], ...]
    checkpoint: bool
    outcomes: Mapping[int, SubmissionOutcome] = field(default_factory=dict)  # By number.
    beliefs_taken: int = 0  # As far as `SiteDesk.beliefs_laid`.
    announced: Announced = ()


async def write_flush(
    conn: AsyncConnection,
    desk: SiteDesk,
    prepared: Prepared,
    *,
    now_us: int,
    destinations: Sequence[outbox.Destination],
    checkpoint: bool = False,
) -> Written:
    """Record a site's inputs, step its engine, and store what follows from both.

    The last flush before the end asks for a checkpoint: a newer program need not judge it again.
    """
    site_id = desk.ids.site_id
    flush_id = await begin_flush(conn, site_id, desk.term)
    acknowledgements = _aware_of_healing(desk, await actions.undecided(conn, site_id))
    prepared, kept = await compare_repeated(conn, desk, prepared)
    laid, beliefs = desk.beliefs_laid, await _take_beliefs(conn, desk, flush_id)
    outcome = _step(desk, prepared, acknowledgements, beliefs)
    prepared = as_screened(prepared, outcome.screened)
    events = await store_events(conn, desk, prepared, flush_id)
    measured = _measured(desk, prepared)
    stored = await write_scans(conn, site_id, flush_id, [*measured, *_calculated(desk, outcome)])
    announced = await _write_streams(conn, desk, prepared, kept, flush_id)
    inputs = [*_inputs(desk, acknowledgements, prepared, beliefs), *unstored_inputs(stored)]
    await write_inputs(conn, site_id, flush_id, inputs)
    await write_quarantine(conn, site_id, quarantined_in(prepared, kept))
    await write_newest(conn, desk, prepared, outcome, flush_id)
    await actions.decide(conn, outcome.decisions, flush_id)
    if checkpoint := checkpoint or _is_checkpoint_due(desk, prepared, flush_id):
        await _write_checkpoint(conn, desk, flush_id, now_us)
    return Written(
        flush_id=flush_id,
        scans=stored,
        events=events,
        readings=_count_readings(measured) - _count_readings(stored.unstored),
        refused=(*prepared.refused, *kept),
        outcomes=await decide_submissions(conn, desk, prepared, stored, flush_id),
        numbered=await _tell(conn, desk, outcome, flush_id, now_us, destinations),
        checkpoint=checkpoint,
        beliefs_taken=laid if len(beliefs) < BELIEFS_AT_ONCE else desk.beliefs_taken,
        announced=announced,
    )


async def _take_beliefs(conn: AsyncConnection, desk: SiteDesk, flush_id: int) -> tuple[Belief, ...]:
    """Take what the slow tier has laid down, if it has."""
    if not desk.beliefs_wait:
        return ()
    waiting = await waiting_beliefs(conn, desk.ids.site_id)
    await take_beliefs(conn, desk.ids.site_id, flush_id, [number for number, _ in waiting])
    return tuple(belief for _, belief in waiting)


async def _tell(
    conn: AsyncConnection,
    desk: SiteDesk,
    outcome: Outcome,
    flush_id: int,
    now_us: int,
    destinations: Sequence[outbox.Destination],
) -> tuple[tuple[int, Transition], ...]:
    """Write transitions into the journal, and down as what is to be told."""
    told = _as_planted((*(desk.healing or ()), *outcome.transitions))
    numbered = await journal.append(conn, desk.ids.site_id, flush_id, told, now_us)
    if not planted("outbox_skipped"):
        await outbox.enqueue(conn, desk.ids.site_id, numbered, destinations)
    return tuple(numbered)


def _as_planted(told: tuple[Transition, ...]) -> tuple[Transition, ...]:
    if planted("transition_forgotten"):
        return told[:-1]
    if planted("transition_key_by_chance"):
        return tuple(replace(one, key=f"{one.key}:{uuid4()}") for one in told)
    return told


def _count_readings(writes: Sequence[ScanWrite]) -> int:
    return sum(write.measured.size for write in writes)


def _aware_of_healing(
    desk: SiteDesk, acknowledgements: tuple[Acknowledgement, ...]
) -> tuple[Acknowledgement, ...]:
    """Tell acknowledgements of the rises that stand in no journal yet, but come before them."""
    risen = {
        one.occurrence: one.level.name.lower()
        for one in desk.healing or ()
        if one.change in (Change.RAISE, Change.RISE)
    }
    return tuple(
        replace(one, risen_to=risen.get(one.occurrence, one.risen_to))
        if one.seen_number is not None
        else one
        for one in acknowledgements
    )


def _step(
    desk: SiteDesk,
    prepared: Prepared,
    acknowledgements: tuple[Acknowledgement, ...],
    beliefs: tuple[Belief, ...],
) -> Outcome:
    passing("ingest_converted")
    outcome = desk.engine.step(
        desk.state,
        Inputs(
            acknowledgements=acknowledgements,
            scans=prepared.scans,
            silences=prepared.silences,
            happenings=prepared.happenings,
            beliefs=beliefs,
            ticks=prepared.ticks,
        ),
    )
    passing("ingest_judged")
    return outcome


def _measured(desk: SiteDesk, prepared: Prepared) -> list[ScanWrite]:
    writes = [write for block in prepared.good for write in _tame(desk, block)]
    return writes[:-1] if planted("last_block_not_stored") else writes


def _tame(desk: SiteDesk, block: GoodBlock) -> list[ScanWrite]:
    """The scans of a block that the table takes."""
    chosen = np.flatnonzero(~block.judged.wild)
    return [_write_of(desk, block).rows(chosen)] if len(chosen) else []


def _wild(desk: SiteDesk, block: GoodBlock) -> list[ScanWrite]:
    """The scans whose stamps no table may hold; recorded as inputs, kept in quarantine."""
    chosen = np.flatnonzero(block.judged.wild)
    return [_write_of(desk, block).rows(chosen)] if len(chosen) else []


def _write_of(desk: SiteDesk, block: GoodBlock) -> ScanWrite:
    judged = block.judged.judged
    raw = block.judged.raw
    rows = len(raw)
    # Channels that have left the site file: nobody knows any more what their numbers mean.
    left = (rows, raw.shape[1] - judged.value.shape[1])
    ordinal = np.arange(block.first_row, block.first_row + rows, dtype=np.int16)
    if block.judged.late is not None:
        ordinal[block.judged.late] = NOT_REPLAYED - ordinal[block.judged.late]
    return ScanWrite(
        group_id=desk.ids.group_ids[block.judged.group],
        stream_id=block.arrival.stream.stream_id,
        seq=block.event.seq,
        time_us=judged.sampled_us,
        judged_us=judged.judged_us,
        ordinal=ordinal,
        raw=raw,
        value=np.hstack([judged.value, np.full(left, np.nan)]),
        quality=np.hstack([judged.quality, np.full(left, Quality.NO_VALUE, dtype=np.int16)]),
    )


def _calculated(desk: SiteDesk, outcome: Outcome) -> list[ScanWrite]:
    """The scans that the ticks computed."""
    return [
        ScanWrite(
            group_id=desk.ids.group_ids[scans.group],
            stream_id=None,
            seq=None,
            time_us=scans.at_us,
            judged_us=scans.at_us,
            ordinal=np.zeros(len(scans.at_us), dtype=np.int16),
            raw=None,
            value=scans.value,
            quality=scans.quality,
        )
        for scans in outcome.calculated
    ]


async def _write_streams(
    conn: AsyncConnection,
    desk: SiteDesk,
    prepared: Prepared,
    kept: Sequence[RefusedBlock],
    flush_id: int,
) -> Announced:
    delivered: defaultdict[int, list[Range]] = defaultdict(list)
    blocks: list[BlockWrite] = []
    announced = await write_announced(conn, desk)
    if prepared.is_release:
        return announced
    received = [
        *((one.arrival, one.event, desk.ids.group_ids[one.judged.group]) for one in prepared.good),
        *((one.arrival, one.event, None) for one in prepared.without_group),
        # The number of a block that differs stays with the one that it stands for.
        *((one.arrival, one.event, None) for one in kept if one.reason == FOUND_AGAIN),
    ]
    for arrival, event, group_id in received:
        if arrival.stream.is_gateways:  # A submission's outcome stands in its own row.
            continue
        stream_id = arrival.stream.stream_id
        delivered[stream_id].append((event.seq, event.seq))
        blocks.append(BlockWrite(stream_id, event.seq, event.hash, group_id, arrival.received_us))
    for stream_id, ranges in delivered.items():
        await record_delivered(conn, stream_id, ranges)
    await _write_lost(conn, prepared)
    await write_blocks(conn, flush_id, blocks)
    return announced


async def _write_lost(conn: AsyncConnection, prepared: Prepared) -> None:
    losses = [
        LossWrite(arrival.stream.stream_id, one.first, one.last, one.reason, arrival.received_us)
        for arrival, one in prepared.lost
    ]
    lost: defaultdict[int, list[Range]] = defaultdict(list)
    for one in losses:
        lost[one.stream_id].append((one.first, one.last))
    for stream_id, ranges in lost.items():
        await record_lost(conn, stream_id, ranges)
    await write_losses(conn, losses)


def _inputs(
    desk: SiteDesk,
    acknowledgements: Sequence[Acknowledgement],
    prepared: Prepared,
    beliefs: Sequence[Belief] = (),
) -> list[InputWrite]:
    """Write what is not a scan as inputs; groups by their numbers in the store."""
    passing("ingest_copied")  # The scans are in the table, and what goes with them is not.
    ids = desk.ids.group_ids
    configuration = [InputWrite("configuration", {"version": desk.ids.version})]
    return [
        *(configuration if desk.configuration_is_new else []),
        *(InputWrite("acknowledgement", asdict(one)) for one in acknowledgements),
        *(
            InputWrite("silence", {**asdict(one), "group": ids[one.group]})
            for one in prepared.silences
        ),
        *(InputWrite("happening", asdict(one)) for one in prepared.happenings),
        *(InputWrite("belief", asdict(one)) for one in beliefs),
        *(InputWrite("tick", {**asdict(one), "group": ids[one.group]}) for one in prepared.ticks),
        *(
            InputWrite("unstored_scans", body_of(write))
            for block in prepared.good
            for write in _wild(desk, block)
        ),
    ]


def _is_checkpoint_due(desk: SiteDesk, prepared: Prepared, flush_id: int) -> bool:
    return (
        flush_id - desk.checkpoint_flush_id >= CHECKPOINT_EVERY_FLUSHES
        or desk.readings + prepared.readings >= CHECKPOINT_EVERY_READINGS
        or desk.configuration_is_new
        or desk.healing is not None  # A replay of what led to it would differ again.
    )


async def _write_checkpoint(
    conn: AsyncConnection, desk: SiteDesk, flush_id: int, now_us: int
) -> None:
    state = encode_state(desk.engine, desk.state)
    checkpoint = Checkpoint(flush_id=flush_id, version=desk.ids.version, state=state)
    await write_checkpoint(conn, desk.ids.site_id, checkpoint, now_us)
