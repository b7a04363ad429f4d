"""Scenarios on real processes: the fan in every run, all six with `make scenarios`."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from real_processes.stage import run

from simulators.scenario import SCENARIOS, read_scenario

pytestmark = pytest.mark.real_processes


async def test_a_stopped_fan_is_red_within_fifteen_seconds(tmp_path: Path) -> None:
    scenario = read_scenario("fan-stop")
    stops_s = scenario.fan.stops_s
    assert stops_s is not None

    answer = await run("fan-stop", tmp_path)

    reds = [at for at, _, level in answer.raised("process") if level == "red"]
    waited = datetime.fromisoformat(reds[0]) - scenario.began_at - timedelta(seconds=stops_s)
    assert timedelta() < waited <= timedelta(seconds=15)
    assert set(answer.levels_by_structure()) == {"main-fan"}
    assert answer.report["lost"] == answer.report["duplicated"] == 0


@pytest.mark.all_scenarios
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_scenario_shows_what_it_promises(name: str, tmp_path: Path) -> None:
    expected = read_scenario(name).expected

    answer = await run(name, tmp_path)

    shown = answer.levels_by_structure()
    assert set(shown) == set(expected.process)
    for structure, levels in expected.process.items():
        assert [level for level in shown[structure] if level in levels] == list(levels)
    assert bool(answer.raised("technical")) == expected.technical
    assert answer.report["lost"] == answer.report["duplicated"] == 0
