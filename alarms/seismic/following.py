"""Follow recorded events and the time of a site, and say at each tick what is believed anew.

Pure. Time is event time: that of the scans and events that flushes have stored, in the recorded
order; ticks are multiples of the source's `judge_every_s`. So what is believed follows from what
was recorded, in a replay as in life. A tick sees the events that had come by then, also late ones.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from alarms.seismic.answers import EventJudgement
from alarms.seismic.catalogue import NO_EVENTS, Catalogue, WatchedEvents
from alarms.seismic.judging import EventWatch, begin_watch, judge_events, rule_key, take_events
from alarms.transition import Belief
from telemetry.event_rules import BValueRule, EventDetector
from telemetry.plan import EventSourcePlan
from telemetry.site import EventSource, Level

UNITS: Final[Mapping[str, str]] = {
    "event_rate": "σ",
    "energy_rate": "σ",
    "b_value": "",
    "energy_index": "log₁₀",
    "reentry": "×",
}


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """One source, as far as it has been followed."""

    watch: EventWatch | None = None  # None: no event has come yet, so nothing was listened to.
    tick: int | None = None  # The number of the last one; None: no time has passed yet.
    answers: tuple[EventJudgement, ...] = ()  # Of the last tick.

    def document(self) -> dict[str, Any]:
        """Write down what the table of events does not hold."""
        watch = self.watch
        return {
            "tick": self.tick,
            "complete_from_us": None if watch is None else watch.watched.complete_from_us,
            "standing": {}
            if watch is None
            else {rule: [int(level), at_us] for rule, (level, at_us) in watch.standing.items()},
        }


def answers_of(one: Followed) -> list[dict[str, Any]]:
    """Write down what was answered last, for whoever wants to see it."""
    return [
        {
            "rule": found.rule,
            "answer": found.answer.name.lower(),
            "level": int(found.level),
            "figure": None if math.isnan(found.statistic) else found.statistic,
            "figures": found.figures,
        }
        for found in one.answers
    ]


def followed_of(document: Mapping[str, Any], events: Catalogue) -> Followed:
    """Undo `Followed.document`, with the events that had been taken in."""
    tick, complete_from_us = document["tick"], document["complete_from_us"]
    if complete_from_us is None:
        return Followed(tick=tick)
    standing = {
        str(rule): (Level(level), int(at_us))
        for rule, (level, at_us) in document["standing"].items()
    }
    return Followed(EventWatch(WatchedEvents(events, int(complete_from_us)), standing), tick)


def looks_from_us(source: EventSource, at_us: int) -> int:
    """From when on events matter to a source at an instant."""
    taken = take_events(begin_watch(-(1 << 62)), NO_EVENTS, source, at_us)
    return taken.watched.complete_from_us


def advance(
    one: Followed, source: EventSource, more: Catalogue, newest_us: int
) -> tuple[Followed, list[Belief]]:
    """Take events of a flush in, and judge at each tick that its time has passed."""
    if len(more):
        watch = one.watch or begin_watch(int(more.at_us.min()))
        keep_from_us = -(1 << 62)  # Let go of at a tick, so that cuts between ticks are not seen.
        watched = watch.watched.with_more(more, keep_from_us=keep_from_us)
        one = replace(one, watch=replace(watch, watched=watched))
    last = newest_us // _every_us(source)
    if one.tick is None:  # What was before is over.
        return replace(one, tick=last), []
    beliefs: list[Belief] = []
    for tick in range(one.tick + 1, last + 1):
        one, told = _judge(one, source, tick)
        beliefs += told
    return one, beliefs


def _every_us(source: EventSource) -> int:
    return round(source.judge_every_s * 1_000_000)


def _judge(one: Followed, source: EventSource, tick: int) -> tuple[Followed, list[Belief]]:
    if one.watch is None:
        return replace(one, tick=tick), []
    at_us = tick * _every_us(source)
    before = take_events(one.watch, NO_EVENTS, source, at_us)
    after, judgements = judge_events(before, source, at_us)
    beliefs = [
        belief_of(source, rule, judgement, stood, at_us)
        for rule, judgement in zip(source.detectors, judgements, strict=True)
        if judgement.level != (stood := before.standing.get(judgement.rule, (Level.NONE, 0))[0])
    ]
    return Followed(after, tick, judgements), beliefs


def belief_of(
    source: EventSource, rule: EventDetector, found: EventJudgement, stood: Level, at_us: int
) -> Belief:
    """Say what has come to be believed, with what it rests on."""
    return Belief(
        channel=source.id,
        rule=found.rule,
        level=int(found.level),
        onset_us=found.onset_us if stood is Level.NONE else at_us,
        at_us=at_us,
        evidence={
            "method": rule.method,
            "direction": "low" if isinstance(rule, BValueRule) else "high",
            "figure": found.statistic,
            "figure_unit": UNITS[rule.method],
            "window_s": rule.window_h * 3600.0,
            "deadband": rule.deadband,
            "source": rule.source,
            "events": dict(found.figures),
        },
    )


def event_rules(plan: EventSourcePlan) -> Iterator[tuple[str, EventDetector]]:
    """Name the rules of a source, as its alarms are named."""
    for rule in plan.source.detectors:
        yield rule_key(rule), rule
