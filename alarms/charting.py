"""What each control chart shows after its newest reading: the figure that its bounds are held to.

A chart that still learns what is usual, or warms up, shows nothing, and nothing is judged. After a
gap it begins anew, unless an alarm stands: a gap clears none.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.chart_rules import NOT_LEARNING, ChartColumns
from alarms.detectors.baseline import learn, spread
from alarms.detectors.cusum import cusum
from alarms.detectors.ewma import ewma
from alarms.detectors.page_hinkley import page_hinkley
from alarms.engine_state import EngineState
from alarms.row_ranges import rows_of, shifted, taken
from alarms.rules import RuleColumns, RuleKind

# No reading, however mad, may be remembered for ever.
MOST_SIGMA = 1e6
FARTHEST = 1e15  # From 0, where not deviations but readings are added up.

Rows = NDArray[np.int64]
Figures = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """What is usual for each chart; NaN while it is not known."""

    mean: Figures  # [chart]
    sigma: Figures  # [chart]


def charted(
    state: EngineState,
    rules: RuleColumns,
    kind: RuleKind,
    rows: Rows | slice,  # Rules of this kind.
    at_us: NDArray[np.int64],  # [row]
    value: Figures,  # [row] none of them NaN
) -> Figures:
    """Take a reading of each rule in; return [row] what its bounds are held to, NaN if nothing.

    Changes the charts' columns of the state.
    """
    own = shifted(rows, -rules.begin(RuleKind.EWMA))
    of_kind = shifted(rows, -rules.begin(kind))
    charts = rules.charts
    gone = at_us - taken(state.chart_us, own) > taken(charts.gap_us, own)
    state.chart_us[own] = at_us
    if gone.any():
        quiet = (state.violated[rows] | state.believed[rows]) == 0
        _restart(state, kind, rows_of(own)[gone & quiet], rows_of(of_kind)[gone & quiet])
    usual, known = _usual(state, charts, own, value)
    if known is not None and not known.any():
        return np.full(len(value), np.nan)
    with np.errstate(over="ignore"):
        if kind is RuleKind.PAGE_HINKLEY:
            scaled = np.clip(taken(charts.sign, own) * value / usual.sigma, -FARTHEST, FARTHEST)
        else:
            scaled = taken(charts.sign, own) * (value - usual.mean) / usual.sigma
            scaled = np.clip(scaled, -MOST_SIGMA, MOST_SIGMA)
    if known is None or known.all():
        return _moved(state, charts, kind, own, of_kind, scaled)
    shown = np.full(len(value), np.nan)
    shown[known] = _moved(
        state, charts, kind, rows_of(own)[known], rows_of(of_kind)[known], scaled[known]
    )
    return shown


def usual_of(state: EngineState, charts: ChartColumns, own: Rows) -> Usual:
    """Tell what is usual for some charts."""
    mean, sigma = charts.mean[own], charts.sigma[own]
    learner = charts.learner[own]
    learned = np.flatnonzero(learner != NOT_LEARNING)
    rows = learner[learned]
    count = state.learned_count[rows]
    done = count >= charts.learn_readings[rows]
    own_mean = np.where(done, state.learned_mean[rows], np.nan)
    own_sigma = np.full(len(rows), np.nan)
    own_sigma[done] = spread(
        count[done], state.learned_square[rows[done]], charts.least_sigma[own[learned[done]]]
    )
    # What is given counts, once the rest is known.
    given = np.where(done, mean[learned], np.nan)
    mean[learned] = np.where(np.isnan(given), own_mean, given)
    given = np.where(done, sigma[learned], np.nan)
    sigma[learned] = np.where(np.isnan(given), own_sigma, given)
    return Usual(mean, sigma)


def _usual(
    state: EngineState, charts: ChartColumns, own: Rows | slice, value: Figures
) -> tuple[Usual, NDArray[np.bool_] | None]:
    """Learn from the readings of charts that do; tell what is usual, and for which it is known.

    None where it is known for all. The reading that completes what is learned is not judged by it.
    """
    if not len(charts.learn_readings):
        return Usual(taken(charts.mean, own), taken(charts.sigma, own)), None
    learner = charts.learner[own]
    chosen = np.flatnonzero(learner != NOT_LEARNING)
    rows = learner[chosen]
    learning = state.learned_count[rows] < charts.learn_readings[rows]
    rows, readings = rows[learning], value[chosen[learning]]
    known = np.ones(len(value), dtype=np.bool_)
    known[chosen[learning]] = False
    usual = usual_of(state, charts, rows_of(own))
    if len(rows):
        state.learned_count[rows], state.learned_mean[rows], state.learned_square[rows] = learn(
            readings,
            count=state.learned_count[rows],
            mean=state.learned_mean[rows],
            square=state.learned_square[rows],
        )
    return usual, known


def _restart(state: EngineState, kind: RuleKind, own: Rows, of_kind: Rows) -> None:
    state.statistic[own] = 0.0
    if kind is RuleKind.EWMA:
        state.fading[of_kind] = 1.0
    elif kind is RuleKind.PAGE_HINKLEY:
        state.seen_count[of_kind] = 0.0
        state.seen_mean[of_kind] = 0.0


def _moved(
    state: EngineState,
    charts: ChartColumns,
    kind: RuleKind,
    own: Rows | slice,
    of_kind: Rows | slice,
    scaled: Figures,
) -> Figures:
    """Move charts on by one reading; return what they show."""
    before = taken(state.statistic, own)
    if kind is RuleKind.EWMA:
        shown, state.statistic[own], state.fading[of_kind] = ewma(
            scaled,
            smoothed=before,
            fading=taken(state.fading, of_kind),
            weights=charts.weights.at(own),
        )
        return shown
    slack, most = taken(charts.slack, own), taken(charts.most, own)
    if kind is RuleKind.CUSUM:
        total = cusum(scaled, total=before, slack=slack, most=most)
        state.statistic[own] = total
        return total
    total, count, mean = page_hinkley(
        scaled,
        count=state.seen_count[of_kind],
        mean=state.seen_mean[of_kind],
        total=before,
        slack=slack,
        most=most,
    )
    state.statistic[own], state.seen_count[of_kind], state.seen_mean[of_kind] = total, count, mean
    return np.where(count > charts.warm_up[own], total, np.nan)
