"""What is believed of a source's events at an instant: each detector's level, and since when.

The state between two instants is the events that are looked back to, and what stood before. What
can't be answered changes nothing: silence neither raises nor clears (decision 0004).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.seismic.answers import Answer, EventJudgement, Finding, level_of
from alarms.seismic.catalogue import NO_EVENTS, Catalogue, WatchedEvents, watched_of_arrays
from alarms.seismic.questions import answer, hours_us, looks_back_us
from telemetry.event_rules import BValueRule, EventDetector
from telemetry.site import EventSource, Level

Standing = dict[str, tuple[Level, int]]  # By rule: what is believed, and since when.
PREFIX: Final = "events."


def rule_key(rule: EventDetector) -> str:
    """Name a detector's rule, as alarms are named after it.

    >>> from telemetry.limits import Levels
    >>> rule_key(BValueRule(method="b_value", window_h=72, levels=Levels(red=0.7), source="A"))
    'b_value_72'
    """
    return f"{rule.method}_{rule.window_h:.15g}"


@dataclass(frozen=True, slots=True, eq=False)
class EventWatch:
    """All that is remembered of one source."""

    watched: WatchedEvents
    standing: Standing = field(default_factory=dict)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the state as columns, for a checkpoint."""
        rules = sorted(self.standing)
        return {
            **{PREFIX + name: column for name, column in self.watched.arrays().items()},
            "rule": np.array(rules, dtype=np.str_),
            "level": np.array([self.standing[one][0] for one in rules], np.int8),
            "onset_us": np.array([self.standing[one][1] for one in rules], np.int64),
        }


def begin_watch(since_us: int) -> EventWatch:
    """Begin to watch: of what was before nothing is known."""
    return EventWatch(WatchedEvents(NO_EVENTS, since_us))


def watch_of_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> EventWatch:
    """Undo `EventWatch.arrays`."""
    events = {
        name.removeprefix(PREFIX): column
        for name, column in arrays.items()
        if name.startswith(PREFIX)
    }
    levels = arrays["level"].astype(np.int8).tolist()
    onsets = arrays["onset_us"].astype(np.int64).tolist()
    rules = arrays["rule"].astype(np.str_).tolist()
    return EventWatch(
        watched_of_arrays(events),
        {
            rule: (Level(level), onset_us)
            for rule, level, onset_us in zip(rules, levels, onsets, strict=True)
        },
    )


def take_events(watch: EventWatch, more: Catalogue, source: EventSource, at_us: int) -> EventWatch:
    """Take events in, in recorded order; what no detector looks back to at an instant is let go."""
    back_us = max((looks_back_us(one) for one in source.detectors), default=0)
    keep_from_us = at_us - max(back_us, hours_us(source.silent_after_h))
    return replace(watch, watched=watch.watched.with_more(more, keep_from_us=keep_from_us))


def judge_events(
    watch: EventWatch, source: EventSource, at_us: int
) -> tuple[EventWatch, tuple[EventJudgement, ...]]:
    """Answer every question of a source at an instant of event time; also what then stands."""
    findings = [answer(rule, watch.watched, source.convention, at_us) for rule in source.detectors]
    silent = _is_silent(watch.watched, source, at_us)
    judgements = tuple(
        _judgement(rule, finding, watch.standing, at_us, silent=silent)
        for rule, finding in zip(source.detectors, findings, strict=True)
    )
    standing = {one.rule: (one.level, one.onset_us) for one in judgements if one.level}
    return replace(watch, standing=standing), judgements


def changed(before: EventWatch, judgements: Sequence[EventJudgement]) -> tuple[EventJudgement, ...]:
    """Leave out what stands as it stood."""
    return tuple(
        one for one in judgements if one.level != before.standing.get(one.rule, (Level.NONE, 0))[0]
    )


def _is_silent(watched: WatchedEvents, source: EventSource, at_us: int) -> bool:
    """Whether the source may be dead: then nothing is called quiet."""
    since_us = at_us - hours_us(source.silent_after_h)
    return watched.complete_from_us <= since_us and not len(watched.events.between(since_us, at_us))


def _judgement(
    rule: EventDetector, finding: Finding, standing: Standing, at_us: int, *, silent: bool
) -> EventJudgement:
    key = rule_key(rule)
    before, onset_us = standing.get(key, (Level.NONE, at_us))
    told, level = finding.answer, before
    if silent and told is not Answer.WARMING_UP:
        told = Answer.SILENT
    if told is Answer.JUDGED:
        level = level_of(
            finding.statistic,
            rule.levels,
            before=before,
            deadband=rule.deadband,
            falling=isinstance(rule, BValueRule),
        )
        if before is Level.NONE:
            onset_us = at_us  # And not that of an event: each alarm has an onset of its own.
    return EventJudgement(key, told, level, onset_us, finding.statistic, finding.figures)
