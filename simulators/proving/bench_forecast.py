"""`groundwatch bench forecast`: are times of failure given, are they right, are they ever false?

Two judgements of `alarms.forecast.forecasting.forecast`, the same function that watches a mine.

*Failing slopes.* Each creeps steadily, then from an onset on by Voight's law with an α of its own,
and is read by one of five kinds of instrument. A forecast is asked at parts of the way from the
onset to the failure; the steady record before it, of a length by chance, must be seen through, and
neither onset nor α is told. Counted from the beginning of the *record*, 90 % of the way is only 80
to 89 % of the acceleration, depending on how long the instrument had stood there before:
`of_record` tells that figure too, harder, and about the instrument as much as about the slope.

*Stable slopes.* 1,000 that creep and do not fail, a quarter of them in bursts of rain that
multiply their velocity up to twenty times. Each is asked about at every bin for 90 days, with what
has been measured by then, and counts as false if it is given a failure time once.

Seeds: 1 to 50 are judged; the default is 1. Parameters were chosen, and the interval's width
(`ForecastSettings.widening`) was calibrated, on seeds from 100 on, by split conformal prediction
(Vovk et al. 2005; Lei et al. 2018): see `calibrated_widening`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alarms.forecast.forecasting import forecast
from alarms.forecast.forecasts import HOUR_US, Forecasts
from alarms.forecast.settings import ForecastSettings
from simulators.proving.failing_slopes import FailingSlopes, failing_slopes
from simulators.proving.stable_slopes import WATCHED_H, StableSlopes, stable_slopes

Floats = NDArray[np.float64]

JUDGED_PROGRESS: Final = 0.9
PROGRESS: Final = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
RECORD_BINS: Final = 840  # What a forecast is shown of a record, at most.
JUDGED_SEEDS: Final = range(1, 51)
CALIBRATION_SEEDS: Final = range(101, 105)
DEFAULT: Final = ForecastSettings()


@dataclass(frozen=True, slots=True)
class ForecastBench:
    """How many slopes, drawn from which seed."""

    failing: int
    stable: int
    seed: int
    as_json: bool
    watched_h: float = WATCHED_H


@dataclass(frozen=True, eq=False, slots=True)
class Asked:
    """What was answered about failing slopes, in hours after asking; NaN where nothing was."""

    fails_h: Floats  # [slope] the truth
    given_h: Floats  # [slope]
    earliest_h: Floats  # [slope]
    latest_h: Floats  # [slope]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Slopes that were given a time."""
        return np.isfinite(self.given_h)


def run_bench_forecast(bench: ForecastBench) -> int:
    """Run both judgements and print the report; return the exit code."""
    if bench.seed not in JUDGED_SEEDS:
        raise ValueError(f"Seed {bench.seed} is for calibration; 1 to 50 are judged.")
    report = forecast_report(bench)
    if bench.as_json:
        print(json.dumps(report))  # noqa: T201
    else:
        for key, value in report.items():
            print(f"{key:34} {value}")  # noqa: T201
    return 0


def forecast_report(bench: ForecastBench) -> dict[str, Any]:
    """Judge; the keys are told in docs/detectors/time-of-failure.md."""
    asked = {p: ask_failing(bench.seed, bench.failing, p) for p in PROGRESS}
    judged = asked[JUDGED_PROGRESS]
    of_record = ask_failing(bench.seed, bench.failing, JUDGED_PROGRESS, of_record=True)
    false = dict(false_failures(bench.seed, bench.stable, bench.watched_h))
    falsely_given = sum(int(given.sum()) for given in false.values())
    return {
        "failing": bench.failing,
        "stable": bench.stable,
        "seed": bench.seed,
        "answered": _share(judged.answered),
        "interval_coverage": _coverage(judged),
        "false_failure_rate": round(falsely_given / max(bench.stable, 1), 4),
        "median_abs_error_by_progress": {str(p): _error(one) for p, one in asked.items()},
        "answered_by_progress": {str(p): _share(one.answered) for p, one in asked.items()},
        "coverage_by_progress": {str(p): _coverage(one) for p, one in asked.items()},
        "of_record": {"answered": _share(of_record.answered), "coverage": _coverage(of_record)},
        "false_by_instrument": {name: int(given.sum()) for name, given in false.items()},
    }


def ask_failing(
    seed: int,
    count: int,
    progress: float,
    settings: ForecastSettings = DEFAULT,
    *,
    of_record: bool = False,
) -> Asked:
    """Ask about failing slopes at a part of their way."""
    parts = []
    for slopes in failing_slopes(seed, count, progress, of_record=of_record):
        answers = _ask(slopes, len(slopes.at_h), settings).answers
        parts.append((slopes.fails_h, answers.fails_h, answers.earliest_h, answers.latest_h))
    return Asked(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def false_failures(
    seed: int, count: int, watched_h: float = WATCHED_H, settings: ForecastSettings = DEFAULT
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """By instrument: which stable slopes are given a time of failure at any bin of the watch."""
    for slopes in stable_slopes(seed, count, watched_h):
        given = np.zeros(len(slopes.value), np.bool_)
        for last in np.flatnonzero(slopes.at_h >= 0.0):
            given |= _ask(slopes, int(last) + 1, settings).given
        yield slopes.instrument.name, given


def calibrated_widening(count: int = 1000) -> float:
    """The widening by which four in five intervals hold the truth, on calibration seeds.

    Each answer is scored by how far the truth lies from the median, in logarithms and in units of
    the likelihood's own interval on that side; the widening is the 80 % quantile of the scores.
    """
    plain = replace(DEFAULT, widening=1.0)
    scores = []
    for seed in CALIBRATION_SEEDS:
        asked = ask_failing(seed, count, JUDGED_PROGRESS, plain)
        some = asked.answered
        off = np.log(asked.fails_h[some] / asked.given_h[some])
        late = np.log(asked.latest_h[some] / asked.given_h[some])
        soon = np.log(asked.earliest_h[some] / asked.given_h[some])
        scores.append(np.where(off > 0.0, off / late, off / soon))
    pooled = np.concatenate(scores)
    rank = min(DEFAULT.level * (1.0 + 1.0 / len(pooled)), 1.0)
    return float(np.quantile(pooled, rank))


def _ask(slopes: FailingSlopes | StableSlopes, bins: int, settings: ForecastSettings) -> Forecasts:
    first = max(0, bins - RECORD_BINS)
    at_us = np.rint(slopes.at_h[first:bins] * HOUR_US).astype(np.int64)
    resolution = slopes.instrument.resolution_mm
    value = slopes.value[:, first:bins]
    return forecast(value, at_us, resolution=resolution, settings=settings)


def _share(flags: NDArray[np.bool_]) -> float:
    return round(float(flags.mean()), 4) if len(flags) else 0.0


def _coverage(asked: Asked) -> float | None:
    some = asked.answered
    holds = (asked.earliest_h <= asked.fails_h) & (asked.fails_h <= asked.latest_h)
    return round(float(holds[some].mean()), 4) if some.any() else None


def _error(asked: Asked) -> float | None:
    """Median distance from the truth, as a part of the time that was left."""
    some = asked.answered
    off = np.abs(asked.given_h - asked.fails_h) / asked.fails_h
    return round(float(np.median(off[some])), 4) if some.any() else None
