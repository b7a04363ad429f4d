"""Judging a stretch: its rounds at once where nothing happens, one by one where something does.

What comes out is what judging round by round comes to, to the last bit: a property test holds the
two against each other. Figures of all rounds are computed first. A rule that they leave untouched,
and that believes nothing, needs no more. The level that each other rule violates is found for all
rounds too; and only those are looked at in which that differs from what is violated or believed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.chart_rules import NOT_CONFIRMING, NOT_LEARNING
from alarms.detectors.limits import violated_levels
from alarms.detectors.states import NO_STATE, level_of_state
from alarms.engine_state import EngineState
from alarms.evidence import Finding
from alarms.judging import Judge, OfKind, Selection, busy
from alarms.recurrences import Recurrences
from alarms.row_ranges import as_slice, rows_of, shifted, taken
from alarms.rules import CHARTS, RuleColumns, RuleKind
from alarms.stretch_figures import KindReadings, charted_over, gaps, newest_us, rates
from alarms.stretches import Cut, Lockstep, Stretch
from telemetry.plan import SitePlan
from telemetry.quality import is_bad, is_unread
from telemetry.site import Level

Rows = NDArray[np.int64]
Numbered = tuple[int, Finding]  # In which round of the flush.
Levels = NDArray[np.int8]  # [round, rule]
Finish = Callable[[Finding], Finding]


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A stretch, and where its readings and rules stand."""

    of: Stretch
    chosen: Selection
    column: NDArray[np.int64]  # [channel + 1] its column in the stretch
    place: NDArray[np.int64]  # [group + 1] its place in the stretch

    def seen_by(self, kind: OfKind) -> KindReadings:
        """Return the readings as the rules of one kind see them."""
        value = self.of.value[:, as_slice(self.column[rows_of(kind.channels)])]
        there = ~np.isnan(value) if self.of.doubts else None
        whole = there is None or bool(there.all())
        at_us = self.of.at_us
        if at_us.shape[1] > 1:
            at_us = at_us[:, self.place[kind.groups]]
        return KindReadings(kind.rows, at_us, value, None if whole else there)


class StretchJudge:
    """Applies the rules of a site to many rounds at once."""

    def __init__(
        self, plan: SitePlan, rules: RuleColumns, judge: Judge, recurrences: Recurrences
    ) -> None:
        self._rules = rules
        self._recurrences = recurrences
        self._judge = judge
        self._technical = np.int8(Level[plan.site.technical_level.upper()])
        self._channels, self._groups = len(plan.channels), len(plan.groups)

    def judge(self, state: EngineState, steps: Lockstep, cut: Cut) -> list[Numbered]:
        """Change the state's columns, and list what is believed anew, in order."""
        found: list[Numbered] = []
        for stretch in steps.pieces(cut):
            found += self._judge_stretch(state, stretch)
        found.sort(key=lambda one: (one[0], self._judge.place(one[1])))
        return found

    def _judge_stretch(self, state: EngineState, stretch: Stretch) -> list[Numbered]:
        piece = self._piece_of(stretch)
        found: list[Numbered] = []
        begin = 0
        for one in self._rounds_apart(state, piece):
            found += self._judge_quick(state, piece, begin, one)
            number = stretch.first + one
            found += [(number, f) for f in self._judge.judge_piece(state, stretch.round(one))]
            begin = one + 1
        return found + self._judge_quick(state, piece, begin, len(stretch))

    def _piece_of(self, stretch: Stretch) -> _Piece:
        chosen = self._judge.selection_of(stretch.groups)
        channels = rows_of(chosen.channels)
        column = np.zeros(self._channels + 1, dtype=np.int64)
        column[channels] = np.arange(len(channels))
        place = np.zeros(self._groups + 1, dtype=np.int64)
        place[stretch.groups] = np.arange(len(stretch.groups))
        return _Piece(stretch, chosen, column, place)

    def _rounds_apart(self, state: EngineState, piece: _Piece) -> list[int]:
        """List the rounds that are judged one by one: charts begin anew, or learn what is usual."""
        charts = self._rules.charts
        apart = np.zeros(len(piece.of), dtype=np.bool_)
        for kind in CHARTS:
            if kind not in piece.chosen.asked:
                continue
            of = piece.chosen.kinds[kind]
            own = shifted(of.rows, -self._rules.begin(RuleKind.EWMA))
            seen = piece.seen_by(of)
            apart |= gaps(seen, taken(state.chart_us, own), taken(charts.gap_us, own))
            learner = taken(charts.learner, own)
            learns = learner != NOT_LEARNING
            if learns.any():
                row = learner[learns]
                learns[learns] = state.learned_count[row] < charts.learn_readings[row]
            if learns.any():
                apart |= True if seen.there is None else seen.there[:, learns].any(axis=1)
        return [int(one) for one in np.flatnonzero(apart)]

    def _judge_quick(
        self, state: EngineState, whole: _Piece, begin: int, end: int
    ) -> list[Numbered]:
        if begin == end:
            return []
        piece = _Piece(whole.of.part(begin, end), whole.chosen, whole.column, whole.place)
        found: list[Numbered] = []
        for kind in piece.chosen.asked:
            of = piece.chosen.kinds[kind]
            if kind is RuleKind.QUALITY:
                found += self._judge_quality(state, piece, of)
            elif kind is RuleKind.UNREADABLE:
                found += self._judge_unreadable(state, piece, of)
            elif kind is RuleKind.STATE:
                found += self._judge_states(state, piece, of)
            else:
                found += self._judge_figures(state, piece, kind, piece.seen_by(of))
        return found

    def _judge_figures(
        self, state: EngineState, piece: _Piece, kind: RuleKind, seen: KindReadings
    ) -> list[Numbered]:
        """Judge what has bounds: limits, rates and charts."""
        rules = self._rules
        if kind in CHARTS:
            signed = figure = charted_over(state, rules, kind, seen, self._recurrences)
        elif kind is RuleKind.RATE:
            figure = rates(state, rules, seen)
            signed = figure * taken(rules.sign, seen.rows)
        else:
            figure = None
            signed = seen.value * taken(rules.sign, seen.rows)
        loud = (signed >= taken(rules.lowest, seen.rows)).any(axis=0) | busy(state, seen.rows)
        finish = None
        if kind in CHARTS:

            def finish(found: Finding) -> Finding:
                return self._judge.with_what_is_usual(state, found)

        found = self._judge_confirming(state, piece, seen, signed, figure, loud, finish)
        places = np.flatnonzero(loud)
        if not len(places):
            return found
        rows = rows_of(seen.rows)[places]
        signed = signed[:, places]
        levels = violated_levels(
            signed,
            state.violated[rows],
            bounds=rules.bounds[:, rows],
            deadband=rules.deadband[rows],
        )
        figure = None if figure is None else figure[:, places]
        return found + self._believe(state, piece, rows, levels, ~np.isnan(signed), figure, finish)

    def _judge_confirming(
        self,
        state: EngineState,
        piece: _Piece,
        seen: KindReadings,
        signed: NDArray[np.float64],
        figure: NDArray[np.float64] | None,
        loud: NDArray[np.bool_],
        finish: Finish | None,
    ) -> list[Numbered]:
        """Judge rules that want a level confirmed: their every reading counts; then quiet them."""
        rules, rows = self._rules, rows_of(seen.rows)
        confirm = rules.confirms.row[rows] if len(rules.confirms) else np.zeros(0, np.int64)
        asks = np.flatnonzero(confirm != NOT_CONFIRMING)
        if not len(asks):
            return []
        known = ~np.isnan(signed[:, asks])
        active = loud[asks] | (state.recent[:, confirm[asks]] != 0).any(axis=0)
        quiet = asks[~active]
        at_us = np.broadcast_to(seen.at_us, signed.shape)
        counted = KindReadings(rows[quiet], at_us[:, quiet], signed, known[:, ~active])
        state.recent_us[confirm[quiet]] = newest_us(counted, state.recent_us[confirm[quiet]])
        loud[asks] = False
        found: list[Numbered] = []
        places = asks[active]
        for n in np.flatnonzero(known[:, active].any(axis=1)).tolist():
            self._show(piece, n)
            told = self._judge.judge_bounds(
                state,
                rows[places],
                signed[n, places],
                None if figure is None else figure[n, places],
            )
            found += [(piece.of.first + n, one if finish is None else finish(one)) for one in told]
        return found

    def _judge_states(self, state: EngineState, piece: _Piece, of: OfKind) -> list[Numbered]:
        rules, seen, rows = self._rules, piece.seen_by(of), rows_of(of.rows)
        numbers = np.tile(rows - rules.begin(RuleKind.STATE), len(seen.value))
        levels = level_of_state(numbers, seen.value.ravel(), rules.states)
        levels = levels.reshape(seen.value.shape)
        loud = (levels > 0).any(axis=0) | busy(state, of.rows)
        levels = levels[:, loud]
        return self._believe(state, piece, rows[loud], levels, levels != NO_STATE)

    def _judge_quality(self, state: EngineState, piece: _Piece, of: OfKind) -> list[Numbered]:
        loud = busy(state, of.rows)
        if not piece.of.doubts and not loud.any():
            return []
        columns = piece.column[rows_of(of.channels)]
        quality = piece.of.quality[:, columns]
        bad = is_bad(quality) | np.isnan(piece.of.value[:, columns])
        loud |= bad.any(axis=0)
        bad, quality = bad[:, loud], quality[:, loud]
        levels = np.where(bad, self._technical, np.int8(0)).astype(np.int8)
        rows = rows_of(of.rows)[loud]
        return self._believe(state, piece, rows, levels, ~is_unread(quality))

    def _judge_unreadable(self, state: EngineState, piece: _Piece, of: OfKind) -> list[Numbered]:
        loud = busy(state, of.rows)
        if not piece.of.doubts and not loud.any():
            return []
        groups = self._judge.groups_of(piece.chosen)
        unread = np.zeros((len(piece.of), self._groups + 1), dtype=np.bool_)
        rounds, columns = np.nonzero(is_unread(piece.of.quality))
        unread[rounds, groups[columns]] = True
        unread = unread[:, of.groups]
        loud |= unread.any(axis=0)
        levels = np.where(unread[:, loud], self._technical, np.int8(0)).astype(np.int8)
        finish = self._judge.with_what_is_unread
        every = np.ones(levels.shape, dtype=np.bool_)
        rows = rows_of(of.rows)[loud]
        return self._believe(state, piece, rows, levels, every, finish=finish)

    def _believe(
        self,
        state: EngineState,
        piece: _Piece,
        rows: Rows,
        levels: Levels,
        known: NDArray[np.bool_],  # [round, rule] whether there is a level
        figure: NDArray[np.float64] | None = None,
        finish: Finish | None = None,
    ) -> list[Numbered]:
        """Let delays decide, round by round where a level is not what is violated and believed."""
        found: list[Numbered] = []
        number = 0
        while number < len(levels) and len(rows):
            differs = _differs(state, rows, levels[number], known[number])
            if not differs.any():
                later = _differs(state, rows, levels[number:], known[number:]).any(axis=1)
                ahead = int(np.argmax(later))
                if not ahead:
                    break
                number += ahead
                continue
            self._show(piece, number)
            some = None if figure is None else figure[number, differs]
            told = self._judge.believe(state, rows[differs], levels[number, differs], some)
            found += [
                (piece.of.first + number, one if finish is None else finish(one)) for one in told
            ]
            number += 1
        return found

    def _show(self, piece: _Piece, number: int) -> None:
        """Put a round where findings look for what decided them."""
        readings = self._judge.readings
        readings.value[piece.chosen.channels] = piece.of.value[number]
        readings.quality[piece.chosen.channels] = piece.of.quality[number]
        readings.at_us[piece.of.groups] = piece.of.at_us[number]


def _differs(
    state: EngineState, rows: Rows, levels: Levels, known: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Tell where a level is not both violated and believed already."""
    differs: NDArray[np.bool_] = known & (
        (levels != state.violated[rows]) | (levels != state.believed[rows])
    )
    return differs
