"""Columns of control charts and of confirmations, beside those that all rules have."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.detectors.ewma import Weights
from telemetry.limits import ChartLimit, CusumLimit, EwmaLimit, Limit

GAP_PERIODS = 10  # Across a longer gap than this a chart begins anew, unless the file says.
CONFIRMATION_GAP = 2  # Readings count together that took no longer than twice their time.
MOST_LEVELS = 2.0  # A sum grows to twice the highest bound: see `alarms.detectors.cusum`.
NOT_LEARNING = -1
NOT_CONFIRMING = -1


@dataclass(frozen=True, slots=True, eq=False)
class ChartColumns:
    """Rows for charts alone, in the order of rules."""

    sign: NDArray[np.float64]  # [chart] -1 for low
    mean: NDArray[np.float64]  # [chart] NaN where learned, and where the mean so far is meant
    sigma: NDArray[np.float64]  # [chart] NaN where learned
    least_sigma: NDArray[np.float64]  # [chart] of what is learned
    learner: NDArray[np.int64]  # [chart] its row among those that learn; NOT_LEARNING
    learn_readings: NDArray[np.float64]  # [learner]
    gap_us: NDArray[np.int64]  # [chart]
    weights: Weights  # [chart] EWMA's; NaN for others
    slack: NDArray[np.float64]  # [chart] CUSUM's and Page-Hinkley's; NaN for others
    most: NDArray[np.float64]  # [chart] the same
    warm_up: NDArray[np.float64]  # [chart] readings before anything is judged

    def __len__(self) -> int:
        return len(self.sign)


@dataclass(frozen=True, slots=True, eq=False)
class ConfirmationColumns:
    """Which rules want a level confirmed, and by how many readings."""

    row: NDArray[np.int64]  # [rule with a limit] its row below; NOT_CONFIRMING
    at_least: NDArray[np.uint8]  # [row]
    of_last: NDArray[np.uint8]  # [row]
    gap_us: NDArray[np.int64]  # [row]

    def __len__(self) -> int:
        return len(self.at_least)


def chart_columns(
    charts: Sequence[ChartLimit],
    resolutions: Sequence[float | None],  # [chart]
    period_us: NDArray[np.int64],  # [chart]
    highest: NDArray[np.float64],  # [chart] the bound of the highest level
) -> ChartColumns:
    """Lay out the charts of a site."""
    learns = np.array([_learns(chart) for chart in charts], dtype=np.bool_)
    least = np.finfo(np.float64).tiny
    return ChartColumns(
        sign=np.array([1.0 if chart.direction == "high" else -1.0 for chart in charts]),
        mean=_column(_mean(chart) for chart in charts),
        sigma=_column(chart.sigma for chart in charts),
        least_sigma=_column(one or least for one in resolutions),
        learner=np.where(learns, np.cumsum(learns) - 1, NOT_LEARNING).astype(np.int64),
        learn_readings=_column(chart.learn_readings for chart in charts if _learns(chart)),
        gap_us=_gaps_us(charts, period_us),
        weights=Weights.of(_column(getattr(chart, "weight", None) for chart in charts)),
        slack=_column(getattr(chart, "slack_sigma", None) for chart in charts),
        most=MOST_LEVELS * highest,
        warm_up=_column(getattr(chart, "warm_up_readings", 0) for chart in charts),
    )


def _column(numbers: Iterable[float | None]) -> NDArray[np.float64]:
    """Make a column; None becomes NaN."""
    return np.array(list(numbers), dtype=np.float64)


def _gaps_us(charts: Sequence[ChartLimit], period_us: NDArray[np.int64]) -> NDArray[np.int64]:
    reset_us = np.round(1e6 * _column(chart.reset_after_s for chart in charts))
    given = ~np.isnan(reset_us)
    return np.where(given, np.nan_to_num(reset_us).astype(np.int64), GAP_PERIODS * period_us)


def confirmation_columns(
    limits: Sequence[Limit], period_us: NDArray[np.int64]
) -> ConfirmationColumns:
    """Lay out which of a site's limits want to be confirmed; both are [rule with a limit]."""
    wanted = [limit.confirm for limit in limits]
    asks = np.array([one is not None for one in wanted], dtype=np.bool_)
    of_last = np.array([one.of_last for one in wanted if one is not None], dtype=np.uint8)
    return ConfirmationColumns(
        row=np.where(asks, np.cumsum(asks) - 1, NOT_CONFIRMING).astype(np.int64),
        at_least=np.array([one.at_least for one in wanted if one is not None], dtype=np.uint8),
        of_last=of_last,
        gap_us=CONFIRMATION_GAP * of_last.astype(np.int64) * period_us[asks],
    )


def _learns(chart: ChartLimit) -> bool:
    """Tell whether something is left for a chart to learn; Page-Hinkley needs no mean."""
    needs_mean = isinstance(chart, EwmaLimit | CusumLimit) and chart.mean is None
    return chart.sigma is None or needs_mean


def _mean(chart: ChartLimit) -> float:
    given = chart.mean if isinstance(chart, EwmaLimit | CusumLimit) else None
    return np.nan if given is None else given
