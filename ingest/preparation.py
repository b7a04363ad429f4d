"""What a flush brings to one site, judged and put in its recorded order; no database yet.

Blocks are judged in the order of their arrival, which is the order of their stream. The inputs
for the engine are then put in the order of decision record 0002.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from alarms.transition import Happening, Silence, Tick
from historian.partition import FIRST_MONDAY_US, WEEK_US
from ingest.desk import Complaints, SiteDesk
from ingest.event_judging import JudgedEvents, judge_events
from ingest.inbox import Arrival
from ingest.judging import BlockRefusedError, JudgedBlock, judge_block, read_block
from ingest.soundings import sounder_happenings
from ingest.stamps import Receipt
from telemetry.event_wire import is_event_block
from telemetry.scan import JudgedScans, joined
from telemetry.uplink import BlockReceived, LostDeclared, Repeated

E = TypeVar("E")
IMPLAUSIBLE_CLOCK = "implausible_clock"
IMPLAUSIBLE_CLOCK_TOLD = (
    "the stamps are a day ahead of receipt or from before the site began; "
    "the readings were judged at receipt: set the edge's clock"
)
CONDEMNED = "the centre failed each time it tried to store or judge this block"


@dataclass(frozen=True, slots=True, eq=False)
class GoodBlock:
    """A block that can be stored."""

    arrival: Arrival
    event: BlockReceived
    judged: JudgedBlock
    first_row: int = 0  # Of its group under its number: a submission may hold several blocks.


@dataclass(frozen=True, slots=True, eq=False)
class GoodEvents:
    """A block of events that can be stored."""

    arrival: Arrival
    event: BlockReceived
    judged: JudgedEvents


@dataclass(frozen=True, slots=True, eq=False)
class RefusedBlock:
    """A block that goes to quarantine."""

    arrival: Arrival
    event: BlockReceived | Repeated
    reason: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A site's part of a flush."""

    arrivals: tuple[Arrival, ...]
    good: tuple[GoodBlock, ...] = ()
    events: tuple[GoodEvents, ...] = ()
    refused: tuple[RefusedBlock, ...] = ()
    lost: tuple[tuple[Arrival, LostDeclared], ...] = ()
    repeated: tuple[tuple[Arrival, Repeated], ...] = ()
    scans: tuple[JudgedScans, ...] = ()
    silences: tuple[Silence, ...] = ()
    happenings: tuple[Happening, ...] = ()
    notices: tuple[Happening, ...] = ()  # Those of them that did not come over a line.
    ticks: tuple[Tick, ...] = ()
    complaints: Complaints = field(default_factory=lambda: Complaints({}))  # Once committed.
    has_hellos: bool = False  # That are to be written down.
    is_release: bool = False  # Of a block whose number was settled when it came.

    @property
    def empty(self) -> bool:
        """Whether there is nothing to record."""
        due = self.arrivals or self.silences or self.notices or self.ticks
        return not (due or self.has_hellos)

    @property
    def without_group(self) -> tuple[GoodEvents | RefusedBlock, ...]:
        """Blocks that are of no scan group, or of nobody knows which."""
        return (*self.events, *self.refused)

    @property
    def with_wild(self) -> tuple[GoodBlock | GoodEvents, ...]:
        """Blocks with stamps that no table may hold."""
        blocks: tuple[GoodBlock | GoodEvents, ...] = (*self.good, *self.events)
        return tuple(one for one in blocks if one.judged.wild.any())

    @property
    def readings(self) -> int:
        """How many readings are to be stored, bad ones included."""
        return sum(int(block.judged.raw.size) for block in self.good)

    @property
    def weeks_us(self) -> set[int]:
        """The weeks, by their beginning, that the flush will store scans of.

        Not all between the first and the last: one stamp of years ago asks for room of its own.
        """
        ticks = np.array([tick.at_us for tick in self.ticks], dtype=np.int64)
        stamps = [one.judged.judged.sampled_us[~one.judged.wild] for one in self.good]
        times = np.concatenate([ticks, *stamps])
        return set(np.unique(times - (times - FIRST_MONDAY_US) % WEEK_US).tolist())


def prepare(
    desk: SiteDesk,
    arrivals: Sequence[Arrival],
    *,
    now_us: int,
    now_s: float,
    rate: float,
    settled: bool,
    condemned: Arrival | None = None,  # A block that the store or the engine could not take.
) -> Prepared:
    """Judge a site's arrivals, and find what is due without them; moves the desk's stamps on."""
    good, events, refused = _judge(desk, arrivals, condemned)
    scans = _in_recorded_order(good)
    complaints = desk.complaints.copy()
    notices, lost = tuple(desk.notices), _of_kind(arrivals, LostDeclared)
    found = _happenings(desk, [*good, *events], refused, lost, complaints=complaints)
    desk.hearing.listen(now_s)
    for block in good:
        # A source that brings only what is late says nothing about now: it falls silent.
        if not block.judged.is_late:
            desk.hearing.hear(block.judged.group, block.arrival.heard_s)
    desk.greeted_edges.difference_update(one.stream.edge for one in arrivals)
    # An edge that is catching up holds what its groups are said to lack.
    absent = settled & ~desk.catching_up(now_s)
    return Prepared(
        arrivals=tuple(arrivals),
        good=tuple(good),
        events=tuple(events),
        refused=tuple(refused),
        lost=lost,
        repeated=_of_kind(arrivals, Repeated),
        scans=scans,
        silences=_silences(desk, absent & desk.hearing.silent(now_s, rate), now_us),
        happenings=(*notices, *found),
        notices=notices,
        ticks=desk.ticks.due(desk.state, scans, absent & desk.hearing.excused(now_s, rate)),
        complaints=complaints,
        has_hellos=desk.has_hellos,
    )


def _of_kind(arrivals: Iterable[Arrival], kind: type[E]) -> tuple[tuple[Arrival, E], ...]:
    return tuple((one, one.event) for one in arrivals if isinstance(one.event, kind))


def _judge(
    desk: SiteDesk, arrivals: Sequence[Arrival], condemned: Arrival | None
) -> tuple[list[GoodBlock], list[GoodEvents], list[RefusedBlock]]:
    good: list[GoodBlock] = []
    events: list[GoodEvents] = []
    refused: list[RefusedBlock] = []
    rows: Counter[tuple[int, int, int]] = Counter()
    for arrival, event in ((one, block) for one in arrivals for block in one.blocks):
        if arrival is condemned:
            refused.append(RefusedBlock(arrival, event, "not_storable", CONDEMNED))
            continue
        receipt = Receipt(arrival.stream.stream_id, arrival.received_us, desk.known.began_us)
        try:
            if is_event_block(event.content):
                judged_events = judge_events(
                    event.content, edge=arrival.stream.edge, known=desk.known, receipt=receipt
                )
                events.append(GoodEvents(arrival, event, judged_events))
                continue
            block, group = read_block(event.content, edge=arrival.stream.edge, known=desk.known)
        except BlockRefusedError as error:
            refused.append(RefusedBlock(arrival, event, error.reason, error.message))
            continue
        judged = judge_block(
            block,
            group,
            converter=desk.known.converters[group.index],
            receipt=receipt,
            stamps=desk.stamps[group.index],
            repeated=desk.repetitions.get((arrival.stream.stream_id, event.seq)),
        )
        desk.stamps[group.index] = judged.stamps
        first_row = 0
        if arrival.stream.is_gateways:
            place = (arrival.stream.stream_id, event.seq, group.index)
            first_row, rows[place] = rows[place], rows[place] + len(block.sampled_us)
        good.append(GoodBlock(arrival, event, judged, first_row))
    return good, events, refused


def _in_recorded_order(good: Sequence[GoodBlock]) -> tuple[JudgedScans, ...]:
    """Put scans in the order (group, stream, seq, row): one `JudgedScans` for each group.

    Late ones are left out: they say nothing about now. (That their windows are judged again, and
    what is found there told as late, is not done yet: decision record 0008.)
    """
    return tuple(
        joined([block.judged.seen for block in of_group]) for of_group in blocks_by_group(good)
    )


def blocks_by_group(good: Sequence[GoodBlock]) -> list[list[GoodBlock]]:
    """List the blocks that the engine is shown, group by group, each in recorded order."""

    def place(block: GoodBlock) -> tuple[int, int, int, int]:
        stream_id = block.arrival.stream.stream_id
        return block.judged.group, stream_id, block.event.seq, block.first_row

    in_order = sorted((block for block in good if not block.judged.is_late), key=place)
    grouped = groupby(in_order, key=lambda block: block.judged.group)
    return [list(of_group) for _, of_group in grouped]


def _silences(desk: SiteDesk, silent: NDArray[np.bool_], now_us: int) -> tuple[Silence, ...]:
    """Find groups that have just fallen silent; one that never spoke is silent since we began."""
    found = []
    for group in np.flatnonzero(silent & ~desk.state.silent).tolist():
        newest_us = desk.stamps[group].newest_us
        allowed_us = 3 * desk.plan.groups[group].period_us
        since_us = newest_us if newest_us >= desk.known.began_us else now_us - allowed_us
        found.append(Silence(group, since_us))
    return tuple(found)


def _happenings(
    desk: SiteDesk,
    good: Sequence[GoodBlock | GoodEvents],
    refused: Sequence[RefusedBlock],
    lost: Sequence[tuple[Arrival, LostDeclared]],
    *,
    complaints: Complaints,
) -> tuple[Happening, ...]:
    found = [
        about_edge(
            desk,
            arrival,
            "declared_lost",
            {"first": event.first, "last": event.last, "reason": event.reason},
        )
        for arrival, event in lost
    ]
    for block in refused:
        detail = {"seq": block.event.seq, "reason": block.reason, "message": block.message}
        if complaints.may_tell(block.arrival.stream.edge, block.reason, block.arrival.received_us):
            found.append(about_edge(desk, block.arrival, f"quarantined_{block.reason}", detail))
    for one in good:
        if isinstance(one, GoodEvents):
            found += sounder_happenings(one.judged, one.arrival.received_us)
        if not one.judged.wild.any():
            continue
        subject, structure, stamps_us, counted = _told_of_wild(desk, one)
        if complaints.may_tell(subject, IMPLAUSIBLE_CLOCK, one.arrival.received_us):
            found.append(
                Happening(
                    subject=subject,
                    rule=IMPLAUSIBLE_CLOCK,
                    structure=structure,
                    at_us=one.arrival.received_us,
                    detail={"stamp_us": int(stamps_us[0]), counted: len(stamps_us)},
                )
            )
    return tuple(found)


def _told_of_wild(
    desk: SiteDesk, one: GoodBlock | GoodEvents
) -> tuple[str, str, NDArray[np.int64], str]:
    """Whose stamps can't be meant, in which structure, which they are, and what they are of."""
    if isinstance(one, GoodEvents):
        source = one.judged.source
        stamps_us = one.judged.block.sampled_us[one.judged.wild]
        return source.key, source.structure.id, stamps_us, "events"
    group = desk.plan.groups[one.judged.group]
    stamps_us = one.judged.judged.sampled_us[one.judged.wild]
    return group.key, group.structure.id, stamps_us, "scans"


def about_edge(desk: SiteDesk, arrival: Arrival, rule: str, detail: dict[str, object]) -> Happening:
    """Say that something happened to an edge; its structure, if all its groups are of one."""
    edge = arrival.stream.edge
    return Happening(
        subject=edge,
        rule=rule,
        structure=desk.plan.structure_of_edge(edge),
        at_us=arrival.received_us,
        detail=detail,
    )
