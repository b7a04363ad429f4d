"""Votes are taken at ticks: from the levels of points to alarms of items and of the structure.

A vote at T is taken once all groups of its points have passed T or are excused, as calculated
channels are computed (`alarms.ticks`). It sees the levels that the points' own alarms had at T,
whoever raised them. So it does not depend on how flushes were cut.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarms.annunciator import Subject
from alarms.engine_state import EngineState
from alarms.rounds import Round
from alarms.rules import RuleColumns
from alarms.tally import Tally, tally_of
from alarms.ticks import ticks_of
from alarms.transition import AlarmKind, Change, TakenVote, Tick, Transition
from alarms.vote_memory import WARMING, About, LevelChange, VoteMemory, timelines
from alarms.vote_plan import VOTE_RULE, VotingPlan, voting_plans
from alarms.voting import lifted
from alarms.warming import WARMING_BITS, warming_up
from telemetry.plan import SitePlan
from telemetry.scan import JudgedScans
from telemetry.site import Level


@dataclass(frozen=True, slots=True)
class Votes:
    """What the votes of a step led to."""

    transitions: tuple[Transition, ...] = ()
    scans: tuple[JudgedScans, ...] = ()  # The voted levels.
    newest: tuple[TakenVote, ...] = ()  # Of each structure that voted.


class VoteTaker:
    """Takes the votes of a site; what it remembers stands in the engine's state."""

    def __init__(self, plan: SitePlan, rules: RuleColumns) -> None:
        self._plans = voting_plans(plan)
        self._rules = rules
        self._voting_of = {key: one for one in self._plans for key in one.points}
        # Points none of whose rules can judge before it has seen enough: [late point].
        self._late, self._late_rules = _late_points(rules, self._plans)

    def memory_of(self, state: EngineState, changes: Iterable[Sequence[Any]] = ()) -> VoteMemory:
        """Take up what a checkpoint has kept of points that still vote."""
        kept = [LevelChange(*one) for one in changes]
        return VoteMemory(
            [one for one in kept if one.channel in self._voting_of], self._warming(state)
        )

    @property
    def follows_warming(self) -> bool:
        """Whether any point has rules that can't judge at first, or can't again after a gap."""
        return bool(self._late)

    def notice_warming(self, state: EngineState, of: Round) -> None:
        """Note, after a round, which points can judge now and could not before, or cannot again."""
        if not self._late:
            return
        before, after = self._warming_before(state), self._warming(state)
        at_us = dict(zip(of.groups.tolist(), of.at_us.tolist(), strict=True))
        state.votes.note(
            LevelChange(at_us[group], key, WARMING, int(before[n]))
            for n, (key, group) in enumerate(self._late)
            if before[n] != after[n] and group in at_us
        )
        state.votes.warming = after

    def take(
        self, state: EngineState, transitions: Iterable[Transition], ticks: Iterable[Tick]
    ) -> Votes:
        """Note what a step has told of points, then take the votes that are due."""
        if not self._plans:
            return Votes()
        state.votes.note(self._changes_in(transitions))
        due = ticks_of(ticks, state.last_tick_us)
        told: list[Transition] = []
        scans: list[JudgedScans] = []
        newest: list[TakenVote] = []
        for plan in self._plans:
            group = plan.group.index
            if group not in due:
                continue
            tally = self._tally(state, plan, due[group])
            told += _tell(state, tally)
            scans.append(tally.scans())
            newest.append(
                TakenVote(plan.structure, int(due[group][-1]), tally.document(len(due[group]) - 1))
            )
            state.last_tick_us[group] = due[group][-1]
        if state.votes.changes:
            passed_us = {
                one.structure: int(state.last_tick_us[one.group.index]) - one.window_us
                for one in self._plans
            }
            state.votes.forget(lambda channel: passed_us[self._voting_of[channel].structure])
        return Votes(tuple(told), tuple(scans), tuple(newest))

    def _changes_in(self, transitions: Iterable[Transition]) -> list[LevelChange]:
        return [
            LevelChange(one.sampled_us, one.channel, one.rule, int(one.previous_level))
            for one in transitions
            if one.kind is AlarmKind.PROCESS
            and one.change is not Change.ACKNOWLEDGE
            and one.channel in self._voting_of
        ]

    def _tally(self, state: EngineState, plan: VotingPlan, at_us: NDArray[np.int64]) -> Tally:
        points = set(plan.points)
        now: dict[About, int] = {
            (alarm.subject.channel, alarm.subject.rule): int(alarm.level)
            for alarm in state.alarms.values()
            if alarm.standing
            and alarm.subject.kind is AlarmKind.PROCESS
            and alarm.subject.channel in points
        }
        warming = self._warming_before(state)
        now |= {
            (key, WARMING): int(warming[n])
            for n, (key, _) in enumerate(self._late)
            if key in points
        }
        changes = [one for one in state.votes.changes if one.channel in points]
        return tally_of(plan, at_us, timelines(now, changes), state.memory)

    def _warming_before(self, state: EngineState) -> NDArray[np.bool_]:
        """Return what was noted last; before the first reading nothing can judge."""
        noted = state.votes.warming
        return noted if len(noted) == len(self._late) else np.ones(len(self._late), np.bool_)

    def _warming(self, state: EngineState) -> NDArray[np.bool_]:  # [late point]
        if not self._late:
            return np.zeros(0, dtype=np.bool_)
        warming = warming_up(state, self._rules)
        return np.array([bool(warming[rows].all()) for rows in self._late_rules])


def _tell(state: EngineState, tally: Tally) -> list[Transition]:
    """Raise, lift and clear the alarms of items and of the structure, tick by tick."""
    transitions: list[Transition] = []
    for tick in tally.turns():
        at_us = int(tally.at_us[tick])
        for column, channel in enumerate(tally.channels):
            subject = Subject(AlarmKind.PROCESS, tally.plan.structure, channel.key, VOTE_RULE)
            alarm = state.annunciator.about(channel.key, VOTE_RULE)
            before = int(alarm.level) if alarm is not None and alarm.standing else 0
            after = lifted(before, int(tally.voted[tick, column]), int(tally.highest[tick, column]))
            facts = _Facts(tally, tick, column)
            if after > before:  # Lower levels were told by the points.
                transitions += state.annunciator.rise(
                    subject, [Level(after)], onset_us=at_us, at_us=at_us, evidence=facts
                )
            elif after < before:
                transitions += state.annunciator.fall(
                    subject, Level(after), at_us=at_us, evidence=facts
                )
    return transitions


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a change of an item's alarm rests on."""

    tally: Tally
    tick: int
    column: int

    def __call__(self, _change: Change, _level: Level) -> dict[str, Any]:
        return self.tally.evidence(self.tick, self.column)


def _late_points(
    rules: RuleColumns, plans: Iterable[VotingPlan]
) -> tuple[list[tuple[str, int]], list[NDArray[np.int64]]]:
    """Find the points that have only rules which warm up: (id, group), and the rows of those."""
    own = [(row, rule) for row, rule in enumerate(rules.rules) if rule.limit is not None]
    rows_of: dict[int, list[int]] = {}
    at_once: set[int] = set()
    for row, rule in own:
        assert rule.channel is not None
        rows_of.setdefault(rule.channel, []).append(row)
        if rule.kind not in WARMING_BITS:
            at_once.add(rule.channel)
    found = [
        (key, int(source), np.array(rows_of[int(channel)], dtype=np.int64))
        for plan in plans
        for key, channel, source in zip(plan.points, plan.channel, plan.source, strict=True)
        if int(channel) in rows_of and int(channel) not in at_once
    ]
    return [(key, group) for key, group, _ in found], [rows for _, _, rows in found]
