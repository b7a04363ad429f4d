"""The simulated field, watched in process: registers, conversion, ticks, engine and slow judge.

What the units would answer goes through the same conversion and the same engine as at a
centre; scans of a whole hour take a second.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from alarms.engine import SiteEngine
from alarms.slow.judge import SlowJudge
from alarms.ticks import TickSchedule
from alarms.transition import AlarmKind, Belief, Change, Inputs, Outcome, Transition
from simulators.field import Unit, units_of
from simulators.physics.chance import Counters
from simulators.scenario import DEVICES, Scenario, demo_site_text
from telemetry.conversion import GroupConverter
from telemetry.plan import SitePlan, plan_of
from telemetry.quality import Quality
from telemetry.scan import JudgedScans
from telemetry.site_file import read_site_text

FLUSH_S = 600.0


@dataclass(frozen=True)
class Watch:
    """A scenario's units beside the plan that judges them."""

    scenario: Scenario
    plan: SitePlan
    units: tuple[Unit, ...]


def watch_of(
    scenario: Scenario,
    seed: int,
    site_text: Callable[[Scenario, dict[str, int]], str] = demo_site_text,
) -> Watch:
    plan = plan_of(read_site_text(site_text(scenario, {}), "demo-site.yaml"))
    units = [unit for device in DEVICES for unit in units_of(scenario, plan, device, seed)]
    return Watch(scenario, plan, tuple(sorted(units, key=lambda unit: unit.plan.index)))


def steps_of(unit: Unit, began_us: int, from_s: float, to_s: float) -> Counters:
    """The unit's instants after one moment of the scenario, up to and including another."""
    first = (began_us + round(from_s * 1e6)) // unit.period_us + 1
    last = (began_us + round(to_s * 1e6)) // unit.period_us
    return np.arange(first, last + 1)


def scans_of(unit: Unit, steps: Counters) -> JudgedScans:
    """What an edge reads of a unit, converted and judged."""
    raw = unit.read(steps)
    quality = np.where(np.isnan(raw), Quality.NO_REPLY, Quality.GOOD).astype(np.int16)
    value, judged = GroupConverter(unit.plan).convert(raw, quality)
    at_us = steps * unit.period_us
    return JudgedScans(unit.plan.index, at_us, at_us, raw, value, judged)


def transitions_of(
    watch: Watch, lasts_s: float | None = None, *, flush_s: float = FLUSH_S, slow: bool = True
) -> list[Transition]:
    """Run a scenario through the engine, ten minutes at a time; list what it told.

    The slow judge sees what a flush has recorded, calculated channels included; what it believes
    goes into the next flush, as at a centre.
    """
    engine, judge = SiteEngine(watch.plan), SlowJudge(watch.plan)
    ticks = TickSchedule(watch.plan)
    state, slow_state = engine.initial_state(), judge.initial_state()
    nobody = np.zeros(len(watch.plan.groups), np.bool_)
    found: list[Transition] = []
    beliefs: list[Belief] = []
    end_s = watch.scenario.lasts_s if lasts_s is None else lasts_s
    begun_s = 0.0
    while begun_s < end_s:
        until_s = min(begun_s + flush_s, end_s)
        scans = tuple(
            scans_of(unit, steps_of(unit, watch.scenario.began_us, begun_s, until_s))
            for unit in watch.units
        )
        due = ticks.due(state, scans, nobody)
        outcome = engine.step(state, Inputs(scans=scans, ticks=due, beliefs=tuple(beliefs)))
        found += outcome.transitions
        if slow:
            told = judge.step(slow_state, recorded(scans, outcome))
            assert not told.failed, told.failed
            beliefs = told.beliefs
        begun_s = until_s
    found += engine.step(state, Inputs(beliefs=tuple(beliefs))).transitions
    return found


def recorded(scans: tuple[JudgedScans, ...], outcome: Outcome) -> list[JudgedScans]:
    """What is stored of a flush: measured scans as screened, and calculated ones."""
    measured = [replace(one, quality=outcome.screened.get(one.group, one.quality)) for one in scans]
    derived = [
        JudgedScans(one.group, one.at_us, one.at_us, one.value, one.value, one.quality)
        for one in outcome.calculated
    ]
    return [*measured, *derived]


def raises(transitions: list[Transition], kind: AlarmKind) -> list[Transition]:
    """Raises and rises of one kind, by instant, channel and level."""
    found = [
        one for one in transitions if one.kind is kind and one.change in {Change.RAISE, Change.RISE}
    ]
    return sorted(found, key=lambda one: (one.sampled_us, one.channel, one.level))
