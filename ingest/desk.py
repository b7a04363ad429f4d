"""What ingest knows of one site it owns: plan, numbers in the database, engine state, ears."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from alarms.engine import EngineState, SiteEngine
from alarms.ticks import TickSchedule
from alarms.transition import Happening, Transition
from historian.registry import SiteIds
from historian.submissions import SubmissionOutcome
from ingest.inbox import Stream
from ingest.judging import SiteKnowledge
from ingest.silence import Hearing, has_settled
from ingest.stamps import StampState
from telemetry.clock import instant_us
from telemetry.conversion import GroupConverter
from telemetry.plan import SitePlan

COMPLAINTS_APART_US = 60 * 1_000_000  # The same about the same edge or group, at most this often.


@dataclass(frozen=True, slots=True)
class Complaints:
    """When what was last complained about, so that a broken edge floods no journal.

    A flush works on a copy, which counts once it is committed: a failed one has told nobody.
    """

    told_us: dict[tuple[str, str], int]  # By subject and reason.

    def copy(self) -> "Complaints":
        """Make complaints of a flush's own."""
        return Complaints(dict(self.told_us))

    def may_tell(self, subject: str, reason: str, at_us: int) -> bool:
        """Tell whether it is time to complain again, and note that it is done."""
        last_us = self.told_us.get((subject, reason))
        if last_us is not None and abs(at_us - last_us) < COMPLAINTS_APART_US:
            return False
        self.told_us[subject, reason] = at_us
        return True


@dataclass(eq=False)
class SiteDesk:
    """One site, as far as it does not change while this process owns it."""

    plan: SitePlan
    ids: SiteIds
    term: int
    known: SiteKnowledge
    engine: SiteEngine
    ticks: TickSchedule
    hearing: Hearing
    known_edges: set[tuple[str, str]]  # That had a stream before this process started.
    has_settled: bool = False  # All of them are back, or have been waited for enough.
    well_s: float | None = None  # When it last had its turn in a flush, and nothing failed.
    greeted_edges: set[str] = field(default_factory=set)  # That have sent nothing since.
    streams: dict[tuple[str, UUID], Stream] = field(default_factory=dict)
    forgetting: set[tuple[str, UUID]] = field(default_factory=set)  # Old streams, right now.
    gateways: dict[str, Stream] = field(default_factory=dict)
    # Who waits in this process for what becomes of a submission, by its number.
    awaited: dict[int, asyncio.Future[SubmissionOutcome]] = field(default_factory=dict)
    # What follows changes with every flush, and is made anew from the database after a failed one.
    state: EngineState = field(init=False)
    stamps: list[StampState] = field(init=False)
    checkpoint_flush_id: int = 0
    flush_id: int = 0
    readings: int = 0  # Judged since the checkpoint.
    # To be told with the next flush, if a replay differs from what was told.
    healing: tuple[Transition, ...] | None = None
    configuration_is_new: bool = False
    complaints: Complaints = field(default_factory=lambda: Complaints({}))
    # What has happened beside the lines, and is to be recorded with the next flush.
    notices: list[Happening] = field(default_factory=list)
    # How often the slow tier has laid beliefs down, and what of that a flush has taken.
    beliefs_laid: int = 1
    beliefs_taken: int = 0
    # By stream_id and seq, which scans of a block that waits were delivered before.
    repetitions: dict[tuple[int, int], NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The site's id in its file."""
        return self.plan.site.site

    @property
    def beliefs_wait(self) -> bool:
        """Whether the slow tier may have laid something down that no flush has taken."""
        return self.beliefs_laid != self.beliefs_taken

    @property
    def edges_back(self) -> set[tuple[str, str]]:
        """Edges whose line is open, and who have delivered what they had when they called."""
        return {
            (self.key, edge)
            for (edge, _), one in self.streams.items()
            if one.line is not None and not one.has_backlog
        }

    @property
    def has_hellos(self) -> bool:
        """Whether an edge has said what it took, and that is not written down yet."""
        return any(one.has_news for one in self.streams.values())

    def greet(self, stream: Stream, next_seq: int, now_s: float, now_us: int) -> None:
        """Note that an edge has said hello: it is given time to send something, but only once.

        One that calls again and again, and never sends anything, is as silent as a dead one.
        """
        stream.announced, stream.announced_us = next_seq - 1, now_us
        stream.hellos += 1
        if stream.edge in self.greeted_edges:
            return
        self.greeted_edges.add(stream.edge)
        stream.moved_s = now_s
        for group in self.plan.groups_of_edge(stream.edge):
            self.hearing.hear(group.index, now_s)

    def settle(self, *, waiting_since_s: float, now_s: float) -> bool:
        """Tell whether the edges are back that were known; for others silence counts from now."""
        back = self.edges_back
        if not self.has_settled and has_settled(
            started_s=waiting_since_s, now_s=now_s, known=self.known_edges, back=back
        ):
            self.has_settled = True
            for _, edge in self.known_edges - back:
                for group in self.plan.groups_of_edge(edge):
                    self.hearing.count_silence_from(group.index, now_s)
        return self.has_settled

    def await_edges_again(self) -> None:
        """Wait for all edges as after a start: without a database they may have hung up."""
        self.has_settled = False
        self.known_edges |= {(self.key, edge) for edge, _ in self.streams}

    def catching_up(self, now_s: float) -> NDArray[np.bool_]:
        """Tell of which groups a backlog is coming in right now."""
        found = np.zeros(len(self.plan.groups), dtype=np.bool_)
        for (edge, _), stream in self.streams.items():
            if stream.is_catching_up(now_s):
                found[[group.index for group in self.plan.groups_of_edge(edge)]] = True
        return found

    def committed(self, flush_id: int, readings: int, *, checkpoint: bool) -> None:
        """Note that a flush with so many readings is durable."""
        self.flush_id = flush_id
        self.readings += readings
        self.configuration_is_new = False
        self.healing = None
        if checkpoint:
            self.checkpoint_flush_id = flush_id
            self.readings = 0

    def resume(
        self,
        state: EngineState,
        flush_id: int,
        checkpoint_flush_id: int,
        stamps: Sequence[StampState] = (),
        readings: int = 0,
    ) -> None:
        """Go on from a recovered state; without stamps, no clock of an edge is known."""
        self.state = state
        self.flush_id = flush_id
        self.checkpoint_flush_id = checkpoint_flush_id
        self.readings = readings
        self.stamps = list(stamps) or [StampState(int(newest)) for newest in state.newest_us]


def open_desk(
    plan: SitePlan,
    ids: SiteIds,
    *,
    term: int,
    layouts: dict[tuple[int, int], int],
    known_edges: set[tuple[str, str]],
    now_s: float,
) -> SiteDesk:
    """Set a desk up, without state yet: see `ingest.recovery`."""
    key_of_id = {ids.group_ids[group.index]: group.key for group in plan.groups}
    return SiteDesk(
        plan=plan,
        ids=ids,
        term=term,
        known=SiteKnowledge(
            plan=plan,
            began_us=instant_us(plan.site.began_at),
            layouts={
                (key_of_id[group_id], layout): slots
                for (group_id, layout), slots in layouts.items()
                if group_id in key_of_id
            },
            converters=tuple(GroupConverter(group) for group in plan.groups),
        ),
        engine=SiteEngine(plan),
        ticks=TickSchedule(plan),
        hearing=Hearing.begin(
            period_s=np.array([group.group.period_s for group in plan.groups], np.float64),
            measured=np.array([not group.calculated for group in plan.groups], np.bool_),
            now_s=now_s,
        ),
        known_edges=known_edges,
    )
