"""What a replay says and what was told may differ; here the two become one again.

A replay judges recorded inputs with the program as it is now. A newer program may judge them
otherwise, and then the journal, which people have acted upon, is right about what was told, and
the engine about what holds now. So the open alarms become those of the journal, and what
leads from there to the engine's verdict is told as transitions like any other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from alarms.annunciator import Annunciator, OpenAlarm, Subject
from alarms.engine import SiteEngine
from alarms.engine_state import EngineState
from alarms.rules import announced_levels, subject_key
from alarms.transition import AlarmState, Change, Transition
from telemetry.site import Level

REASON = "judged anew from the recorded readings"


def differing(state: EngineState, told: Iterable[OpenAlarm]) -> list[str]:
    """List occurrences that do not stand in the state as they were told."""
    mine = {_standing_of(alarm) for alarm in state.alarms.values()}
    theirs = {_standing_of(alarm) for alarm in told}
    return sorted({occurrence for occurrence, _, _ in mine ^ theirs})


def reconcile(
    engine: SiteEngine, state: EngineState, told: Iterable[OpenAlarm], flush_id: int
) -> tuple[Transition, ...]:
    """Let the state go on from the alarms that were told; return what is to be told now.

    An alarm that nobody was told about and that has ended meanwhile is forgotten. The flush up to
    which was replayed is part of the keys: the engine may have made the same step once, and so
    may an earlier recovery, where two programs that judge otherwise take turns.
    """
    detail = f"recovery-{flush_id}"
    judged = state.annunciator
    held, surplus = _one_of_each(told)
    transitions = [
        one
        for alarm in surplus
        for one in _fall(
            Annunciator.of([alarm]), alarm.subject, Level.NONE, alarm.changed_us, detail
        )
    ]
    state.annunciator = Annunciator.of(
        [
            *(alarm for alarm in surplus if alarm.state is not AlarmState.NORMAL),
            *(_as_known(judged, alarm) for alarm in held),
        ]
    )
    rows = {
        (subject_key(engine.plan, rule), rule.key): n for n, rule in enumerate(engine.rules.rules)
    }
    about = {_about(alarm): alarm.subject for alarm in (*held, *judged.alarms.values())}
    for key, subject in sorted(about.items()):
        levels = _Levels(engine, rows.get(key))
        transitions += _moved(state.annunciator, subject, judged.about(*key), levels, detail)
    return tuple(transitions)


def _one_of_each(told: Iterable[OpenAlarm]) -> tuple[list[OpenAlarm], list[OpenAlarm]]:
    """Part the newest alarm about each subject, if possible one that stands, from all others."""
    held: dict[tuple[str, str], OpenAlarm] = {}
    surplus: list[OpenAlarm] = []
    for alarm in sorted(told, key=lambda one: (one.standing, one.changed_us)):
        if (other := held.get(_about(alarm))) is not None:
            surplus.append(other)
        held[_about(alarm)] = alarm
    return list(held.values()), surplus


@dataclass(frozen=True, slots=True)
class _Levels:
    """What is told of a rise: each level of a rule, or the one of a technical alarm."""

    engine: SiteEngine
    row: int | None

    def between(self, before: Level, after: Level) -> list[Level]:
        if self.row is None:
            return [after]
        rules = self.engine.rules
        return announced_levels(rules.rules[self.row], rules.used[:, self.row], before, after)


def _about(alarm: OpenAlarm) -> tuple[str, str]:
    return alarm.subject.channel, alarm.subject.rule


def _standing_of(alarm: OpenAlarm) -> tuple[str, AlarmState, Level]:
    return alarm.occurrence, alarm.state, alarm.level if alarm.standing else Level.NONE


def _as_known(engine: Annunciator, alarm: OpenAlarm) -> OpenAlarm:
    """Prefer what the engine knows of an alarm that stands as it was told."""
    mine = engine.alarms.get(alarm.occurrence)
    return mine if mine is not None and _standing_of(mine) == _standing_of(alarm) else alarm


def _moved(
    told: Annunciator,
    subject: Subject,
    judged: OpenAlarm | None,
    levels: _Levels,
    detail: str,
) -> list[Transition]:
    """Take the alarm about a subject to the level that the engine believes in."""
    alarm = told.about(subject.channel, subject.rule)
    before = alarm.level if alarm is not None and alarm.standing else Level.NONE
    after = judged.level if judged is not None and judged.standing else Level.NONE
    at_us = max(one.changed_us for one in (alarm, judged) if one is not None)
    if after < before:
        return _fall(told, subject, after, at_us, detail)
    if after == before or judged is None:
        return []
    return told.rise(
        subject,
        levels.between(before, after),
        onset_us=int(judged.occurrence.rpartition("/")[2]),
        at_us=at_us,
        evidence=_evidence,
        detail=detail,
    )


def _fall(
    told: Annunciator, subject: Subject, level: Level, at_us: int, detail: str
) -> list[Transition]:
    return told.fall(subject, level, at_us=at_us, evidence=_evidence, detail=detail)


def _evidence(_change: Change, _level: Level) -> dict[str, Any]:
    return {"reason": REASON}
