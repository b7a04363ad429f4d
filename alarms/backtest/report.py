"""What a back-test found, as one object of plain values."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from alarms.backtest.comparison import Comparison
from alarms.backtest.figures import Figures
from alarms.backtest.known_events import Announcements
from alarms.backtest.lives import AlarmLife
from alarms.backtest.running import BackTest, Finding
from telemetry.clock import instant_at
from telemetry.site import Level

LISTED_MAX: Final = 1_000  # Of each list of alarms; counts are of all.
LEVELS: Final = (Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED)


def as_object(test: BackTest) -> dict[str, Any]:
    """Write a back-test as JSON has it; times in seconds, instants in UTC."""
    request = test.request
    return {
        "site": test.finding.plan.site.site,
        "from": instant(request.from_us),
        "to": instant(request.to_us),
        "horizon_s": request.horizon_s,
        "bounds": asdict(request.bounds),
        "finding": _finding(test.finding),
        "against": None if test.against is None else _finding(test.against),
        "difference": None if test.comparison is None else _difference(test.comparison),
    }


def instant(us: int) -> str:
    """Write an instant in ISO 8601."""
    return instant_at(us).isoformat().replace("+00:00", "Z")


def name_of(level: Level) -> str:
    """Write a level as everywhere else."""
    return level.name.lower()


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "file": one.name,
        "order": one.order,
        "readings": one.readings,
        "stored_from": instant(one.span_us.start),
        "stored_to": instant(one.span_us.stop),
        "days": one.process.days,
        "process": _figures(one.process),
        "technical": _figures(one.technical),
        "events": None if one.announcements is None else _announced(one.announcements),
        "alarms_left_out": one.left_out,
        "remarks": one.remarks,
    }


def _figures(of: Figures) -> dict[str, Any]:
    channels = of.by_channel.values()
    return {
        "alarms": of.alarms,
        "per_day": of.alarms / of.days,
        "by_level": by_level(of.by_level),
        "time_in_alarm_s": _times(of.time_s),
        "chattering": sum(one.chattering for one in channels),
        "stale": sum(one.stale for one in channels),
        "floods": [
            {"begins_at": instant(one.begin_us), "ends_at": instant(one.end_us)}
            | {"alarms": one.alarms}
            for one in of.floods
        ],
        "channels": {
            key: {
                "structure": one.structure,
                "alarms": one.alarms,
                "by_level": by_level(one.by_level),
                "time_in_alarm_s": _times(one.time_s),
                "chattering": one.chattering,
                "stale": one.stale,
                "longest_s": one.longest_s,
            }
            for key, one in of.by_channel.items()
        },
        "days": {
            day: {channel: by_level(counts) for channel, counts in of_day.items()}
            for day, of_day in of.by_day.items()
        },
    }


def by_level(counts: Mapping[Level, int]) -> dict[str, int]:
    """Name the levels of counts, those with nothing too."""
    return {name_of(level): counts.get(level, 0) for level in LEVELS}


def _times(times_s: Mapping[Level, float]) -> dict[str, float]:
    return {name_of(level): round(times_s.get(level, 0.0), 3) for level in LEVELS}


def _announced(of: Announcements) -> dict[str, Any]:
    return {
        "known": len(of.detections),
        "missed": of.missed,
        "detections": [
            {
                "name": one.event.name,
                "begins_at": instant(one.event.begins_us),
                "channel": one.event.channel,
                "structure": one.event.structure,
                "lead_s": one.lead_s,
                "at_least": one.since_before,
                "by": None if one.by is None else f"{one.by.channel}/{one.by.rule}",
                "told_after_s": one.after_s,
            }
            for one in of.detections
        ],
        "false_alarms": len(of.false_alarms),
        "false_by_level": by_level(Counter(one.worst for one in of.false_alarms)),
        "false_by_channel": dict(Counter(one.channel for one in of.false_alarms).most_common()),
    }


def _difference(of: Comparison) -> dict[str, Any]:
    return {
        "same": of.same,
        "moved": len(of.moved),
        "added": len(of.added),
        "removed": len(of.removed),
        "by_channel": {key: dict(counts) for key, counts in of.by_channel.items()},
        "moved_alarms": [
            _alarm(one)
            | {"then_raised_at": instant(two.raised_us), "then_worst": name_of(two.worst)}
            for one, two in of.moved[:LISTED_MAX]
        ],
        "added_alarms": _alarms(of.added),
        "removed_alarms": _alarms(of.removed),
    }


def _alarms(lives: Sequence[AlarmLife]) -> list[dict[str, Any]]:
    return [_alarm(one) for one in _first(lives)]


def _first(lives: Sequence[AlarmLife]) -> Iterable[AlarmLife]:
    return lives[:LISTED_MAX]


def _alarm(one: AlarmLife) -> dict[str, Any]:
    return {
        "channel": one.channel,
        "rule": one.rule,
        "raised_at": instant(one.raised_us),
        "cleared_at": None if one.ended_us is None else instant(one.ended_us),
        "worst": name_of(one.worst),
    }
