"""Scenarios: what units hold follows from scenario, seed and step alone."""

from pathlib import Path

import numpy as np
import pytest
from watched_field import Watch, scans_of, steps_of, watch_of

from simulators.field import STEPS_AHEAD, Unit, units_of
from simulators.scenario import (
    DEVICES,
    SCENARIOS,
    Scenario,
    ScenarioError,
    demo_site_text,
    read_scenario,
)
from simulators.units import Refusal
from telemetry.plan import plan_of
from telemetry.site import Level
from telemetry.site_file import read_site_text

STRUCTURES = {"north-dam", "east-slope", "deep-mine", "main-fan"}


@pytest.fixture(scope="module")
def calm() -> Watch:
    return watch_of(read_scenario("calm"), seed=1)


def unit_of(watch: Watch, group: str) -> Unit:
    return next(unit for unit in watch.units if unit.plan.key == group)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_says_what_must_be_seen(name: str) -> None:
    scenario = read_scenario(name)

    assert scenario.name.en
    assert scenario.name.zh
    assert scenario.expected.known_after_s <= scenario.lasts_s
    assert set(scenario.expected.process) <= STRUCTURES
    assert scenario.rate == (5.0 if name == "fan-stop" else 60.0)


def test_an_unknown_scenario_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match="use one of calm, storm, slope-failure"):
        read_scenario("earthquake")


def test_a_scenario_of_ones_own_is_read_by_its_path_and_checked(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    text = """
        name = { en = "Own", zh = "自定" }
        description = { en = "Nothing.", zh = "无。" }
        rate = 10.0
        began_at = 2025-07-01T00:00:00Z
        lasts_s = 60.0
        [expected]
        known_after_s = 60.0
    """
    own.write_text(text, encoding="utf-8")

    assert read_scenario(str(own)).rate == 10.0

    own.write_text(text + "\n[storm]\ndepth_mm = 3\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="storm"):
        read_scenario(str(own))


def test_a_scenario_in_another_encoding_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("rate = 60.0\n", encoding="utf-16")
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_scenario(str(tmp_path / "own.toml"))


def test_a_fault_that_names_nothing_is_refused(calm: Watch) -> None:
    scenario = read_scenario("sensor-faults")
    fault = scenario.faults[0].model_copy(update={"group": "dam-section-33"})
    misspelt = scenario.model_copy(update={"faults": (fault,)})
    with pytest.raises(ScenarioError, match="group 'dam-section-33'"):
        units_of(misspelt, calm.plan, "dam", 1)


def test_the_demo_site_is_a_site_file_with_four_structures_and_edges(calm: Watch) -> None:
    site = calm.plan.site
    measured = [one for one in calm.plan.channels if not one.calculated]

    assert {structure.id for structure in site.structures} == STRUCTURES
    assert {bus.id: bus.edge for bus in site.buses} == {
        f"{device}-bus": f"{device}-edge" for device in DEVICES
    }
    assert len(measured) == 124
    assert all(one.channel.name is not None for one in calm.plan.channels)


def test_every_limit_says_where_it_comes_from_and_who_decides(calm: Watch) -> None:
    channels = [one.channel for one in calm.plan.channels]
    limits = [limit for one in channels for limit in (*one.limits, *one.rate_limits)]

    assert len(limits) > 60
    assert all("verify with the design documents" in limit.source for limit in limits)


def test_the_demo_site_takes_ports_and_periods() -> None:
    text = demo_site_text(read_scenario("fan-stop"), {"dam-bus": 4001, "fan-bus": 4004})
    plan = plan_of(read_site_text(text, "demo-site.yaml"))

    assert [bus.modbus_tcp.port for bus in plan.site.buses] == [4001, 5022, 5023, 4004]
    assert plan.group_by_key["fan-unit"].period_us == 1_000_000
    assert plan.group_by_key["fan-judgement"].period_us == 1_000_000
    assert plan.group_by_key["dam-section-1"].period_us == 30_000_000
    with pytest.raises(ScenarioError, match="no 'harbour-bus'"):
        demo_site_text(read_scenario("calm"), {"harbour-bus": 1})


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_unit_holds_does_not_depend_on_when_it_was_started(name: str) -> None:
    scenario = read_scenario(name)
    whole = watch_of(scenario, seed=4)
    restarted = watch_of(scenario, seed=4)

    for unit, again in zip(whole.units, restarted.units, strict=True):
        first = unit.step_at(scenario.began_us)
        steps = np.arange(first, first + 2 * STEPS_AHEAD + 9)
        at_once = unit.words_at(steps)
        for place in (0, 1, 63, 64, 136):  # The restarted unit begins late, and goes back.
            assert again.words(int(steps[136 - place])) == at_once[136 - place].tolist()
        assert np.array_equal(again.words_at(steps[70:71]), at_once[70:71])


def test_another_seed_is_another_day(calm: Watch) -> None:
    other = watch_of(calm.scenario, seed=2)

    for unit, twin in zip(calm.units, other.units, strict=True):
        steps = steps_of(unit, calm.scenario.began_us, 0.0, 3_600.0)
        assert not np.array_equal(unit.words_at(steps), twin.words_at(steps))


def test_registers_hold_a_step_from_half_a_period_before_to_half_a_period_after(
    calm: Watch,
) -> None:
    unit = unit_of(calm, "dam-pond")
    step = unit.step_at(calm.scenario.began_us) + 7
    at_us = step * unit.period_us
    half_us = unit.period_us // 2

    assert unit.step_at(at_us - half_us - 1) == step - 1
    assert unit.step_at(at_us - half_us) == step
    assert unit.step_at(at_us + half_us - 1) == step
    assert unit.step_at(at_us + half_us) == step + 1
    assert unit.holds(at_us - half_us) == unit.holds(at_us + half_us - 1) == unit.words(step)


def test_registers_of_a_unit_leave_no_gaps(calm: Watch) -> None:
    for unit in calm.units:
        assert unit.first_address == 0
        assert unit.register_count <= 125  # One Modbus request reads the whole unit.


def test_a_dead_unit_is_silent_and_its_neighbours_are_not() -> None:
    watch = watch_of(read_scenario("sensor-faults"), seed=1)
    dead, neighbour = unit_of(watch, "dam-section-3"), unit_of(watch, "dam-section-2")
    before_us = watch.scenario.began_us + 540_000_000
    after_us = watch.scenario.began_us + 660_000_000

    assert isinstance(dead.holds(before_us), list)
    assert dead.holds(after_us) is Refusal.SILENT
    assert isinstance(neighbour.holds(after_us), list)


def test_faults_touch_one_channel_and_spikes_one_scan() -> None:
    scenario = read_scenario("sensor-faults")
    healthy = scenario.model_copy(update={"faults": ()})
    sick, well = (
        {unit.plan.key: unit for unit in watch_of(one, seed=1).units} for one in (scenario, healthy)
    )

    def differing(group: str) -> dict[str, int]:
        steps = steps_of(sick[group], scenario.began_us, 0.0, scenario.lasts_s)
        same = sick[group].read(steps) == well[group].read(steps)
        counts = (~same).sum(axis=0)
        return {
            one.key: int(counts[one.slot]) for one in sick[group].plan.channels if counts[one.slot]
        }

    assert differing("dam-pond") == {"dam-pond-level": 1}
    assert differing("slope-cracks") == {"slope-crack-8-opening": 1}
    assert differing("mine-stress") == {"mine-stress-11": 1}
    assert differing("dam-section-1") == {"dam-1-2-pressure": 50}
    assert differing("slope-water") == {
        "slope-piezometer-2-temperature": 40,
        "slope-tilt-a": 30,
    }
    assert set(differing("mine-convergence").values()) == {16}
    drifting = differing("dam-section-2")
    assert set(drifting) == {"dam-2-2-pressure", "dam-2-3-pressure"}
    assert drifting["dam-2-2-pressure"] >= 110  # Of 120, less the first that round to nothing.
    assert differing("fan-unit") == {}


def test_spikes_go_beyond_the_highest_limit() -> None:
    """Otherwise nothing would be shown by the alarm that they do not raise."""
    watch = watch_of(read_scenario("sensor-faults"), seed=1)
    for group, key in (
        ("slope-cracks", "slope-crack-8-opening"),
        ("mine-stress", "mine-stress-11"),
    ):
        unit = unit_of(watch, group)
        channel = watch.plan.channel_by_key[key]
        red = channel.channel.limits[0].levels.red
        assert red is not None
        steps = steps_of(unit, watch.scenario.began_us, 0.0, watch.scenario.lasts_s)
        assert scans_of(unit, steps).value[:, channel.slot].max() > red


def test_units_read_back_as_engineering_values_near_the_truth(calm: Watch) -> None:
    """Wires and thermistors go through raw numbers and the centre's own conversion, and return."""
    for unit in calm.units:
        steps = steps_of(unit, calm.scenario.began_us, 0.0, 1_800.0)
        scans = scans_of(unit, steps)
        assert np.all(scans.quality[:, [one.slot for one in unit.plan.channels]] == 0)
    section = unit_of(calm, "dam-section-1")
    scans = scans_of(section, steps_of(section, calm.scenario.began_us, 0.0, 1_800.0))
    pressure = scans.value[:, 6]  # Place 4, at the toe: 22 m - 8.8 m of water, and the air.

    assert pressure.mean() == pytest.approx((22.0 - 8.8) * 9.80665, abs=6.0)
    assert pressure.std() < 0.2


def test_expected_levels_are_known_words() -> None:
    for name in SCENARIOS:
        scenario: Scenario = read_scenario(name)
        for levels in scenario.expected.process.values():
            assert all(Level[level.upper()] > Level.NONE for level in levels)


def test_a_frozen_channel_repeats_its_last_number_and_a_drift_grows() -> None:
    scenario = read_scenario("sensor-faults")
    healthy = scenario.model_copy(update={"faults": ()})
    sick, well = (unit_of(watch_of(one, seed=1), "dam-section-2") for one in (scenario, healthy))
    slot = {one.key: one.slot for one in sick.plan.channels}
    during = steps_of(sick, scenario.began_us, 1_000.0, 2_960.0)
    before = during[:1] - 1

    frozen = sick.read(during)[:, slot["dam-2-3-pressure"]]
    assert set(frozen) == {well.read(before)[0, slot["dam-2-3-pressure"]]}

    pressure = {one.key: one.slot for one in sick.plan.channels}["dam-2-2-pressure"]
    off = np.abs(sick.read(during) - well.read(during))[:, pressure]
    assert off[-1] > 4 * off[5] > 0
