"""Timelines: what is measured, what operators do, and what follows, as an operator would say it.

Each line is a minute and what comes then; behind the arrow stands what must follow, in order::

    0: pond 9.5
    1: pond 10.2, crest 20        -> pond raise blue
    2: Ada acknowledges pond      -> pond acknowledge blue
    3: pond bad
    4: pond unread
    9: gauges silent              -> gauges raise yellow (silence)

A line without an arrow says that nothing follows. In parentheses stands the rule, where it is
not the limit, state or rate of the channel. A bad reading is an open circuit; one that is unread
never came, because the device did not reply. Time is virtual: a timeline of a year takes no longer
than one of a minute.
"""

import re
from collections import Counter

import numpy as np
from engine_sites import BEGAN_US, MINUTE_US, Watch, scans

from alarms.transition import Acknowledgement, AlarmKind, Silence, Transition
from telemetry.plan import SitePlan
from telemetry.quality import Quality
from telemetry.scan import JudgedScans

UNSEEN = {"bad": Quality.ELECTRICAL, "unread": Quality.NO_REPLY}
LINE = re.compile(r"^\s*([0-9.]+):\s*(.*?)\s*(?:->\s*(.*?))?\s*$")


def play(plan: SitePlan, text: str) -> Watch:
    """Play a timeline line by line, and compare what follows with what it says."""
    watch = Watch(plan)
    for line in filter(str.strip, text.splitlines()):
        matched = LINE.match(line)
        assert matched, f"this is no line of a timeline: {line!r}"
        minute, happens, expected = matched.groups()
        begin = len(watch.told)
        _happens(watch, BEGAN_US + round(float(minute) * MINUTE_US), happens)
        follows = [_said(one) for one in watch.told[begin:]]
        wanted = [part.strip() for part in expected.split(",")] if expected else []
        assert Counter(follows) == Counter(wanted), f"at minute {minute}: {follows} != {wanted}"
    return watch


def _happens(watch: Watch, at_us: int, happens: str) -> None:
    measured: dict[str, tuple[float, Quality]] = {}
    for part in filter(None, (part.strip() for part in happens.split(","))):
        words = part.split()
        if words[1:2] == ["acknowledges"]:
            _acknowledge(watch, person=words[0], channel=words[2], at_us=at_us)
        elif words[1:] == ["silent"]:
            group = watch.engine.plan.group_by_key[words[0]].index
            last_us = int(watch.state.newest_us[group])
            watch.flush(silences=(Silence(group, last_us),))
        else:
            channel, value = words
            reason = UNSEEN.get(value, Quality.GOOD)
            measured[channel] = (np.nan if value in UNSEEN else float(value), reason)
    watch.flush(*_scans(watch.engine.plan, measured, at_us))


def _scans(
    plan: SitePlan, measured: dict[str, tuple[float, Quality]], at_us: int
) -> list[JudgedScans]:
    rows: dict[int, np.ndarray] = {}
    for key, (value, quality) in measured.items():
        channel = plan.channel_by_key[key]
        nothing = np.array([[np.nan], [Quality.NO_VALUE]])
        width = plan.groups[channel.group].slot_count
        row = rows.setdefault(channel.group, np.repeat(nothing, width, axis=1))
        row[:, channel.slot] = value, quality
    return [scans(group, [at_us], row[0], quality=row[1]) for group, row in rows.items()]


def _acknowledge(watch: Watch, *, person: str, channel: str, at_us: int) -> None:
    (alarm,) = (one for one in watch.state.alarms.values() if one.subject.channel == channel)
    asked = Acknowledgement(f"{person}-{at_us}", alarm.occurrence, person, "", at_us)
    (decision,) = watch.flush(acknowledgements=(asked,)).decisions
    assert decision.accepted, decision.reason


def _said(one: Transition) -> str:
    said = f"{one.channel} {one.change} {one.level.name.lower()}"
    return f"{said} ({one.rule})" if one.kind is AlarmKind.TECHNICAL else said
