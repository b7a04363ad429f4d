"""The annunciator: holds the open alarms of a site, and says each step in their lives."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from alarms.lifecycle import STANDING, after
from alarms.transition import (
    Acknowledgement,
    AlarmKind,
    AlarmState,
    Change,
    Decision,
    Transition,
)
from telemetry.site import Level

Evidence = Callable[[Change, Level], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alarm is about; at most one alarm is open about it."""

    kind: AlarmKind
    structure: str | None
    channel: str
    rule: str


@dataclass(slots=True)
class OpenAlarm:
    """An alarm that is not normal."""

    occurrence: str
    subject: Subject
    state: AlarmState
    level: Level  # The last one that it had, once its cause has ended.
    changed_us: int  # The instant of its newest step.
    acknowledged_by: str | None = None

    @property
    def standing(self) -> bool:
        """Whether its cause stands."""
        return self.state in STANDING


@dataclass(slots=True)
class Annunciator:
    """The open alarms, by occurrence and by what they are about."""

    alarms: dict[str, OpenAlarm] = field(default_factory=dict)
    _about: dict[tuple[str, str], OpenAlarm] = field(default_factory=dict)

    @classmethod
    def of(cls, alarms: Iterable[OpenAlarm]) -> "Annunciator":
        """Hold alarms that were open before."""
        annunciator = cls()
        for alarm in alarms:
            annunciator._hold(alarm)
        return annunciator

    def about(self, channel: str, rule: str) -> OpenAlarm | None:
        """Return the open alarm about a channel's rule, if there is one."""
        return self._about.get((channel, rule))

    def rise(
        self,
        subject: Subject,
        levels: Iterable[Level],
        *,
        onset_us: int,
        at_us: int,
        evidence: Evidence,
        detail: str = "",
    ) -> list[Transition]:
        """Take an alarm up through levels; the first of them raises it if it does not stand."""
        transitions = []
        for level in levels:
            alarm = self.about(subject.channel, subject.rule)
            if alarm is None:
                occurrence = f"{subject.channel}/{subject.rule}/{onset_us}"
                alarm = OpenAlarm(occurrence, subject, AlarmState.NORMAL, Level.NONE, at_us)
                self._hold(alarm)
            change = Change.RISE if alarm.standing else Change.RAISE
            before = alarm.level if alarm.standing else Level.NONE
            alarm.acknowledged_by = None
            transitions.append(
                self._step(alarm, change, level, before, at_us, evidence(change, level), detail)
            )
        return transitions

    def fall(
        self, subject: Subject, level: Level, *, at_us: int, evidence: Evidence, detail: str = ""
    ) -> list[Transition]:
        """Take an alarm down to a level in one step; to no level, it clears."""
        alarm = self.about(subject.channel, subject.rule)
        if alarm is None or not alarm.standing:
            return []
        change = Change.CLEAR if level is Level.NONE else Change.FALL
        told = alarm.level if change is Change.CLEAR else level
        facts = evidence(change, alarm.level)
        return [self._step(alarm, change, told, alarm.level, at_us, facts, detail)]

    def acknowledge(self, asked: Acknowledgement) -> tuple[Transition | None, Decision]:
        """Let an operator take responsibility, or say why that cannot be."""
        alarm = self.alarms.get(asked.occurrence)
        if alarm is None:
            return None, _refused(
                asked,
                f"the alarm {asked.occurrence} is not open: it is normal already, or never was",
            )
        if after(alarm.state, Change.ACKNOWLEDGE) is None:
            return None, _refused(
                asked,
                f"the alarm {asked.occurrence} is already acknowledged by {alarm.acknowledged_by}",
            )
        if asked.risen_to is not None:
            return None, _refused(
                asked,
                f"the alarm {asked.occurrence} has risen to {asked.risen_to} since you looked at "
                "it: look again, then acknowledge what you see",
            )
        alarm.acknowledged_by = asked.person
        facts = {
            "person": asked.person,
            "comment": asked.comment,
            "action_id": asked.action_id,
        }
        transition = self._step(
            alarm,
            Change.ACKNOWLEDGE,
            alarm.level,
            alarm.level,
            asked.at_us,
            facts,
            asked.action_id,
        )
        return transition, Decision(asked.action_id, accepted=True, reason="")

    def _hold(self, alarm: OpenAlarm) -> None:
        self.alarms[alarm.occurrence] = alarm
        self._about[alarm.subject.channel, alarm.subject.rule] = alarm

    def _step(
        self,
        alarm: OpenAlarm,
        change: Change,
        level: Level,
        before: Level,
        at_us: int,
        evidence: dict[str, Any],
        detail: str,
    ) -> Transition:
        state = after(alarm.state, change)
        assert state is not None, f"{alarm.occurrence} is {alarm.state} and cannot {change}"
        alarm.state, alarm.level, alarm.changed_us = state, level, at_us
        subject = alarm.subject
        if state is AlarmState.NORMAL:
            del self.alarms[alarm.occurrence]
            if self.about(subject.channel, subject.rule) is alarm:
                del self._about[subject.channel, subject.rule]
        key = f"{alarm.occurrence}/{change}/{level.name.lower()}/{at_us}"
        return Transition(
            key=f"{key}/{detail}" if detail else key,
            occurrence=alarm.occurrence,
            change=change,
            kind=subject.kind,
            structure=subject.structure,
            channel=subject.channel,
            rule=subject.rule,
            level=level,
            previous_level=before,
            state=state,
            sampled_us=at_us,
            evidence=evidence,
        )


def _refused(asked: Acknowledgement, reason: str) -> Decision:
    return Decision(asked.action_id, accepted=False, reason=reason)
