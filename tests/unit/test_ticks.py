"""When is a calculated group due?"""

from collections.abc import Sequence

import numpy as np
import pytest
from engine_sites import BEGAN_US, HOUR_US, MINUTE_US, Watch, calculated, channel, plan, scans

import alarms.ticks
from alarms.transition import Inputs, Tick
from telemetry.scan import JudgedScans

EAST, WEST, SUM, LATER = range(4)
SITE = plan(
    {"east": [channel("east", 0)], "west": [channel("west", 0)]},
    {
        "sum": [calculated("sum", 0, "e + w", inputs={"e": "east", "w": "west"})],
        "later": [calculated("later", 0, "s * 2", inputs={"s": "sum"})],
    },
    period_s={"east": 60.0, "west": 60.0, "sum": 120.0, "later": 60.0},
)


def at(group: int, *minutes: float) -> JudgedScans:
    return scans(
        group, [BEGAN_US + round(minute * MINUTE_US) for minute in minutes], [1.0] * len(minutes)
    )


class Centre(Watch):
    """A watch that says its ticks as (group, minute)."""

    def __init__(self) -> None:
        super().__init__(SITE)

    def ticks(self, *some: JudgedScans, excused: Sequence[int] = ()) -> list[tuple[int, float]]:
        outcome = self.flush(*some, excused=excused)
        ticks = [
            Tick(one.group, at_us) for one in outcome.calculated for at_us in one.at_us.tolist()
        ]
        return [(one.group, (one.at_us - BEGAN_US) / MINUTE_US) for one in ticks]


def test_a_tick_is_due_when_every_input_has_come_to_it() -> None:
    centre = Centre()
    assert centre.ticks(at(EAST, 1, 2, 3)) == []
    assert centre.ticks(at(WEST, 1)) == []
    assert centre.ticks(at(WEST, 1.9)) == []
    # What is computed from sums expects the next one at minute 4: until then nothing changes.
    assert centre.ticks(at(WEST, 2.1)) == [(SUM, 2), (LATER, 2), (LATER, 3)]


def test_the_first_tick_is_the_first_multiple_since_all_inputs_have_begun() -> None:
    centre = Centre()
    assert centre.ticks(at(EAST, 1, 9), at(WEST, 4, 7)) == [
        (SUM, 4),
        (SUM, 6),
        (LATER, 4),
        (LATER, 5),
        (LATER, 6),
        (LATER, 7),
    ]


def test_ticks_come_in_order_of_instant_and_after_what_they_need() -> None:
    centre = Centre()
    nobody = np.zeros(4, dtype=np.bool_)
    ticks = centre.schedule.due(centre.state, (at(EAST, 2, 6), at(WEST, 2, 6)), nobody)
    assert [(one.group, (one.at_us - BEGAN_US) / MINUTE_US) for one in ticks] == [
        (SUM, 2),
        (LATER, 2),
        (LATER, 3),
        (SUM, 4),
        (LATER, 4),
        (LATER, 5),
        (SUM, 6),
        (LATER, 6),
        (LATER, 7),
    ]


def test_asking_changes_nothing() -> None:
    centre = Centre()
    nobody = np.zeros(4, dtype=np.bool_)
    arrived = (at(EAST, 2), at(WEST, 2))
    first = centre.schedule.due(centre.state, arrived, nobody)
    assert first
    assert centre.schedule.due(centre.state, arrived, nobody) == first


def test_an_excused_group_is_not_waited_for() -> None:
    centre = Centre()
    centre.ticks(at(EAST, 1, 2), at(WEST, 1, 2))
    assert centre.ticks(at(EAST, 3, 4)) == []
    assert centre.ticks(excused=[WEST]) == [(SUM, 4), (LATER, 4), (LATER, 5)]


def test_a_group_that_never_began_can_be_excused() -> None:
    centre = Centre()
    assert centre.ticks(at(EAST, 1, 2)) == []
    assert centre.ticks(excused=[WEST]) == [(SUM, 2), (LATER, 2), (LATER, 3)]
    # Once it begins it is waited for again, and nothing is computed twice.
    assert centre.ticks(at(EAST, 4), at(WEST, 3)) == []


def test_when_all_are_excused_ticks_end_with_what_was_seen() -> None:
    centre = Centre()
    centre.ticks(at(EAST, 1, 2, 5), at(WEST, 1, 2))
    assert centre.ticks(excused=[EAST, WEST]) == [(SUM, 4), (LATER, 4)]
    assert centre.ticks(excused=[EAST, WEST]) == []


def test_a_day_without_an_excused_input_is_not_computed_afterwards() -> None:
    centre = Centre()
    centre.ticks(at(EAST, 1, 2), at(WEST, 1, 2))
    days = 10 * 24 * 60
    ticks = centre.ticks(at(EAST, days), excused=[WEST])
    sums = [minute for group, minute in ticks if group == SUM]
    assert (sums[0], sums[-1]) == (days - 24 * 60, days)


def test_a_long_backlog_is_computed_whole_a_part_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alarms.ticks, "TICKS_AT_ONCE_MAX", 100)
    centre = Centre()
    hours = [hour * 60.0 for hour in range(49)]
    found = [centre.ticks(at(EAST, *hours), at(WEST, *hours))]
    while found[-1]:
        assert len(found[-1]) <= 100
        found.append(centre.ticks())
    sums = [minute for part in found for group, minute in part if group == SUM]
    assert sums == [2.0 * n for n in range(48 * 30 + 1)]
    assert centre.state.last_tick_us[SUM] == BEGAN_US + 48 * HOUR_US


def test_a_tick_that_is_not_after_the_one_before_is_ignored() -> None:
    centre = Centre()
    centre.ticks(at(EAST, 1, 2), at(WEST, 1, 2))
    again = tuple(Tick(SUM, BEGAN_US + minute * MINUTE_US) for minute in (2, 1, 4, 4))
    outcome = centre.engine.step(centre.state, Inputs(ticks=again))
    assert [one.at_us.tolist() for one in outcome.calculated] == [[BEGAN_US + 4 * MINUTE_US]]
