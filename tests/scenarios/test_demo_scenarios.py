"""What an operator sees of each scenario, whatever the seed: judged in process, in virtual time."""

from functools import cache

import numpy as np
import pytest
from lead_times import ANNOUNCED, STRUCTURE_OF, event_s, leads_min
from real_month import month_of, month_site_text
from watched_field import Watch, raises, scans_of, steps_of, transitions_of, watch_of

from alarms.transition import AlarmKind, Change, Transition
from simulators.scenario import SCENARIOS, read_scenario
from telemetry.channel_templates import shipped_templates
from telemetry.formula import parse
from telemetry.limits import Limit
from telemetry.plan import ChannelPlan
from telemetry.site import CalculatedChannel, Level
from telemetry.templates import TemplateUse
from telemetry.votes import VotedChannel

SEEDS = (1, 2, 3)
MONTH_S = 30 * 86_400.0


@cache
def seen(name: str, seed: int = 1) -> tuple[Watch, list[Transition]]:
    watch = watch_of(read_scenario(name), seed)
    return watch, transitions_of(watch)


def minutes(watch: Watch, transition: Transition) -> float:
    return (transition.sampled_us - watch.scenario.began_us) / 60e6


def first_appearances(alarms: list[Transition]) -> list[Level]:
    return list(dict.fromkeys(one.level for one in alarms))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_the_scenario_promises_is_seen_and_nothing_else(name: str, seed: int) -> None:
    watch, transitions = seen(name, seed)
    process = raises(transitions, AlarmKind.PROCESS)
    expected = watch.scenario.expected

    assert {one.structure for one in process} == set(expected.process)
    for structure, levels in expected.process.items():
        of_it = [one for one in process if one.structure == structure]
        assert [level.name.lower() for level in first_appearances(of_it)] == list(levels)
        last_news = max(
            minutes(watch, next(one for one in of_it if one.level is Level[level.upper()]))
            for level in levels
        )
        assert last_news * 60.0 <= expected.known_after_s
    assert bool(raises(transitions, AlarmKind.TECHNICAL)) == expected.technical


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ANNOUNCED)
def test_what_comes_is_announced_at_orange_before_it_comes(name: str, seed: int) -> None:
    watch, transitions = seen(name, seed)
    event = event_s(watch.scenario, seed)
    leads = leads_min(watch, transitions, STRUCTURE_OF[name], event)

    # Somewhat less than the medians in the README: seeds may differ by minutes.
    assert leads["orange"] >= {"slope-failure": 20.0, "storm": 20.0, "rockburst": 10.0}[name]
    assert leads["blue"] >= leads["yellow"] >= leads["orange"]


def test_the_slope_warns_for_half_an_hour_before_it_fails() -> None:
    watch, transitions = seen("slope-failure")
    alarms = raises(transitions, AlarmKind.PROCESS)
    slope = [one for one in alarms if one.structure == "east-slope"]
    first = {
        level: minutes(watch, next(one for one in slope if one.level is level))
        for level in (Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED)
    }

    # It accelerates from the beginning; trends tell it before the limits do, at minute 13.
    assert first[Level.BLUE] <= 12.5
    assert first[Level.YELLOW] <= 15.0
    assert first[Level.ORANGE] <= 27.0
    assert first[Level.BLUE] <= first[Level.YELLOW] < first[Level.ORANGE] < first[Level.RED]
    assert first[Level.RED] <= 42.0  # It fails at minute 50.


def test_a_time_is_foreseen_for_the_slope_and_is_near_it() -> None:
    watch, transitions = seen("slope-failure")
    told = [one for one in transitions if one.rule == "failure_time" and one.change is Change.RISE]
    first = min(told, key=lambda one: one.sampled_us)

    assert minutes(watch, first) <= 42.0
    left_min = 50.0 - minutes(watch, first)
    assert 0.6 * left_min <= 60.0 * first.evidence["figure"] <= 1.4 * left_min


def test_several_crack_meters_and_points_see_the_slope_go() -> None:
    _, transitions = seen("slope-failure")
    red = {one.channel for one in raises(transitions, AlarmKind.PROCESS) if one.level is Level.RED}

    assert {f"slope-crack-{number}-opening" for number in (2, 3, 4, 5)} <= red
    assert "slope-gnss-3-horizontal" in red
    assert not any(channel.startswith(("slope-crack-1-", "slope-crack-8-")) for channel in red)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_orange_cracks_make_the_slope_red_minutes_before_any_of_them(seed: int) -> None:
    watch, transitions = seen("slope-failure", seed)
    red = [one for one in raises(transitions, AlarmKind.PROCESS) if one.level is Level.RED]
    vote = next(one for one in red if one.rule == "vote")
    single = next(one for one in red if one.rule != "vote")

    assert vote.channel == "slope-crack-opening"
    assert vote.evidence["counts"]["orange"] == 2
    assert vote.evidence["confirmed"] == "orange"  # The two are neighbours.
    assert minutes(watch, single) - minutes(watch, vote) >= 4.0


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "slope-failure"])
def test_no_other_scenario_is_lifted_by_a_vote(name: str) -> None:
    _, transitions = seen(name)
    assert [one.channel for one in transitions if one.rule == "vote"] == []


def test_the_storm_is_seen_in_rain_then_freeboard_then_the_phreatic_line() -> None:
    watch, transitions = seen("storm")
    first: dict[str, float] = {}
    trends: dict[str, float] = {}
    for one in raises(transitions, AlarmKind.PROCESS):
        told = first if one.rule.startswith(("limit", "rate")) else trends
        told.setdefault(one.channel, minutes(watch, one))

    # What rises is told by how fast it rises, before it is high.
    assert trends["dam-pond-level"] < first["dam-freeboard"]
    assert trends["dam-2-4-pressure"] < first["dam-2-4-depth"]
    assert first["dam-rain"] < first["dam-freeboard"] < first["dam-2-4-depth"]
    assert "dam-weir-flow" in first
    assert "dam-3-1-depth" not in first  # Below the crest the line is deep, and stays so.


def test_the_rock_warns_before_it_bursts() -> None:
    watch, transitions = seen("rockburst")
    alarms = raises(transitions, AlarmKind.PROCESS)
    before = [one for one in alarms if minutes(watch, one) < 35.0]
    red = next(one for one in alarms if one.level is Level.RED)

    assert {"mine-stress-6", "mine-stress-7", "mine-events", "mine-energy"} <= {
        one.channel for one in before
    }
    assert red.channel == "mine-energy"
    assert 35.0 <= minutes(watch, red) <= 37.0


def test_after_the_burst_the_stress_alarms_clear() -> None:
    _, transitions = seen("rockburst")
    cleared = {one.channel for one in transitions if one.change is Change.CLEAR}

    assert {"mine-stress-6", "mine-stress-7"} <= cleared


def test_the_fan_is_red_within_15_seconds_of_its_stop() -> None:
    for seed in SEEDS:
        watch, transitions = seen("fan-stop", seed)
        alarms = raises(transitions, AlarmKind.PROCESS)
        stopped = next(one for one in alarms if one.channel == "fan-stopped")

        assert stopped.level is Level.RED
        assert stopped is alarms[0]
        assert 70.0 <= minutes(watch, stopped) * 60.0 <= 75.0


def test_each_fault_raises_its_own_technical_alarm_and_no_other() -> None:
    watch, transitions = seen("sensor-faults")
    technical = raises(transitions, AlarmKind.TECHNICAL)
    told = sorted((one.channel, one.rule) for one in technical)
    assert not raises(transitions, AlarmKind.PROCESS)
    unread = {"dam-section-3", "mine-convergence"}
    own = {
        "dam-1-2-pressure",
        "slope-piezometer-2-temperature",
        "slope-piezometer-2-pressure",  # Its temperature correction has nothing to go by.
        "slope-tilt-a",
        "dam-2-3-pressure",  # Frozen, and known as soon as noise can't explain it.
    }

    # Once each: a unit without an answer is one alarm, however many channels it has.
    assert told == sorted(
        [
            *((key, "unreadable") for key in unread),
            *((key, "quality") for key in own),
            ("dam-2-2-pressure", "drift"),  # It parts from the second wire in its borehole.
        ]
    )
    ended = {one.channel for one in transitions if one.change is Change.CLEAR}
    assert ended == {"mine-convergence"} | own  # The dead unit stays dead.
    assert len(watch.plan.group_by_key["dam-section-3"].channels) > 1


def test_the_same_seed_gives_the_same_alarms_however_the_flushes_are_cut() -> None:
    watch, transitions = seen("slope-failure", 2)
    again = transitions_of(watch_of(watch.scenario, 2), lasts_s=2_050.0)
    until_us = watch.scenario.began_us + 2_050_000_000
    early = [one for one in transitions if one.sampled_us <= until_us]

    assert sorted(one.key for one in again) == sorted(one.key for one in early)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_calm_month_with_all_default_templates_raises_hardly_anything(seed: int) -> None:
    """At most one false alarm in 100 channels and 30 days, process and technical together."""
    watch = watch_of(month_of("calm"), seed, site_text=month_site_text)
    transitions = transitions_of(watch, MONTH_S, flush_s=86_400.0)

    said = {AlarmKind.PROCESS: 0, AlarmKind.TECHNICAL: 0}
    for kind in said:
        said[kind] = len({one.occurrence for one in raises(transitions, kind)})
    assert sum(said.values()) <= len(watch.plan.channels) / 100
    used = {one.use for one in watch.plan.site.templates if isinstance(one, TemplateUse)}
    assert used == set(shipped_templates())


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_calm_month_violates_no_limit_even_for_one_scan(seed: int) -> None:
    """Stronger than no alarm: not one of 86,400 scans of any channel goes beyond a limit."""
    watch = watch_of(read_scenario("calm"), seed)
    value: dict[str, np.ndarray] = {}
    for unit in watch.units:
        scans = scans_of(unit, steps_of(unit, watch.scenario.began_us, 0.0, MONTH_S))
        columns = [one.slot for one in unit.plan.channels]
        assert np.all(scans.quality[:, columns] == 0)
        value |= {one.key: scans.value[:, one.slot] for one in unit.plan.channels}
    for one in watch.plan.channels:
        if isinstance(one.channel, CalculatedChannel):
            value[one.key] = calculated(one.channel, value)

    judged = [one for one in watch.plan.channels if not isinstance(one.channel, VotedChannel)]
    assert {one.key for one in judged if violates(one, value[one.key])} == set()


def calculated(channel: CalculatedChannel, value: dict[str, np.ndarray]) -> np.ndarray:
    formula = parse(channel.formula, [*channel.inputs, *channel.constants])
    scans = len(next(iter(value.values())))
    constants = {name: np.full(scans, number) for name, number in channel.constants.items()}
    return formula.evaluate({k: value[key] for k, key in channel.inputs.items()} | constants)


def violates(one: ChannelPlan, value: np.ndarray) -> bool:
    for limit in one.channel.limits:
        if beyond(limit, value):
            return True
    for limit in one.channel.rate_limits:
        apart = round(limit.window_s / 30.0)
        if beyond(limit, (value[apart:] - value[:-apart]) / limit.window_s * 3_600.0):
            return True
    states = one.channel.states or {}
    alarming = [number for number, state in states.items() if state.level is not None]
    return bool(np.isin(value, alarming).any())


def beyond(limit: Limit, value: np.ndarray) -> bool:
    bounds = [bound for bound in limit.levels.model_dump().values() if bound is not None]
    if limit.direction == "high":
        return bool(value.max() >= min(bounds))
    return bool(value.min() <= max(bounds))
