"""What rates and charts show over a stretch: the figures that bounds are held to, for all rounds.

State moves on as if the rounds had been judged one by one. Where a chart would begin anew, or still
learns what is usual, is for whoever calls to find, and to have judged round by round.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.charting import FARTHEST, MOST_SIGMA, usual_of
from alarms.detectors.rate import HOUR_US, NEVER_US, OLD, YOUNG, Anchors, rate_per_hour
from alarms.engine_state import EngineState
from alarms.plain_recurrences import fadings
from alarms.recurrences import Recurrences
from alarms.row_ranges import rows_of, shifted, taken
from alarms.rules import RuleColumns, RuleKind

Rows = NDArray[np.int64]
Matrix = NDArray[np.float64]  # [round, rule]


@dataclass(frozen=True, slots=True, eq=False)
class KindReadings:
    """The readings of a stretch as the rules of one kind see them."""

    rows: Rows | slice  # The rules.
    at_us: NDArray[np.int64]  # [round, rule], or [round, 1] where all are of one group
    value: Matrix  # NaN where there is no reading to go by.
    there: NDArray[np.bool_] | None  # [round, rule] whether there is one; None where all are.


def rates(state: EngineState, rules: RuleColumns, of: KindReadings) -> Matrix:
    """Return the rates per hour, NaN where none is known; moves anchors on.

    Between two changes of an anchor all rates are measured from the same readings, so these
    stretches are computed at once, and the rounds in which an anchor changes like any round.
    """
    own = shifted(of.rows, -rules.begin(RuleKind.RATE))
    window_us, gap_us = taken(rules.window_us, own), taken(rules.gap_us, own)
    anchors = _anchors_of(state, own)
    found = np.full(of.value.shape, np.nan)
    begin = 0
    while begin < len(found):
        changes_us = _changes_us(anchors, window_us, gap_us)
        if of.there is not None:
            rounds = ((of.at_us[begin:] >= changes_us) & of.there[begin:]).any(axis=1)
        elif of.at_us.shape[1] == 1:
            rounds = of.at_us[begin:, 0] >= changes_us.min()
        else:
            rounds = (of.at_us[begin:] >= changes_us).any(axis=1)
        turn = begin + int(np.argmax(rounds)) if rounds.any() else len(found)
        steady = slice(begin, turn)
        found[steady] = _steady(of.at_us[steady], of.value[steady], anchors, window_us)
        if turn < len(found):
            there = slice(None) if of.there is None else np.flatnonzero(of.there[turn])
            at_us = np.broadcast_to(of.at_us[turn], of.value[turn].shape)
            found[turn, there], after = rate_per_hour(
                at_us[there],
                of.value[turn, there],
                _at(anchors, there),
                window_us=window_us[there],
                gap_us=gap_us[there],
            )
            for column, moved in zip(anchors, after, strict=True):
                column[there] = moved
        begin = turn + 1
    state.anchor_us[OLD, own], state.anchor_value[OLD, own] = anchors[:2]
    state.anchor_us[YOUNG, own], state.anchor_value[YOUNG, own] = anchors[2:]
    return found


def charted_over(
    state: EngineState, rules: RuleColumns, kind: RuleKind, of: KindReadings, by: Recurrences
) -> Matrix:
    """Return what charts show, NaN where nothing; moves them on."""
    own = shifted(of.rows, -rules.begin(RuleKind.EWMA))
    of_kind = shifted(of.rows, -rules.begin(kind))
    charts, sign = rules.charts, taken(rules.charts.sign, own)
    usual = usual_of(state, charts, rows_of(own))
    with np.errstate(over="ignore", invalid="ignore"):
        if kind is RuleKind.PAGE_HINKLEY:
            scaled = np.clip(sign * of.value / usual.sigma, -FARTHEST, FARTHEST)
        else:
            scaled = np.clip(sign * (of.value - usual.mean) / usual.sigma, -MOST_SIGMA, MOST_SIGMA)
    before = taken(state.statistic, own).copy()
    if kind is RuleKind.EWMA:
        shown, statistic = _ewma(state, rules, own, of_kind, scaled, before, by)
    elif kind is RuleKind.CUSUM:
        slack, most = taken(charts.slack, own), taken(charts.most, own)
        shown = by.sums(scaled - slack, total=before, most=most)
        statistic = shown[-1]
    else:
        shown, statistic = _page_hinkley(state, rules, own, of_kind, scaled, before, by)
    state.statistic[own] = statistic
    state.chart_us[own] = newest_us(of, taken(state.chart_us, own))
    return shown if of.there is None else np.where(of.there, shown, np.nan)


def newest_us(of: KindReadings, before_us: NDArray[np.int64]) -> NDArray[np.int64]:  # [rule]
    """Return the instant of each rule's newest reading."""
    if of.there is None:
        return np.broadcast_to(of.at_us[-1], before_us.shape)
    seen_us = np.where(of.there, of.at_us, NEVER_US).max(axis=0)
    return np.where(of.there.any(axis=0), seen_us, before_us)


def gaps(
    of: KindReadings, before_us: NDArray[np.int64], gap_us: NDArray[np.int64]
) -> NDArray[np.bool_]:  # [round]
    """Tell in which rounds some rule's reading comes after a gap."""
    if of.there is None:
        steps_us = np.diff(of.at_us, axis=0)
        gone = np.zeros((len(of.at_us), 1), dtype=np.bool_)
        gone[0] = (of.at_us[0] - before_us > gap_us).any()
        if len(steps_us) and bool((steps_us.max(axis=0) > gap_us).any()):
            gone[1:] = (steps_us > gap_us).any(axis=1, keepdims=True)
    else:
        seen_us = np.vstack([before_us, np.where(of.there, of.at_us, NEVER_US)])
        previous_us = np.maximum.accumulate(seen_us, axis=0)[:-1]
        gone = np.asarray(of.there & (of.at_us - previous_us > gap_us))
    return np.asarray(gone.any(axis=1))


def _steady(
    at_us: NDArray[np.int64], value: Matrix, anchors: Anchors, window_us: NDArray[np.int64]
) -> Matrix:
    """Return the rates of rounds in which no anchor changes."""
    old_us = anchors.old_us
    if at_us.shape[1] == 1 and bool((old_us == old_us[0]).all()):
        old_us = old_us[:1]  # All at once: mostly nothing was missing.
    span_us = at_us - old_us
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        rate = (value - anchors.old_value) * (HOUR_US / span_us)
    known = span_us >= window_us
    if not known.all():
        rate[~known] = np.nan
    return rate


def _anchors_of(state: EngineState, own: Rows | slice) -> Anchors:
    return Anchors(
        state.anchor_us[OLD, own].copy(),
        state.anchor_value[OLD, own].copy(),
        state.anchor_us[YOUNG, own].copy(),
        state.anchor_value[YOUNG, own].copy(),
    )


def _at(anchors: Anchors, rows: Rows | slice) -> Anchors:
    old_us, old_value, young_us, young_value = anchors
    return Anchors(old_us[rows], old_value[rows], young_us[rows], young_value[rows])


def _changes_us(
    anchors: Anchors, window_us: NDArray[np.int64], gap_us: NDArray[np.int64]
) -> NDArray[np.int64]:  # [rule]
    """Return from which instant on a reading changes an anchor of each rule.

    The young one ripens, or the old one is too far back; without a young one, a rate becomes known.
    """
    has_young = anchors.young_us != NEVER_US
    ripens_us = np.where(has_young, anchors.young_us, anchors.old_us) + window_us
    changes_us: NDArray[np.int64] = np.minimum(ripens_us, anchors.old_us + gap_us + 1)
    return changes_us


def _ewma(
    state: EngineState,
    rules: RuleColumns,
    own: Rows | slice,
    of_kind: Rows | slice,
    scaled: Matrix,
    before: NDArray[np.float64],
    by: Recurrences,
) -> tuple[Matrix, NDArray[np.float64]]:
    weights = rules.charts.weights.at(own)
    smoothed = by.smoothed_means(scaled, smoothed=before, weight=weights.newest)
    fading = fadings(scaled, fading=taken(state.fading, of_kind), fade=weights.fade)
    state.fading[of_kind] = fading[-1]
    with np.errstate(invalid="ignore", divide="ignore"):  # Before the first reading of all.
        return smoothed / np.sqrt(weights.variance * (1.0 - fading)), smoothed[-1]


def _page_hinkley(
    state: EngineState,
    rules: RuleColumns,
    own: Rows | slice,
    of_kind: Rows | slice,
    scaled: Matrix,
    before: NDArray[np.float64],
    by: Recurrences,
) -> tuple[Matrix, NDArray[np.float64]]:
    charts = rules.charts
    total, count, state.seen_mean[of_kind] = by.page_hinkley_sums(
        scaled,
        count=taken(state.seen_count, of_kind),
        mean=taken(state.seen_mean, of_kind),
        total=before,
        slack=taken(charts.slack, own),
        most=taken(charts.most, own),
    )
    state.seen_count[of_kind] = count[-1]
    return np.where(count > taken(charts.warm_up, own), total, np.nan), total[-1]
