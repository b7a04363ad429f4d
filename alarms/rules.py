"""The site's rules as flat columns: what detectors compare with, and what each bound rests on.

A rule is one question about one channel: a limit with its levels, a rate limit, a discrete
state, the quality of readings; or about one scan group: whether its device can be read. Rules
are sorted by kind and then by group, so that the rules of some groups are ranges, and those of
all groups are one slice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from alarms.chart_rules import (
    ChartColumns,
    ConfirmationColumns,
    chart_columns,
    confirmation_columns,
)
from alarms.detectors.states import StateLevels, state_levels
from alarms.transition import AlarmKind
from telemetry.limits import (
    ChartLimit,
    CusumLimit,
    EwmaLimit,
    Limit,
    PageHinkleyLimit,
    RateLimit,
)
from telemetry.plan import ChannelPlan, SitePlan
from telemetry.site import Level

TECHNICAL_DELAY_PERIODS = 2  # The third bad scan in a row is believed; so is the third good one.
GAP_WINDOWS = 4  # Across a longer gap than this many windows no rate is told.


class RuleKind(IntEnum):
    """What a rule looks at; also the order of rules."""

    LIMIT = 0
    RATE = 1
    EWMA = 2
    CUSUM = 3
    PAGE_HINKLEY = 4
    STATE = 5
    QUALITY = 6
    UNREADABLE = 7


CHARTS = (RuleKind.EWMA, RuleKind.CUSUM, RuleKind.PAGE_HINKLEY)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as the plan says it, before it becomes a row of columns."""

    kind: RuleKind
    key: str
    group: int
    channel: int | None  # None for a rule about the whole group.
    limit: Limit | None  # None for states and technical rules.
    on_delay_s: float
    off_delay_s: float


@dataclass(frozen=True, slots=True, eq=False)
class RuleColumns:
    """All rules of a site; columns named [rule] have a row for each."""

    rules: tuple[Rule, ...]  # For texts and evidence; detectors use the columns alone.
    first: NDArray[np.int64]  # [kind, group + 1] where the rules of a kind and a group begin
    channel: NDArray[np.int64]  # [rule] one past the last for rules about whole groups
    group: NDArray[np.int64]  # [rule]
    on_delay_us: NDArray[np.int64]  # [rule]
    off_delay_us: NDArray[np.int64]  # [rule]
    used: NDArray[np.bool_]  # [level, rule]
    # Limits, rate limits and charts come first, so these have rows for them alone.
    sign: NDArray[np.float64]  # [rule] -1 for low limits: see `alarms.detectors.limits`
    bounds: NDArray[np.float64]  # [level, rule] signed
    lowest: NDArray[np.float64]  # [rule] the bound of the lowest level, signed
    deadband: NDArray[np.float64]  # [rule]
    confirms: ConfirmationColumns
    # Rows for rate limits alone, for charts alone, and for discrete rules alone.
    window_us: NDArray[np.int64]
    gap_us: NDArray[np.int64]
    charts: ChartColumns
    states: StateLevels

    def __len__(self) -> int:
        return len(self.rules)

    def begin(self, kind: RuleKind) -> int:
        """Return where the rules of a kind begin."""
        return int(self.first[kind, 0])

    def end(self, kind: RuleKind) -> int:
        """Return where the rules of a kind end."""
        return int(self.first[kind, -1])

    def count(self, kind: RuleKind) -> int:
        """Return how many rules of a kind there are."""
        return self.end(kind) - self.begin(kind)


def kind_of_alarm(rule: Rule) -> AlarmKind:
    """Tell whether a rule is about the ground or about the system that watches it."""
    return AlarmKind.TECHNICAL if rule.kind >= RuleKind.QUALITY else AlarmKind.PROCESS


def subject_key(plan: SitePlan, rule: Rule) -> str:
    """Name the channel, or the group, that a rule is about."""
    if rule.channel is None:
        return plan.groups[rule.group].key
    return plan.channels[rule.channel].key


def announced_levels(rule: Rule, used: NDArray[np.bool_], before: int, after: int) -> list[Level]:
    """List the levels that are told one by one when a rule rises from one level to another.

    A limit's levels are stages of one thing, so each is told. A discrete state is only itself.
    """
    if rule.kind is RuleKind.STATE:
        return [Level(after)]
    return [Level(level) for level in range(before + 1, after + 1) if used[level - 1]]


def compile_rules(plan: SitePlan) -> RuleColumns:
    """Lay the rules of a site out as columns."""
    technical = Level[plan.site.technical_level.upper()]
    rules = tuple(sorted(_rules_of(plan), key=lambda rule: (rule.kind, rule.group)))
    nobody = len(plan.channels)
    channel = [nobody if rule.channel is None else rule.channel for rule in rules]
    group = np.array([rule.group for rule in rules], dtype=np.int64)
    limited = [rule.limit for rule in rules if rule.limit is not None]
    sign = np.array([_sign_of_bounds(limit) for limit in limited])
    bounds = sign * _bounds(limited)
    rated = [limit for limit in limited if isinstance(limit, RateLimit)]
    periods = [plan.groups[rule.group].period_us for rule in rules if rule.limit is not None]
    period_us = np.array(periods, dtype=np.int64)
    plain = sum(not isinstance(limit, ChartLimit) for limit in limited)
    states = [
        _levels_by_state(plan.channels[rule.channel])
        for rule in rules
        if rule.kind is RuleKind.STATE and rule.channel is not None
    ]
    window_us = _microseconds([limit.window_s for limit in rated])
    highest = np.max(np.where(np.isfinite(bounds), bounds, -np.inf), axis=0)
    return RuleColumns(
        rules=rules,
        first=_first_rules(rules, group, len(plan.groups)),
        channel=np.array(channel, dtype=np.int64),
        group=group,
        on_delay_us=_microseconds([rule.on_delay_s for rule in rules]),
        off_delay_us=_microseconds([rule.off_delay_s for rule in rules]),
        used=np.hstack([np.isfinite(bounds), _levels_of(states), _only(technical, rules)]),
        sign=sign,
        bounds=np.where(np.isfinite(bounds), bounds, np.inf),
        lowest=np.min(np.where(np.isfinite(bounds), bounds, np.inf), axis=0),
        deadband=np.array([limit.deadband for limit in limited], dtype=np.float64),
        confirms=confirmation_columns(limited, period_us),
        window_us=window_us,
        gap_us=GAP_WINDOWS * np.maximum(window_us, period_us[plain - len(rated) : plain]),
        charts=_charts_of(plan, rules, period_us[plain:], highest[plain:]),
        states=state_levels(states),
    )


def _rules_of(plan: SitePlan) -> Iterator[Rule]:
    for channel in plan.channels:
        yield from _limits_of(channel)
        if channel.channel.states is not None and not plan.groups[channel.group].voting:
            yield Rule(
                RuleKind.STATE,
                "state",
                channel.group,
                channel.index,
                None,
                channel.channel.state_on_delay_s,
                channel.channel.state_off_delay_s,
            )
    for group in plan.groups:
        if group.calculated:  # What it is computed from has rules of its own.
            continue
        delay_s = TECHNICAL_DELAY_PERIODS * group.group.period_s
        yield Rule(RuleKind.UNREADABLE, "unreadable", group.index, None, None, delay_s, delay_s)
        for channel in group.channels:
            yield Rule(
                RuleKind.QUALITY, "quality", group.index, channel.index, None, delay_s, delay_s
            )


def _limits_of(channel: ChannelPlan) -> Iterator[Rule]:
    taken: dict[str, int] = {}
    limits: list[Limit] = [
        *channel.channel.limits,
        *channel.channel.rate_limits,
        *channel.channel.charts,
    ]
    for limit in limits:
        kind, key = _kind_and_key(limit)
        taken[key] = taken.get(key, 0) + 1
        if taken[key] > 1:
            key = f"{key}_{taken[key]}"
        yield Rule(
            kind, key, channel.group, channel.index, limit, limit.on_delay_s, limit.off_delay_s
        )


def _charts_of(
    plan: SitePlan,
    rules: tuple[Rule, ...],
    period_us: NDArray[np.int64],
    highest: NDArray[np.float64],
) -> ChartColumns:
    charts = [
        (rule.limit, plan.channels[rule.channel].channel.resolution)
        for rule in rules
        if isinstance(rule.limit, ChartLimit) and rule.channel is not None
    ]
    return chart_columns(
        [chart for chart, _ in charts], [one for _, one in charts], period_us, highest
    )


def _kind_and_key(limit: Limit) -> tuple[RuleKind, str]:
    if isinstance(limit, RateLimit):
        return RuleKind.RATE, f"rate_{limit.direction}_{limit.window_s:.15g}"
    if isinstance(limit, EwmaLimit | CusumLimit | PageHinkleyLimit):
        return RuleKind[limit.method.upper()], f"{limit.method}_{limit.direction}"
    return RuleKind.LIMIT, f"limit_{limit.direction}"


def _sign_of_bounds(limit: Limit) -> float:
    """Bounds of charts are multiples of a spread, in whichever direction: they have no sign."""
    return 1.0 if isinstance(limit, ChartLimit) or limit.direction == "high" else -1.0


def _bounds(limits: list[Limit]) -> NDArray[np.float64]:
    rows = [
        (limit.levels.blue, limit.levels.yellow, limit.levels.orange, limit.levels.red)
        for limit in limits
    ]
    # A level that is left out is None, which becomes NaN.
    return np.array(rows, dtype=np.float64).reshape(-1, 4).T


def _levels_by_state(channel: ChannelPlan) -> dict[int, Level]:
    return {
        number: Level.NONE if state.level is None else Level[state.level.upper()]
        for number, state in (channel.channel.states or {}).items()
    }


def _levels_of(states: list[dict[int, Level]]) -> NDArray[np.bool_]:
    used = np.zeros((4, len(states)), dtype=np.bool_)
    for rule, levels in enumerate(states):
        for level in levels.values():
            if level is not Level.NONE:
                used[level - 1, rule] = True
    return used


def _only(level: Level, rules: tuple[Rule, ...]) -> NDArray[np.bool_]:
    count = sum(kind_of_alarm(rule) is AlarmKind.TECHNICAL for rule in rules)
    used = np.zeros((4, count), dtype=np.bool_)
    used[level - 1] = True
    return used


def _microseconds(seconds: list[float]) -> NDArray[np.int64]:
    return np.round(np.array(seconds, dtype=np.float64) * 1e6).astype(np.int64)


def _first_rules(
    rules: tuple[Rule, ...], group: NDArray[np.int64], groups: int
) -> NDArray[np.int64]:
    kind = np.array([rule.kind for rule in rules], dtype=np.int64)
    wanted = [[(kind_, group_) for group_ in range(groups + 1)] for kind_ in RuleKind]
    place = kind * (groups + 1) + group  # Ascending, because groups own ranges of channels.
    asked = np.array([[k * (groups + 1) + g for k, g in row] for row in wanted])
    return np.searchsorted(place, asked).astype(np.int64)
