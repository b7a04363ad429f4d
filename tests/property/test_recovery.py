"""Recovery without a database: what is recorded of the inputs is enough to go on as if nothing was.

Flushes are recorded on paper (as JSON, as the store does), and at any step the state is thrown
away and made anew from a checkpoint and the records after it.
"""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_site import plan_in, site_document
from recovery_script import Answer, Arrive, Step, script

from alarms import checkpoint
from alarms.replaying.recorded import inputs_of
from alarms.transition import Acknowledgement, Inputs, Transition
from historian.recorded_scans import body_of, scans_of
from historian.registry import SiteIds
from historian.replay import FlushRecord, _recorded, _rows_of
from ingest.desk import SiteDesk, open_desk
from ingest.flush import _inputs, _write_of
from ingest.inbox import Arrival, Stream
from ingest.preparation import Prepared, prepare
from ingest.stamps import StampState
from telemetry.ranges import RangeSet
from telemetry.uplink import BlockReceived

PLAN = plan_in(site_document())
IDS = SiteIds(site_id=1, version=1, group_ids=tuple(range(11, 11 + len(PLAN.groups))))
LAYOUTS = {(IDS.group_ids[one.index], one.layout): one.slot_count for one in PLAN.groups}
STREAMS = {
    edge: Stream("mine", edge, UUID(int=number), number, RangeSet())
    for number, edge in enumerate(("dam-edge", "hill-edge"), 1)
}
SEEDS = tuple(range(8))
STEPS = max(len(script(seed)) for seed in SEEDS)


class Paper:
    """A site whose flushes are written on paper."""

    def __init__(self) -> None:
        self.told: dict[str, Transition] = {}
        self._records: list[FlushRecord] = []
        self._kept: tuple[int, bytes] | None = None
        self._stamps: list[StampState] = []
        self._waiting: list[Arrival] = []
        self._answers: list[Acknowledgement] = []
        self._desk: SiteDesk
        self.recover()

    def take(self, step: Step) -> None:
        if isinstance(step, Arrive):
            digest = hashlib.sha256(step.content).digest()
            event = BlockReceived(step.seq, step.content, digest)
            self._waiting.append(Arrival(STREAMS[step.edge], event, step.received_us, 0.0))
            return
        self.flush()
        if isinstance(step, Answer):
            alarm = self._desk.state.annunciator.about(step.channel, "limit_high")
            if alarm is not None:
                self._answers.append(
                    Acknowledgement("1", alarm.occurrence, "Li Wei", "seen", step.at_us)
                )
        else:
            group = PLAN.group_by_key[step.group].index
            self._desk.hearing.heard_s[group] = self._desk.hearing.counted_s[group] = -1e6
            self.flush()

    def flush(self) -> None:
        answers, self._answers = tuple(self._answers), []
        waiting, self._waiting = self._waiting, []
        prepared = self._prepared(waiting)
        outcome = self._desk.engine.step(
            self._desk.state,
            Inputs(
                acknowledgements=answers,
                scans=prepared.scans,
                silences=prepared.silences,
                happenings=prepared.happenings,
                ticks=prepared.ticks,
            ),
        )
        for one in outcome.transitions:
            assert one.key not in self.told
            self.told[one.key] = one
        self._records.append(self._record(answers, prepared))
        self._stamps = list(self._desk.stamps)

    def fail(self) -> None:
        """Judge what waits, but do not come to record it; it waits again afterwards."""
        prepared = self._prepared(self._waiting)
        self._desk.engine.step(self._desk.state, Inputs(scans=prepared.scans, ticks=prepared.ticks))

    def keep(self) -> None:
        """Write a checkpoint."""
        self._kept = len(self._records), checkpoint.encode(self._desk.engine, self._desk.state)

    def recover(self) -> None:
        """Make everything anew from what is on paper."""
        self._desk = open_desk(PLAN, IDS, term=1, layouts=LAYOUTS, known_edges=set(), now_s=0.0)
        state = self._desk.engine.initial_state()
        begin = 0
        if self._kept is not None:
            begin, kept = self._kept
            state = checkpoint.decode(self._desk.engine, kept)
        for record in self._records[begin:]:
            self._desk.engine.step(state, inputs_of(record, PLAN, IDS.group_ids))
        self._desk.resume(state, len(self._records), begin, self._stamps)

    def _prepared(self, arrivals: list[Arrival]) -> Prepared:
        return prepare(self._desk, arrivals, now_us=0, now_s=0.0, rate=1.0, settled=True)

    def _record(self, answers: tuple[Acknowledgement, ...], prepared: Prepared) -> FlushRecord:
        rows: dict[int, list[Any]] = {}
        for one in prepared.good:
            text = json.dumps(body_of(_write_of(self._desk, one)))
            write = scans_of(json.loads(text))
            rows.setdefault(write.group_id, []).extend(_rows_of(write))
        inputs = [asdict(one) for one in _inputs(self._desk, answers, prepared)]
        return FlushRecord(
            flush_id=len(self._records) + 1,
            inputs=[
                (n, one["kind"], json.loads(json.dumps(one["body"])))
                for n, one in enumerate(inputs)
            ],
            scans=[_recorded(group_id, rows[group_id]) for group_id in sorted(rows)],
        )


def run(
    seed: int,
    *,
    flushed: frozenset[int],
    kept: frozenset[int] = frozenset(),
    recovered: frozenset[int] = frozenset(),
    failed: frozenset[int] = frozenset(),
) -> list[dict[str, Any]]:
    paper = Paper()
    for number, step in enumerate(script(seed)):
        paper.take(step)
        if number in flushed:
            paper.flush()
        if number in kept:
            paper.keep()
        if number in failed:
            paper.fail()
        if number in recovered | failed:
            paper.recover()
    paper.flush()
    told = sorted(paper.told.values(), key=lambda one: (one.sampled_us, one.channel, one.key))
    return [asdict(one) for one in told]


@cache
def undisturbed(seed: int) -> list[dict[str, Any]]:
    return run(seed, flushed=frozenset(range(STEPS)))


NUMBERS = st.frozensets(st.integers(0, STEPS))
FEW = st.frozensets(st.integers(0, STEPS), max_size=6)


@given(seed=st.sampled_from(SEEDS), flushed=NUMBERS, kept=FEW, recovered=FEW, failed=FEW)
@settings(max_examples=60, deadline=None)
def test_nobody_can_tell_that_there_was_a_recovery(
    seed: int,
    flushed: frozenset[int],
    kept: frozenset[int],
    recovered: frozenset[int],
    failed: frozenset[int],
) -> None:
    told = run(seed, flushed=flushed, kept=kept, recovered=recovered, failed=failed)

    assert told == undisturbed(seed)


def test_the_paper_tells_of_everything_there_is() -> None:
    told = [one for seed in SEEDS for one in undisturbed(seed)]

    assert {one["change"] for one in told} == {"raise", "rise", "fall", "clear", "acknowledge"}
    assert {"pond", "toe", "crack", "together", "pressures"} <= {one["channel"] for one in told}
    assert all(len(undisturbed(seed)) > 10 for seed in SEEDS)
