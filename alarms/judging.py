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
from alarms.detectors.rate import OLD, YOUNG, Anchors, rate_per_hour
from alarms.detectors.states import NO_STATE, level_of_state
from alarms.engine_state import EngineState
from alarms.evidence import Finding
from alarms.rounds import Cells, Round, pieces_of, ranges
from alarms.row_ranges import as_slice, rows_of, shifted, taken
from alarms.rules import CHARTS, RuleColumns, RuleKind
from telemetry.plan import SitePlan
from telemetry.quality import Quality, is_bad, is_unread
from telemetry.site import Level

Rows = NDArray[np.int64]


# A round is judged in pieces of so many readings: what a piece needs stays in a core's own cache.
PIECE_READINGS = 8_192
# Selections are kept for so many rounds of the whole site; flushes bring ever new groups together.
ROUNDS_KEPT = 2
NOTHING = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class OfKind:
    """Rules of one kind, and where their readings and instants stand."""

    rows: Rows | slice
    channels: Rows | slice
    groups: Rows

    def at(self, places: Rows) -> "OfKind":
        """Choose some of them."""
        return OfKind(_at(self.rows, places), _at(self.channels, places), self.groups[places])


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Where the readings and rules of some groups stand."""

    channels: Rows | slice  # [reading]
    kinds: tuple[OfKind, ...]
    asked: tuple[RuleKind, ...]  # Those that have rules here: many sites have no charts.


@dataclass(slots=True, eq=False)
class _Readings:
    """A round's readings, to be found by channel, and its instants, to be found by group."""

    value: NDArray[np.float64]
    quality: NDArray[np.int16]
    at_us: NDArray[np.int64]
    unread: NDArray[np.bool_]  # [group] whether the line or the device failed some channel
    doubts: bool = True  # Whether any reading of the piece at hand is not plainly good.


class Judge:
    """Applies the rules of a site to rounds; keeps room for one round, and no state."""

    def __init__(self, plan: SitePlan, rules: RuleColumns) -> None:
        self._rules = rules
        self._cells = Cells.of(plan)
        self._technical = np.int8(Level[plan.site.technical_level.upper()])
        self.readings = _Readings(
            value=np.full(len(plan.channels) + 1, np.nan),
            quality=np.zeros(len(plan.channels) + 1, dtype=np.int16),
            at_us=np.zeros(len(plan.groups), dtype=np.int64),
            unread=np.zeros(len(plan.groups) + 1, dtype=np.bool_),
        )
        # What slots without a channel hold concerns no group: both have one row past the last.
        groups = [channel.group for channel in plan.channels]
        self._group_of = np.array([*groups, len(plan.groups)], dtype=np.int64)
        self._channel_first = np.searchsorted(
            self._group_of[:-1], np.arange(len(plan.groups) + 1)
        ).astype(np.int64)
        self._offsets = {kind: self._offset_of(kind) for kind in RuleKind}
        self._selections: dict[bytes, Selection] = {}
        self._kept = 0  # Readings that these are about, all together.
        self._kept_max = max(ROUNDS_KEPT * len(plan.channels), 2 * PIECE_READINGS)
        self._judges = {
            RuleKind.LIMIT: self._judge_limits,
            RuleKind.RATE: self._judge_rates,
            RuleKind.STATE: self._judge_states,
            RuleKind.QUALITY: self._judge_quality,
            RuleKind.UNREADABLE: self._judge_unreadable,
        }

    def judge(self, state: EngineState, of: Round) -> list[Finding]:
        """Judge one round: change the state's columns, and list what is believed anew."""
        findings: list[Finding] = []
        for piece in pieces_of(of, self._cells, PIECE_READINGS):
            findings += self.judge_piece(state, piece)
        findings.sort(key=self.place)
        return findings

    def judge_piece(self, state: EngineState, of: Round) -> list[Finding]:
        """Judge some groups' scans; the findings are in the order of kinds."""
        chosen, readings = self.selection_of(of.groups), self.readings
        readings.value[chosen.channels] = of.value
        readings.quality[chosen.channels] = of.quality
        readings.at_us[of.groups] = of.at_us
        readings.unread[of.groups] = False
        readings.doubts = bool(of.quality.any()) or bool(np.isnan(of.value).any())
        unread = np.flatnonzero(is_unread(of.quality)) if readings.doubts else NOTHING
        if len(unread):
            readings.unread[self.groups_of(chosen)[unread]] = True
        return [
            finding
            for kind in chosen.asked
            for finding in self._judge_kind(state, kind, chosen.kinds[kind])
        ]

    def _judge_kind(self, state: EngineState, kind: RuleKind, of: OfKind) -> list[Finding]:
        if kind in CHARTS:
            return self._judge_charts(state, kind, of)
        return self._judges[kind](state, of)

    def place(self, found: Finding) -> tuple[int, int, int]:
        """Order findings as the plan stands; a group's own come before its channels'."""
        rule = self._rules.rules[found.rule]
        return rule.group, -1 if rule.channel is None else rule.channel, found.rule

    def selection_of(self, groups: NDArray[np.int64]) -> Selection:
        """Find where these groups' readings and rules stand; mostly they have been asked for."""
        key = groups.tobytes()
        chosen = self._selections.get(key)
        if chosen is None:
            size = int((self._cells.first[groups + 1] - self._cells.first[groups]).sum())
            if self._kept + size > self._kept_max:
                self._selections.clear()
                self._kept = 0
            chosen = self._selections[key] = self._select(groups)
            self._kept += size
        return chosen

    def groups_of(self, chosen: Selection) -> Rows:
        """Return the group of each reading; one past the last where a slot has no channel."""
        return self._group_of[chosen.channels]

    def _select(self, groups: NDArray[np.int64]) -> Selection:
        rules = self._rules
        cells = self._cells.channels_of(groups)
        begins = self._channel_first[groups]
        channels = ranges(begins, self._channel_first[groups + 1])
        of_channels = np.repeat(groups, self._channel_first[groups + 1] - begins)
        kinds = []
        for kind in RuleKind:
            offset = self._offsets[kind]
            if offset is not None:  # Each channel has one, so they stand like the channels.
                rows = as_slice(channels + offset)
                kinds.append(OfKind(rows, as_slice(channels), of_channels))
                continue
            rows = as_slice(ranges(rules.first[kind, groups], rules.first[kind, groups + 1]))
            kinds.append(OfKind(rows, as_slice(rules.channel[rows]), rules.group[rows]))
        asked = tuple(kind for kind in RuleKind if len(kinds[kind].groups))
        return Selection(as_slice(cells), tuple(kinds), asked)

    def _offset_of(self, kind: RuleKind) -> int | None:
        """Tell how far the rules of a kind stand from their channels, if each has exactly one."""
        rows = slice(self._rules.begin(kind), self._rules.end(kind))
        channels = self._rules.channel[rows]
        every = np.arange(self._channel_first[-1])
        return rows.start if np.array_equal(channels, every) else None

    def _there(self, of: OfKind) -> tuple[OfKind, NDArray[np.float64]]:
        """Find the rules that have a reading to go by, and their readings."""
        value = taken(self.readings.value, of.channels)
        if not self.readings.doubts:
            return of, value
        missing = np.isnan(value)
        if not missing.any():
            return of, value
        places = np.flatnonzero(~missing)
        return of.at(places), value[places]

    def _judge_limits(self, state: EngineState, of: OfKind) -> list[Finding]:
        rules, rows = self._rules, of.rows
        signed = taken(self.readings.value, of.channels) * taken(rules.sign, rows)
        hot = np.flatnonzero((signed >= taken(rules.lowest, rows)) | self._counts(state, rows))
        return self.judge_bounds(state, _at(rows, hot), signed[hot])

    def _judge_rates(self, state: EngineState, of: OfKind) -> list[Finding]:
        rules = self._rules
        of, value = self._there(of)
        if not len(value):
            return []
        rows, own = of.rows, shifted(of.rows, -rules.begin(RuleKind.RATE))
        before = Anchors(
            taken(state.anchor_us[OLD], own),
            taken(state.anchor_value[OLD], own),
            taken(state.anchor_us[YOUNG], own),
            taken(state.anchor_value[YOUNG], own),
        )
        rate, after = rate_per_hour(
            self.readings.at_us.take(of.groups),
            value,
            before,
            window_us=taken(rules.window_us, own),
            gap_us=taken(rules.gap_us, own),
        )
        if after.old_us is not before.old_us:
            state.anchor_us[OLD, own], state.anchor_value[OLD, own] = after[:2]
        if after.young_us is not before.young_us:
            state.anchor_us[YOUNG, own], state.anchor_value[YOUNG, own] = after[2:]
        signed = rate * taken(rules.sign, rows)
        hot = np.flatnonzero((signed >= taken(rules.lowest, rows)) | self._counts(state, rows))
        return self.judge_bounds(state, _at(rows, hot), signed[hot], rate[hot])

    def _judge_charts(self, state: EngineState, kind: RuleKind, of: OfKind) -> list[Finding]:
        rules = self._rules
        of, value = self._there(of)
        if not len(value):
            return []
        rows = of.rows
        shown = charted(state, rules, kind, rows, self.readings.at_us.take(of.groups), value)
        hot = np.flatnonzero((shown >= taken(rules.lowest, rows)) | self._counts(state, rows))
        found = self.judge_bounds(state, _at(rows, hot), shown[hot], shown[hot])
        return [self.with_what_is_usual(state, one) for one in found]

    def with_what_is_usual(self, state: EngineState, found: Finding) -> Finding:
        """Put beside a chart's finding what was usual for it."""
        own = np.array([found.rule - self._rules.begin(RuleKind.EWMA)])
        usual = usual_of(state, self._rules.charts, own)
        return replace(found, usual=(float(usual.mean[0]), float(usual.sigma[0])))

    def _counts(self, state: EngineState, rows: Rows | slice) -> NDArray[np.bool_]:
        """Tell which rules have to be looked at, even when their reading violates nothing."""
        counts = busy(state, rows)
        if len(self._rules.confirms):
            counts |= self._rules.confirms.row[rows] != NOT_CONFIRMING
        return counts

    def judge_bounds(
        self,
        state: EngineState,
        rows: Rows,
        signed: NDArray[np.float64],
        figure: NDArray[np.float64] | None = None,
    ) -> list[Finding]:
        """Hold signed figures to their rules' bounds; NaN says nothing."""
        if not len(rows):
            return []
        known = ~np.isnan(signed)
        rows, signed = rows[known], signed[known]
        confirms = self._rules.confirms
        confirm = confirms.row[rows]
        asks = np.flatnonzero(confirm != NOT_CONFIRMING)
        before = state.violated[rows]
        if len(asks):
            before[asks] = newest(state.recent[:, confirm[asks]])
        violated = violated_level(
            signed,
            before,
            bounds=self._rules.bounds[:, rows],
            deadband=self._rules.deadband[rows],
        )
        if len(asks):
            violated[asks] = self._confirm(state, rows[asks], confirm[asks], violated[asks])
        return self.believe(state, rows, violated, None if figure is None else figure[known])

    def _confirm(
        self, state: EngineState, rows: Rows, confirm: Rows, violated: NDArray[np.int8]
    ) -> NDArray[np.int8]:
        confirms = self._rules.confirms
        at_us = self.readings.at_us[self._rules.group[rows]]
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

    def _judge_states(self, state: EngineState, of: OfKind) -> list[Finding]:
        rules = self._rules
        of, value = self._there(of)
        if not len(value):
            return []
        rows = rows_of(of.rows)
        level = level_of_state(rows - rules.begin(RuleKind.STATE), value, rules.states)
        hot = (level != NO_STATE) & ((level > 0) | busy(state, rows))
        return self.believe(state, rows[hot], level[hot])

    def _judge_quality(self, state: EngineState, of: OfKind) -> list[Finding]:
        if not self.readings.doubts and not busy(state, of.rows).any():
            return []
        quality = taken(self.readings.quality, of.channels)
        bad = is_bad(quality) | np.isnan(taken(self.readings.value, of.channels))
        # A reading that never came says nothing about its instrument: see `_judge_unreadable`.
        hot = np.flatnonzero((bad | busy(state, of.rows)) & ~is_unread(quality))
        level = np.where(bad[hot], self._technical, np.int8(0)).astype(np.int8)
        return self.believe(state, _at(of.rows, hot), level)

    def _judge_unreadable(self, state: EngineState, of: OfKind) -> list[Finding]:
        """Judge whether devices can be read: once per group, however many channels it has."""
        unread = self.readings.unread[of.groups]
        hot = np.flatnonzero(unread | busy(state, of.rows))
        level = np.where(unread[hot], self._technical, np.int8(0)).astype(np.int8)
        found = self.believe(state, _at(of.rows, hot), level)
        return [self.with_what_is_unread(one) for one in found]

    def with_what_is_unread(self, found: Finding) -> Finding:
        """Name the channels of a group that could not be read, and the reason that most have."""
        group = self._rules.rules[found.rule].group
        begin, end = np.searchsorted(self._group_of, [group, group + 1])
        quality = self.readings.quality[begin:end]
        unread = quality[is_unread(quality)]
        reason = np.argmax(np.bincount(unread)) if len(unread) else Quality.GOOD
        return replace(
            found,
            value=float("nan"),  # Whose reading would it be?
            quality=int(reason),
            unread=len(unread),
            examples=tuple((begin + np.flatnonzero(quality == reason)).tolist()),
        )

    def believe(
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
        at_us = self.readings.at_us[rules.group[rows]]
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
            at_us=int(self.readings.at_us[self._rules.group[rule]]),
            since_us=tuple(int(since) for since in since_us),
            value=float(self.readings.value[channel]),
            quality=int(self.readings.quality[channel]),
            figure=figure,
        )


def busy(state: EngineState, rows: Rows | slice) -> NDArray[np.bool_]:
    """Tell which rules violate or believe a level."""
    found: NDArray[np.bool_] = (taken(state.violated, rows) | taken(state.believed, rows)) != 0
    return found


def _at(rows: Rows | slice, places: Rows) -> Rows:
    return places + rows.start if isinstance(rows, slice) else rows[places]
