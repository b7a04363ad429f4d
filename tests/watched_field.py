"""The simulated field, watched in process: registers, conversion, ticks and engine, no sockets.

What the units would answer goes through the same conversion and the same engine as at a
centre; scans of a whole hour take a second.
"""

from dataclasses import dataclass

import numpy as np

from alarms.engine import SiteEngine
from alarms.ticks import TickSchedule
from alarms.transition import AlarmKind, Change, Inputs, Transition
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


def watch_of(scenario: Scenario, seed: int) -> Watch:
    plan = plan_of(read_site_text(demo_site_text(scenario, {}), "demo-site.yaml"))
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


def transitions_of(watch: Watch, lasts_s: float | None = None) -> list[Transition]:
    """Run a scenario through the engine, ten minutes at a time; list what it told."""
    engine = SiteEngine(watch.plan)
    ticks = TickSchedule(watch.plan)
    state = engine.initial_state()
    nobody = np.zeros(len(watch.plan.groups), np.bool_)
    found: list[Transition] = []
    end_s = watch.scenario.lasts_s if lasts_s is None else lasts_s
    begun_s = 0.0
    while begun_s < end_s:
        until_s = min(begun_s + FLUSH_S, end_s)
        scans = tuple(
            scans_of(unit, steps_of(unit, watch.scenario.began_us, begun_s, until_s))
            for unit in watch.units
        )
        due = ticks.due(state, scans, nobody)
        found += engine.step(state, Inputs(scans=scans, ticks=due)).transitions
        begun_s = until_s
    return found


def raises(transitions: list[Transition], kind: AlarmKind) -> list[Transition]:
    """Raises and rises of one kind, by instant, channel and level."""
    found = [
        one for one in transitions if one.kind is kind and one.change in {Change.RAISE, Change.RISE}
    ]
    return sorted(found, key=lambda one: (one.sampled_us, one.channel, one.level))
