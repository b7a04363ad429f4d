"""Judging a round: what each rule believes after it, and which rules changed their mind.

Most rules are quiet most of the time: nothing is violated and nothing is believed. So each
kind of rule first finds, with a few operations over whole columns, the rows for which this is
not so, and computes the rest for these alone.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alarms.chart_rules import NOT_CONFIRMING
from alarms.charting import charted, usual_of
from alarms.detectors.confirmation import confirmed_level, newest
from alarms.detectors.delays import believed_level
from alarms.detectors.limits import violated_level
from alarms.detectors.rate import rate_per_hour
from alarms.detectors.states import NO_STATE, level_of_state
from alarms.engine_state import EngineState
from alarms.evidence import Finding
from alarms.rounds import Cells, Round, ranges
from alarms.rules import CHARTS, RuleColumns, RuleKind
from telemetry.plan import SitePlan
from telemetry.quality import Quality, is_bad, is_unread
from telemetry.site import Level

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Selection:
    """Where the readings and rules of some groups stand."""

    groups: NDArray[np.int64]
    channels: NDArray[np.int64]  # [reading]
    rows: tuple[Rows | slice, ...]  # By kind of rule.


@dataclass(frozen=True, slots=True, eq=False)
class _Readings:
    """A round's readings, to be found by channel, and its instants, to be found by group."""

    value: NDArray[np.float64]
    quality: NDArray[np.int16]
    at_us: NDArray[np.int64]
    unread: NDArray[np.bool_]  # [group] whether the line or the device failed some channel


class Judge:
    """Applies the rules of a site to rounds; keeps room for one round, and no state."""

    def __init__(self, plan: SitePlan, rules: RuleColumns) -> None:
        self._rules = rules
        self._cells = Cells.of(plan)
        self._technical = np.int8(Level[plan.site.technical_level.upper()])
        self._readings = _Readings(
            value=np.full(len(plan.channels) + 1, np.nan),
            quality=np.zeros(len(plan.channels) + 1, dtype=np.int16),
            at_us=np.zeros(len(plan.groups), dtype=np.int64),
            unread=np.zeros(len(plan.groups) + 1, dtype=np.bool_),
        )
        # What slots without a channel hold concerns no group: both have one row past the last.
        groups = [channel.group for channel in plan.channels]
        self._group_of = np.array([*groups, len(plan.groups)], dtype=np.int64)
        self._selection = self._select(np.zeros(0, dtype=np.int64))

    def judge(self, state: EngineState, of: Round) -> list[Finding]:
        """Judge one round: change the state's columns, and list what is believed anew."""
        if not np.array_equal(self._selection.groups, of.groups):
            self._selection = self._select(of.groups)
        chosen, readings = self._selection, self._readings
        readings.value[chosen.channels] = of.value
        readings.quality[chosen.channels] = of.quality
        readings.at_us[of.groups] = of.at_us
        readings.unread[of.groups] = False
        readings.unread[self._group_of[chosen.channels[is_unread(of.quality)]]] = True
        changed = [
            self._judge_limits(state, chosen.rows[RuleKind.LIMIT]),
            self._judge_rates(state, chosen.rows[RuleKind.RATE]),
            *(self._judge_charts(state, kind, chosen.rows[kind]) for kind in CHARTS),
            self._judge_states(state, chosen.rows[RuleKind.STATE]),
            self._judge_quality(state, chosen.rows[RuleKind.QUALITY]),
            self._judge_unreadable(state, chosen.rows[RuleKind.UNREADABLE]),
        ]
        findings = [finding for some in changed for finding in some]
        findings.sort(key=self._place)
        return findings

    def _place(self, found: Finding) -> tuple[int, int, int]:
        """Order findings as the plan stands; a group's own come before its channels'."""
        rule = self._rules.rules[found.rule]
        return rule.group, -1 if rule.channel is None else rule.channel, found.rule

    def _select(self, groups: NDArray[np.int64]) -> _Selection:
        first = self._rules.first
        rows: list[Rows | slice] = []
        for kind in RuleKind:
            begins, ends = first[kind, groups], first[kind, groups + 1]
            joined = bool(np.all(begins[1:] == ends[:-1])) and len(groups) > 0
            rows.append(slice(begins[0], ends[-1]) if joined else ranges(begins, ends))
        return _Selection(groups, self._cells.channels_of(groups), tuple(rows))

    def _judge_limits(self, state: EngineState, rows: Rows | slice) -> list[Finding]:
        rules = self._rules
        signed = self._readings.value[rules.channel[rows]] * rules.sign[rows]
        hot = np.flatnonzero((signed >= rules.lowest[rows]) | self._counts(state, rows))
        return self._judge_bounds(state, _rows_at(rows, hot), signed[hot])

    def _judge_rates(self, state: EngineState, rows: Rows | slice) -> list[Finding]:
        rules, begin = self._rules, self._rules.begin(RuleKind.RATE)
        value = self._readings.value[rules.channel[rows]]
        hot = np.flatnonzero(~np.isnan(value))
        if not len(hot):
            return []
        judged = _rows_at(rows, hot)
        own = judged - begin
        rate, state.anchor_us[:, own], state.anchor_value[:, own] = rate_per_hour(
            self._readings.at_us[rules.group[judged]],
            value[hot],
            anchor_us=state.anchor_us[:, own],
            anchor_value=state.anchor_value[:, own],
            window_us=rules.window_us[own],
            gap_us=rules.gap_us[own],
        )
        signed = rate * rules.sign[judged]
        hot = np.flatnonzero((signed >= rules.lowest[judged]) | self._counts(state, judged))
        return self._judge_bounds(state, judged[hot], signed[hot], rate[hot])

    def _judge_charts(
        self, state: EngineState, kind: RuleKind, rows: Rows | slice
    ) -> list[Finding]:
        rules = self._rules
        value = self._readings.value[rules.channel[rows]]
        there = ~np.isnan(value)
        if not there.all():
            rows, value = _rows_at(rows, np.flatnonzero(there)), value[there]
        if not len(value):
            return []
        at_us = self._readings.at_us[rules.group[rows]]
        shown = charted(state, rules, kind, rows, at_us, value)
        hot = np.flatnonzero((shown >= rules.lowest[rows]) | self._counts(state, rows))
        found = self._judge_bounds(state, _rows_at(rows, hot), shown[hot], shown[hot])
        return [self._with_what_is_usual(state, one) for one in found]

    def _with_what_is_usual(self, state: EngineState, found: Finding) -> Finding:
        own = np.array([found.rule - self._rules.begin(RuleKind.EWMA)])
        usual = usual_of(state, self._rules.charts, own)
        return replace(found, usual=(float(usual.mean[0]), float(usual.sigma[0])))

    def _counts(self, state: EngineState, rows: Rows | slice) -> NDArray[np.bool_]:
        """Tell which rules have to be looked at, even when their reading violates nothing."""
        busy = _busy(state, rows)
        if len(self._rules.confirms):
            busy |= self._rules.confirms.row[rows] != NOT_CONFIRMING
        return busy

    def _judge_bounds(
        self,
        state: EngineState,
        rows: Rows,
        signed: NDArray[np.float64],
        figure: NDArray[np.float64] | None = None,
    ) -> list[Finding]:
        known = ~np.isnan(signed)
        rows, signed = rows[known], signed[known]
        confirms = self._rules.confirms
        confirm = confirms.row[rows]
        asks = np.flatnonzero(confirm != NOT_CONFIRMING)
        before = state.violated[rows]
        before[asks] = newest(state.recent[:, confirm[asks]])
        violated = violated_level(
            signed,
            before,
            bounds=self._rules.bounds[:, rows],
            deadband=self._rules.deadband[rows],
        )
        if len(asks):
            violated[asks] = self._confirm(state, rows[asks], confirm[asks], violated[asks])
        return self._believe(state, rows, violated, None if figure is None else figure[known])

    def _confirm(
        self, state: EngineState, rows: Rows, confirm: Rows, violated: NDArray[np.int8]
    ) -> NDArray[np.int8]:
        confirms = self._rules.confirms
        at_us = self._readings.at_us[self._rules.group[rows]]
        level, state.recent[:, confirm] = confirmed_level(
            violated,
            state.violated[rows],
            recent=state.recent[:, confirm],
            after_gap=at_us - state.recent_us[confirm] > confirms.gap_us[confirm],
            at_least=confirms.at_least[confirm],
            of_last=confirms.of_last[confirm],
        )
        state.recent_us[confirm] = at_us
        return level

    def _judge_states(self, state: EngineState, rows: Rows | slice) -> list[Finding]:
        rules = self._rules
        value = self._readings.value[rules.channel[rows]]
        chosen = _rows_at(rows, np.flatnonzero(~np.isnan(value)))
        if not len(chosen):
            return []
        level = level_of_state(
            chosen - rules.begin(RuleKind.STATE),
            self._readings.value[rules.channel[chosen]],
            rules.states,
        )
        hot = (level != NO_STATE) & ((level > 0) | _busy(state, chosen))
        return self._believe(state, chosen[hot], level[hot])

    def _judge_quality(self, state: EngineState, rows: Rows | slice) -> list[Finding]:
        channel = self._rules.channel[rows]
        quality = self._readings.quality[channel]
        bad = is_bad(quality) | np.isnan(self._readings.value[channel])
        # A reading that never came says nothing about its instrument: see `_judge_unreadable`.
        hot = np.flatnonzero((bad | _busy(state, rows)) & ~is_unread(quality))
        level = np.where(bad[hot], self._technical, np.int8(0)).astype(np.int8)
        return self._believe(state, _rows_at(rows, hot), level)

    def _judge_unreadable(self, state: EngineState, rows: Rows | slice) -> list[Finding]:
        """Judge whether devices can be read: once per group, however many channels it has."""
        unread = self._readings.unread[self._rules.group[rows]]
        hot = np.flatnonzero(unread | _busy(state, rows))
        level = np.where(unread[hot], self._technical, np.int8(0)).astype(np.int8)
        found = self._believe(state, _rows_at(rows, hot), level)
        return [self._with_what_is_unread(one) for one in found]

    def _with_what_is_unread(self, found: Finding) -> Finding:
        """Name the channels of a group that could not be read, and the reason that most have."""
        group = self._rules.rules[found.rule].group
        begin, end = np.searchsorted(self._group_of, [group, group + 1])
        quality = self._readings.quality[begin:end]
        unread = quality[is_unread(quality)]
        reason = np.argmax(np.bincount(unread)) if len(unread) else Quality.GOOD
        return replace(
            found,
            value=float("nan"),  # Whose reading would it be?
            quality=int(reason),
            unread=len(unread),
            examples=tuple((begin + np.flatnonzero(quality == reason)).tolist()),
        )

    def _believe(
        self,
        state: EngineState,
        rows: Rows,
        violated: NDArray[np.int8],
        figure: NDArray[np.float64] | None = None,
    ) -> list[Finding]:
        """Let delays decide what is believed; rows are those that have a reading to go by."""
        rules = self._rules
        # Where what is violated is believed already, and stays, no delay is running.
        running = violated != state.violated[rows]
        running |= violated != state.believed[rows]
        rows, violated = rows[running], violated[running]
        figure = None if figure is None else figure[running]
        if not len(rows):
            return []
        before = state.believed[rows]
        at_us = self._readings.at_us[rules.group[rows]]
        believed, since_us = believed_level(
            at_us,
            violated_before=state.violated[rows],
            violated=violated,
            since_us=state.since_us[:, rows],
            believed_before=before,
            on_delay_us=rules.on_delay_us[rows],
            off_delay_us=rules.off_delay_us[rows],
            used=rules.used[:, rows],
        )
        state.violated[rows], state.believed[rows] = violated, believed
        state.since_us[:, rows] = since_us
        return [
            self._finding(
                int(rows[n]),
                before=int(before[n]),
                after=int(believed[n]),
                since_us=since_us[:, n],
                figure=float("nan") if figure is None else float(figure[n]),
            )
            for n in np.flatnonzero(believed != before)
        ]

    def _finding(
        self, rule: int, *, before: int, after: int, since_us: NDArray[np.int64], figure: float
    ) -> Finding:
        """Put beside what is believed of a rule now the reading that decided it."""
        channel = self._rules.channel[rule]
        return Finding(
            rule=rule,
            before=before,
            after=after,
            at_us=int(self._readings.at_us[self._rules.group[rule]]),
            since_us=tuple(int(since) for since in since_us),
            value=float(self._readings.value[channel]),
            quality=int(self._readings.quality[channel]),
            figure=figure,
        )


def _busy(state: EngineState, rows: Rows | slice) -> NDArray[np.bool_]:
    busy: NDArray[np.bool_] = (state.violated[rows] | state.believed[rows]) != 0
    return busy


def _rows_at(rows: Rows | slice, places: Rows) -> Rows:
    return places + rows.start if isinstance(rows, slice) else rows[places]
