"""The engine: recorded inputs in, transitions of alarms out; the same way live and in a replay.

It reads no clock and touches nothing. Inside a step the order is: acknowledgements, scans round
by round, silences, happenings, beliefs, ticks. Measured channels see only the scans of
their own group, so their alarms depend neither on how flushes were cut nor on other groups.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from alarms.annunciator import Subject
from alarms.derivation import Derivation
from alarms.engine_state import NEVER_US, EngineState
from alarms.evidence import QUALITIES, Finding, evidence_of
from alarms.judging import Judge
from alarms.recurrences import PLAIN, Recurrences
from alarms.rounds import Round, qualities_as_sent, rounds_of, scans_in_order
from alarms.rules import announced_levels, compile_rules, kind_of_alarm, subject_key
from alarms.screening import Screening
from alarms.slow.believable import believable_rules
from alarms.stretch_judging import StretchJudge
from alarms.stretches import USUAL, Cut, Lockstep, locksteps_of
from alarms.ticks import ticks_of
from alarms.transition import (
    AlarmKind,
    Belief,
    CalculatedScans,
    Change,
    Decision,
    Happening,
    Inputs,
    Outcome,
    Phase,
    Silence,
    Tick,
    Transition,
)
from alarms.vote_taking import VoteTaker
from telemetry.plan import SitePlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans
from telemetry.site import Level

__all__ = ["NEVER_US", "EngineState", "SiteEngine"]

SILENCE_PERIODS = 3
SILENCE = "silence"
CLOCK = "clock"


class SiteEngine:
    """The rules of one site's configuration, ready to be applied to its inputs."""

    def __init__(
        self, plan: SitePlan, *, cut: Cut = USUAL, recurrences: Recurrences = PLAIN
    ) -> None:
        self.plan = plan
        self._cut = cut
        self.rules = compile_rules(plan)
        self.derivation = Derivation(plan)
        self.screening = Screening(plan)
        self.believable = believable_rules(plan)
        self.votes = VoteTaker(plan, self.rules)
        self._judge = Judge(plan, self.rules)
        self._stretch_judge = StretchJudge(plan, self.rules, self._judge, recurrences)
        self._technical = Level[plan.site.technical_level.upper()]

    def initial_state(self) -> EngineState:
        """Begin without a past."""
        return EngineState.fresh(
            self.rules,
            groups=len(self.plan.groups),
            screens=self.screening.fresh(),
            memory=self.derivation.empty_memory(),
        )

    def step(self, state: EngineState, inputs: Inputs) -> Outcome:
        """Take a flush's inputs in; the state is changed in place.

        Where the flush cannot be committed, throw the state away and recover.
        """
        transitions = self._clear_orphans(state)
        decisions: list[Decision] = []
        for asked in inputs.acknowledgements:
            transition, decision = state.annunciator.acknowledge(asked)
            decisions.append(decision)
            if transition is not None:
                transitions.append(transition)
        in_order = scans_in_order(inputs.scans, state.newest_us)
        scans = self.screening.screen(state.screens, in_order)
        screened = qualities_as_sent(inputs.scans, scans, state.newest_us)
        transitions += self._end_silences(state, scans)
        self.derivation.remember(state.memory, scans)
        transitions += self._take_scans(state, scans)
        for silence in inputs.silences:
            transitions += self._begin_silence(state, silence)
        for happening in _each_once(inputs.happenings):
            transitions += self._note(state, happening)
        for belief in inputs.beliefs:
            transitions += self._take_belief(state, belief)
        calculated = self._calculate(state, inputs.ticks)
        transitions += self._take_scans(state, calculated)
        votes = self.votes.take(state, transitions, inputs.ticks)
        transitions += [*votes.transitions, *self._take_scans(state, votes.scans)]
        self.derivation.forget(state.memory, state.last_tick_us)
        return Outcome(
            transitions=tuple(transitions),
            decisions=tuple(decisions),
            screened=screened,
            calculated=tuple(
                CalculatedScans(one.group, one.judged_us, one.value, one.quality)
                for one in (*calculated, *votes.scans)
            ),
            votes=votes.newest,
        )

    def _take_scans(self, state: EngineState, scans: Sequence[JudgedScans]) -> list[Transition]:
        transitions: list[Transition] = []
        longest = max((len(one.judged_us) for one in scans), default=0)
        # Live flushes are short; and where votes ask who warms up, every round may end that.
        if longest < self._cut.rounds_min or self.votes.follows_warming:
            transitions += self._take_rounds(state, rounds_of(scans))
        else:
            for steps in locksteps_of(scans):
                if len(steps) >= self._cut.rounds_min:
                    transitions += self._take_lockstep(state, steps)
                else:
                    rounds = rounds_of(steps.members, steps.first, steps.end)
                    transitions += self._take_rounds(state, rounds)
        for scan in scans:
            if state.first_us[scan.group] == NEVER_US:
                state.first_us[scan.group] = scan.judged_us[0]
            state.newest_us[scan.group] = scan.judged_us[-1]
        return transitions

    def _take_rounds(self, state: EngineState, rounds: Iterable[Round]) -> list[Transition]:
        transitions: list[Transition] = []
        for one in rounds:
            transitions += self._judge_clocks(state, one)
            for finding in self._judge.judge(state, one):
                transitions += self._tell(state, finding)
            self.votes.notice_warming(state, one)
        return transitions

    def _take_lockstep(self, state: EngineState, steps: Lockstep) -> list[Transition]:
        """Take many rounds in, and tell of them as if they had been taken one by one."""
        groups = steps.groups
        suspect = np.vstack([state.clock_suspect[groups], steps.suspect])
        turned = np.flatnonzero((suspect[1:] != suspect[:-1]).any(axis=1)) + steps.first
        found: dict[int, list[Finding]] = {int(number): [] for number in turned}
        for number, finding in self._stretch_judge.judge(state, steps, self._cut):
            found.setdefault(number, []).append(finding)
        transitions: list[Transition] = []
        for number in sorted(found):
            for one in rounds_of(steps.members, number, number + 1):
                transitions += self._judge_clocks(state, one)
            for finding in found[number]:
                transitions += self._tell(state, finding)
        return transitions

    def _tell(self, state: EngineState, found: Finding) -> list[Transition]:
        """Turn a change of belief into transitions of the rule's alarm."""
        rule = self.rules.rules[found.rule]
        structure = self.plan.groups[rule.group].structure.id
        subject = Subject(kind_of_alarm(rule), structure, subject_key(self.plan, rule), rule.key)

        def evidence(change: Change, level: Level) -> dict[str, Any]:
            return evidence_of(self.plan, rule, found, change, level)

        if found.after < found.before:
            return state.annunciator.fall(
                subject, Level(found.after), at_us=found.at_us, evidence=evidence
            )
        used = self.rules.used[:, found.rule]
        return state.annunciator.rise(
            subject,
            announced_levels(rule, used, found.before, found.after),
            onset_us=found.since_us[0],
            at_us=found.at_us,
            evidence=evidence,
        )

    def _judge_clocks(self, state: EngineState, one: Round) -> list[Transition]:
        turned = one.suspect != state.clock_suspect[one.groups]
        state.clock_suspect[one.groups] = one.suspect
        transitions: list[Transition] = []
        for n in np.flatnonzero(turned):
            group, at_us = int(one.groups[n]), int(one.at_us[n])
            if one.suspect[n]:
                facts = {"reason": QUALITIES[Quality.CLOCK_SUSPECT], "judged_us": at_us}
                transitions += self._raise_technical(state, group, CLOCK, at_us, facts)
            else:
                facts = {"reason": QUALITIES[Quality.GOOD]}
                transitions += self._clear_technical(state, group, CLOCK, at_us, facts)
        return transitions

    def _begin_silence(self, state: EngineState, silence: Silence) -> list[Transition]:
        group, last_us = silence.group, silence.last_sampled_us
        if state.silent[group] or state.newest_us[group] > last_us:
            return []
        state.silent[group] = True
        at_us = last_us + SILENCE_PERIODS * self.plan.groups[group].period_us
        facts = {
            "last_sampled_us": last_us,
            "period_s": self.plan.groups[group].group.period_s,
            "edge": self.plan.groups[group].edge,
        }
        return self._raise_technical(state, group, SILENCE, at_us, facts)

    def _end_silences(self, state: EngineState, scans: Sequence[JudgedScans]) -> list[Transition]:
        transitions: list[Transition] = []
        if not state.silent.any():
            return transitions
        for one in scans:
            if state.silent[one.group]:
                state.silent[one.group] = False
                at_us = int(one.judged_us[0])
                facts = {"last_sampled_us": int(state.newest_us[one.group])}
                transitions += self._clear_technical(state, one.group, SILENCE, at_us, facts)
        return transitions

    def _raise_technical(
        self, state: EngineState, group: int, rule: str, at_us: int, facts: dict[str, Any]
    ) -> list[Transition]:
        return state.annunciator.rise(
            self._about_group(group, rule),
            [self._technical],
            onset_us=at_us,
            at_us=at_us,
            evidence=lambda _change, _level: facts,
        )

    def _clear_technical(
        self, state: EngineState, group: int, rule: str, at_us: int, facts: dict[str, Any]
    ) -> list[Transition]:
        return state.annunciator.fall(
            self._about_group(group, rule),
            Level.NONE,
            at_us=at_us,
            evidence=lambda _change, _level: facts,
        )

    def _about_group(self, group: int, rule: str) -> Subject:
        plan = self.plan.groups[group]
        return Subject(AlarmKind.TECHNICAL, plan.structure.id, plan.key, rule)

    def _note(self, state: EngineState, happening: Happening) -> list[Transition]:
        """Tell of what happened; what happened once remains for somebody to acknowledge."""
        subject = Subject(
            AlarmKind.TECHNICAL, happening.structure, happening.subject, happening.rule
        )
        detail = _digest(happening)
        transitions: list[Transition] = []
        if happening.phase != Phase.ENDS:
            transitions += state.annunciator.rise(
                subject,
                [self._technical],
                onset_us=happening.at_us,
                at_us=happening.at_us,
                evidence=lambda _change, _level: happening.detail,
                detail=detail,
            )
        if happening.phase != Phase.BEGINS:
            transitions += state.annunciator.fall(
                subject,
                Level.NONE,
                at_us=happening.at_us,
                evidence=lambda _change, _level: happening.detail,
                detail=detail,
            )
        return transitions

    def _take_belief(self, state: EngineState, belief: Belief) -> list[Transition]:
        """Let an alarm follow what a slow rule believes, if the file still has such a rule."""
        of = self.believable.get((belief.channel, belief.rule))
        if of is None:
            return []
        subject = Subject(of.kind, of.structure, belief.channel, belief.rule)
        alarm = state.annunciator.about(belief.channel, belief.rule)
        before = int(alarm.level) if alarm is not None and alarm.standing else 0

        def evidence(change: Change, level: Level) -> dict[str, Any]:
            began = "onset_us" if change in {Change.RAISE, Change.RISE} else "returned_us"
            return belief.evidence | {"bound": of.bounds[level - 1], began: belief.onset_us}

        if belief.level < before:
            return state.annunciator.fall(
                subject, Level(belief.level), at_us=belief.at_us, evidence=evidence
            )
        return state.annunciator.rise(
            subject,
            of.announced(before, belief.level),
            onset_us=belief.onset_us,
            at_us=belief.at_us,
            evidence=evidence,
        )

    def _calculate(self, state: EngineState, ticks: Iterable[Tick]) -> list[JudgedScans]:
        """Compute what is due; a group sees the values that those before it have at its ticks."""
        due = ticks_of(ticks, state.last_tick_us)
        calculated = []
        for group in self.derivation.computed:
            if group in due:
                at_us = due[group]
                scans = self.derivation.calculate(state.memory, group, at_us)
                self.derivation.remember(state.memory, [scans])
                state.last_tick_us[group] = at_us[-1]
                calculated.append(scans)
        return sorted(calculated, key=lambda one: one.group)

    def _clear_orphans(self, state: EngineState) -> list[Transition]:
        """Clear alarms whose rule is no longer in the configuration: nothing else could."""
        transitions: list[Transition] = []
        for occurrence in state.orphans:
            alarm = state.alarms.get(occurrence)
            if alarm is not None:
                transitions += state.annunciator.fall(
                    alarm.subject,
                    Level.NONE,
                    at_us=alarm.changed_us,
                    evidence=lambda _change, _level: {
                        "reason": "the rule has left the configuration"
                    },
                )
        state.orphans = []
        return transitions


def _each_once(happenings: Iterable[Happening]) -> list[Happening]:
    told = {(one.subject, one.rule, one.at_us, one.phase, _digest(one)): one for one in happenings}
    return list(told.values())


def _digest(happening: Happening) -> str:
    """Tell happenings of one instant apart by what they are about in detail."""
    detail = json.dumps(happening.detail, sort_keys=True, default=str)
    return hashlib.sha256(detail.encode()).hexdigest()[:12]
