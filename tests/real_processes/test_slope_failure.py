"""The slope fails on real processes; whatever is killed meanwhile, the answer stays the same."""

import asyncio
from pathlib import Path

import pytest
from real_processes.stage import Answer, reach, run

from simulators.proving.demonstration import Demonstration
from simulators.scenario import read_scenario
from telemetry.clock import instant_at

pytestmark = pytest.mark.real_processes


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """One run that nobody disturbs, which the others are compared with."""
    return asyncio.run(run("slope-failure", tmp_path_factory.mktemp("undisturbed")))


def test_four_levels_come_in_order_on_the_slope_only(undisturbed: Answer) -> None:
    assert undisturbed.levels_by_structure() == {"east-slope": ["blue", "yellow", "orange", "red"]}


def test_every_reading_is_stored_once_and_every_alarm_is_told(undisturbed: Answer) -> None:
    report = undisturbed.report

    assert report["lost"] == report["duplicated"] == 0
    assert report["readings"] > 8_000
    assert all(alarm["stored_at"] and alarm["pushed_at"] for alarm in report["alarms"])
    assert report["webhooks_delivered"] >= len(report["alarms"])


def test_nothing_technical_is_wrong_in_an_undisturbed_run(undisturbed: Answer) -> None:
    assert undisturbed.raised("technical") == []


@pytest.mark.parametrize(
    ("minute", "with_database"), [(8, False), (24, True), (40, False)], ids=["early", "db", "late"]
)
async def test_a_killed_centre_forgets_nothing_and_invents_nothing(
    undisturbed: Answer, tmp_path: Path, minute: float, with_database: bool
) -> None:
    async def kill(demonstration: Demonstration) -> None:
        await reach(demonstration, minute=minute)
        await demonstration.kill_centre(with_database=with_database)
        await demonstration.start_centre()
        await demonstration.wait_until_ready()

    answer = await run("slope-failure", tmp_path, interfere=kill)

    began_us = read_scenario("slope-failure").began_us
    before = instant_at(began_us + round((minute - 1.0) * 60e6)).isoformat()
    assert answer.raised_in_flush() == undisturbed.raised_in_flush()
    assert answer.believed() == undisturbed.believed()
    # When a vote is taken that beliefs decide depends on when they came; not that it is.
    assert undisturbed.voted(before) <= answer.voted(answer.until)
    assert answer.report["lost"] == answer.report["duplicated"] == 0
