"""`groundwatch bench detectors`: how many readings a second does one core judge?

The rules of tier 1 (a limit of four levels, a rate limit, EWMA and CUSUM charts, quality, and
whether devices can be read) over all channels, on readings that are quiet, as nearly all are.
`dense` judges every channel at every instant, `mixed` some groups at a time, as flushes of a
live centre bring them. Conversion, database and network are left out: `bench ingest` has them.
"""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, Final

import numpy as np

from alarms.engine_state import EngineState
from alarms.judging import Judge
from alarms.rounds import Round
from alarms.rules import RuleColumns, compile_rules
from alarms.screening import Screening
from simulators.proving.bench_plan import bench_plan
from simulators.proving.bench_windows import windowed_channels_per_s
from telemetry.plan import SitePlan

GROUP_CHANNELS: Final = 100
MIXED_READINGS: Final = 10_000
PERIOD_US: Final = 60_000_000
BEGAN_US: Final = 1_767_225_600_000_000  # 2026-01-01
WARM_UP_ROUNDS: Final = 70  # More than an hour, so that all rates are known.
NOISES: Final = 8  # Different instants, taken in turn.
REPEATS: Final = 5
RIVER_CHANNELS: Final = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """An engine's core over many channels, and readings to judge."""

    plan: SitePlan
    judge: Judge
    state: EngineState
    noise: np.ndarray[Any, np.dtype[np.float64]]  # [instant, channel]


def run_bench_detectors(channels: int, *, as_json: bool) -> int:
    """Measure, print, and return the exit code."""
    stage = _stage(max(GROUP_CHANNELS, channels))
    dense = _dense(stage)
    mixed = _mixed(stage)
    report = {
        "channels": len(stage.plan.channels),
        "dense_readings_per_s": round(dense),
        "mixed_readings_per_s": round(mixed),
        "bytes_per_channel": round(_state_bytes(stage.state) / len(stage.plan.channels), 1),
        "ratio_to_river": _ratio_to_river(),
        "windowed_channels_per_s": windowed_channels_per_s(),
    }
    sys.stdout.write(json.dumps(report) + "\n" if as_json else _in_words(report))
    return 0


def _in_words(report: dict[str, Any]) -> str:
    ratio = report["ratio_to_river"]
    lines = [
        f"{report['channels']:,} channels on one core, medians of {REPEATS} runs:",
        f"  dense scans    {report['dense_readings_per_s']:>14,} readings/s",
        f"  mixed flushes  {report['mixed_readings_per_s']:>14,} readings/s",
        f"  state          {report['bytes_per_channel']:>14} bytes a channel",
        f"  beside river   {'not installed' if ratio is None else f'{ratio:,} times':>14}",
    ]
    lines += [
        f"  {name:<22} {figure:>8,} channels/s"
        for name, figure in report["windowed_channels_per_s"].items()
    ]
    return "\n".join([*lines, ""])


def _stage(channels: int) -> Stage:
    plan = bench_plan(channels, GROUP_CHANNELS)
    rules = compile_rules(plan)
    noise = np.random.default_rng(1).standard_normal((NOISES, len(plan.channels)))
    stage = Stage(
        plan=plan,
        judge=Judge(plan, rules),
        state=_fresh(plan, rules),
        noise=noise,
    )
    _judge(stage, _dense_rounds(stage, 0, WARM_UP_ROUNDS))
    return stage


def _fresh(plan: SitePlan, rules: RuleColumns) -> EngineState:
    screens = Screening(plan).fresh()
    return EngineState.fresh(rules, groups=len(plan.groups), screens=screens, memory={})


def _dense(stage: Stage) -> float:
    """Judge every channel at some instants; return the median of readings a second."""
    rounds = 10
    rates = []
    for repeat in range(REPEATS):
        some = list(_dense_rounds(stage, WARM_UP_ROUNDS + repeat * rounds, rounds))
        rates.append(rounds * len(stage.plan.channels) / _judge(stage, some))
    return float(np.median(rates))


def _mixed(stage: Stage) -> float:
    """Judge groups chosen by chance, a flush of readings at a time."""
    chance = np.random.default_rng(2)
    groups = min(len(stage.plan.groups), MIXED_READINGS // GROUP_CHANNELS)
    flushes = 200
    rates = []
    for repeat in range(REPEATS):
        some = []
        for flush in range(flushes):
            chosen = np.sort(chance.choice(len(stage.plan.groups), groups, replace=False))
            at_us = BEGAN_US + (10_000 + repeat * flushes + flush) * PERIOD_US
            some.append(_round(chosen, at_us, chance.standard_normal(groups * GROUP_CHANNELS)))
        rates.append(flushes * groups * GROUP_CHANNELS / _judge(stage, some))
    return float(np.median(rates))


def _dense_rounds(stage: Stage, first: int, count: int) -> Iterable[Round]:
    groups = np.arange(len(stage.plan.groups))
    for number in range(first, first + count):
        at_us = BEGAN_US + number * PERIOD_US
        yield _round(groups, at_us, stage.noise[number % NOISES])


def _round(
    groups: np.ndarray[Any, np.dtype[np.int64]],
    at_us: int,
    value: np.ndarray[Any, np.dtype[np.float64]],
) -> Round:
    return Round(
        groups=groups,
        at_us=np.full(len(groups), at_us, dtype=np.int64),
        suspect=np.zeros(len(groups), dtype=np.bool_),
        value=value,
        quality=np.zeros(len(value), dtype=np.int16),
    )


def _judge(stage: Stage, rounds: Iterable[Round]) -> float:
    """Judge rounds; return the seconds of the core that it took."""
    began_s = time.process_time()
    for one in rounds:
        stage.judge.judge(stage.state, one)
    return time.process_time() - began_s


def _state_bytes(state: EngineState) -> int:
    columns: Sequence[Any] = [getattr(state, field.name) for field in fields(state)]
    return sum(one.nbytes for one in columns if isinstance(one, np.ndarray))


def _ratio_to_river() -> float | None:
    """How many times as many readings do our EWMA and Page-Hinkley take as river's, in this run?

    None where river is not installed: it is only needed here.
    """
    try:
        drift, stats = import_module("river.drift"), import_module("river.stats")
    except ImportError:
        return None
    plan = bench_plan(RIVER_CHANNELS, GROUP_CHANNELS, charts=("ewma", "page_hinkley"), bare=True)
    rules = compile_rules(plan)
    judge = Judge(plan, rules)
    state = _fresh(plan, rules)
    stage = Stage(
        plan, judge, state, np.random.default_rng(3).standard_normal((NOISES, RIVER_CHANNELS))
    )
    _judge(stage, _dense_rounds(stage, 0, WARM_UP_ROUNDS))
    ours_s = _judge(stage, list(_dense_rounds(stage, WARM_UP_ROUNDS, 50)))
    ours = 50 * RIVER_CHANNELS / ours_s
    means = [stats.EWMean(0.25) for _ in range(RIVER_CHANNELS)]
    tests = [
        drift.PageHinkley(30, 0.5, 50.0, 1.0, "up")  # Its readings before, slack, bound.
        for _ in range(RIVER_CHANNELS)
    ]
    readings = stage.noise[:4].tolist()
    began_s = time.process_time()
    for row in readings:
        for mean, test, value in zip(means, tests, row, strict=True):
            mean.update(value)
            test.update(value)
    theirs = len(readings) * RIVER_CHANNELS / (time.process_time() - began_s)
    return round(ours / theirs, 1)
