"""What a centre must make of the ledger: by the engine over all of it, and by plain limits."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from alarms.engine import SiteEngine
from alarms.transition import AlarmKind, Inputs
from simulators.proving.faults.plain_limits import PlainLevel, PlainLimit
from simulators.proving.faults.taken import Numbers
from telemetry.conversion import GroupConverter
from telemetry.limits import Limit
from telemetry.plan import GroupPlan, SitePlan
from telemetry.quality import is_bad
from telemetry.scan import JudgedScans
from telemetry.site import Level

LEVELS = ("blue", "yellow", "orange", "red")


@dataclass(slots=True)
class Judgement:
    """Readings as stored, and alarms by two ways that share no code."""

    readings: Counter[Any] = field(default_factory=Counter)
    rules: set[tuple[str, str]] = field(default_factory=set)  # Channel and rule that are compared.
    keys: Counter[str] = field(default_factory=Counter)
    plain: Counter[Any] = field(default_factory=Counter)


def judge(plan: SitePlan, taken: dict[str, list[tuple[int, Numbers]]]) -> Judgement:
    """Judge everything that was taken, by group and in the order of time."""
    judgement = Judgement()
    scans = [_scans_of(one, taken[one.key]) for one in plan.groups if one.key in taken]
    engine = SiteEngine(plan)
    outcome = engine.step(engine.initial_state(), Inputs(scans=tuple(scans)))
    for one in scans:
        key = plan.groups[one.group].key
        quality = outcome.screened.get(one.group, one.quality)
        for n, at_us in enumerate(one.sampled_us.tolist()):
            judgement.readings.update(
                (key, at_us, slot, number if number == number else np.inf, word)  # noqa: PLR0124
                for slot, (number, word) in enumerate(
                    zip(one.value[n].tolist(), quality[n].tolist(), strict=True)
                )
            )
        _judge_plainly(judgement, plan, one)
    judgement.keys.update(
        one.key
        for one in outcome.transitions
        if one.kind is AlarmKind.PROCESS and (one.channel, one.rule) in judgement.rules
    )
    return judgement


def _scans_of(group: GroupPlan, taken: list[tuple[int, Numbers]]) -> JudgedScans:
    at_us = np.array([one for one, _ in taken], np.int64)
    raw = np.stack([np.frombuffer(one.raw, "<f8") for _, one in taken])
    quality = np.array([one.quality for _, one in taken], np.int16)
    value, judged = GroupConverter(group).convert(raw, quality)
    return JudgedScans(group.index, at_us, at_us, raw, value, judged)


def _judge_plainly(judgement: Judgement, plan: SitePlan, scans: JudgedScans) -> None:
    for channel in plan.groups[scans.group].channels:
        limits: list[Limit] = list(channel.channel.limits)
        for limit in limits:
            directions = [one.direction for one in limits]
            if limit.confirm is not None or directions.count(limit.direction) > 1:
                continue
            rule = f"limit_{limit.direction}"
            judgement.rules.add((channel.key, rule))
            good = ~is_bad(scans.quality[:, channel.slot])
            value = np.where(good, scans.value[:, channel.slot], np.nan)
            readings = zip(scans.sampled_us.tolist(), value.tolist(), strict=True)
            for change, level, at_us in _plain(limit).follow(readings):
                judgement.plain[channel.key, rule, change, level, at_us] += 1


def _plain(limit: Limit) -> PlainLimit:
    bounds = {name: getattr(limit.levels, name) for name in LEVELS}
    return PlainLimit(
        high=limit.direction == "high",
        deadband=limit.deadband,
        on_delay_us=round(limit.on_delay_s * 1e6),
        off_delay_us=round(limit.off_delay_s * 1e6),
        levels=[
            PlainLevel(int(Level[name.upper()]), name, bound)
            for name, bound in bounds.items()
            if bound is not None
        ],
    )
