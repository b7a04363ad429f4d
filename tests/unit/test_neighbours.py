"""Does an instrument stand alone with what it says?"""

from pathlib import Path

import numpy as np
import pytest
from engine_sites import BEGAN_US, HOUR_US

from alarms.trends import neighbours
from alarms.trends.neighbours import (
    UNKNOWN,
    NeighbourVerdict,
    confirmed,
    highest_in_window,
    movement_level,
    neighbourhoods,
    positions_m,
)
from telemetry.plan import plan_of
from telemetry.site_file import read_site_file

NORTH_MINE = Path(__file__).parents[1] / "site_files" / "north-mine.yaml"

# Four on a line, ten metres apart, and one without a position.
LINE_M = np.array([[0.0, 0, 0], [10, 0, 0], [20, 0, 0], [30, 0, 0], [np.nan, np.nan, np.nan]])
ALIKE = np.zeros(5, dtype=np.int64)


def levels(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int8)


def verdicts(found: neighbours.Confirmation) -> list[str]:
    return [NeighbourVerdict(one).name for one in found.verdict]


def test_neighbours_are_those_within_the_radius_and_of_the_same_kind() -> None:
    near = neighbourhoods(LINE_M, 10.0, ALIKE)
    members = [near.member[a:b].tolist() for a, b in zip(near.first, near.first[1:], strict=False)]
    assert members == [[0, 1], [0, 1, 2], [1, 2, 3], [2, 3], [4]]
    other = neighbourhoods(LINE_M, 10.0, np.array([0, 1, 0, 0, 0]))
    assert np.diff(other.first).tolist() == [1, 1, 2, 2, 1]


def test_memory_is_bounded_and_its_bound_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    position_m = np.random.default_rng(1).uniform(0, 100, (60, 3))
    whole = neighbourhoods(position_m, 40.0, np.zeros(60, dtype=np.int64))
    monkeypatch.setattr(neighbours, "DISTANCES_AT_ONCE", 7 * 60)
    cut = neighbourhoods(position_m, 40.0, np.zeros(60, dtype=np.int64))
    assert np.array_equal(whole.first, cut.first)
    assert np.array_equal(whole.member, cut.member)


def test_a_single_red_is_alone_and_still_shown() -> None:
    found = confirmed(levels(0, 4, 0, 0, 0), neighbourhoods(LINE_M, 10.0, ALIKE))
    assert verdicts(found) == ["QUIET", "ALONE", "QUIET", "QUIET", "QUIET"]
    assert found.level.tolist() == [0, 0, 0, 0, UNKNOWN]
    assert found.highest.tolist() == [4, 4, 4, 0, 0]


def test_the_confirmed_level_is_the_one_that_k_reach() -> None:
    near = neighbourhoods(LINE_M, 30.0, ALIKE)
    found = confirmed(levels(4, 3, 2, 1, 4), near, k=3)
    assert found.level.tolist() == [2, 2, 2, 2, UNKNOWN]
    assert verdicts(found) == ["ALONE", "ALONE", "CONFIRMED", "CONFIRMED", "CANNOT_TELL"]


def test_the_silence_of_neighbours_is_not_their_disagreement() -> None:
    near = neighbourhoods(LINE_M, 10.0, ALIKE)
    found = confirmed(levels(2, UNKNOWN, 0, 2, 2), near)
    assert verdicts(found) == ["CANNOT_TELL", "UNKNOWN", "QUIET", "ALONE", "CANNOT_TELL"]
    assert found.known.tolist() == [1, 2, 2, 2, 1]
    assert found.members.tolist() == [2, 3, 3, 2, 1]


def test_one_that_is_silent_could_have_been_the_second() -> None:
    near = neighbourhoods(LINE_M, 30.0, ALIKE)
    assert verdicts(confirmed(levels(3, 0, UNKNOWN, 0, 0), near, k=2))[0] == "CANNOT_TELL"
    assert verdicts(confirmed(levels(3, 0, UNKNOWN, 0, 0), near, k=3))[0] == "ALONE"


def test_what_was_shown_within_the_window_counts() -> None:
    at_us = BEGAN_US + np.arange(6) * HOUR_US
    level = np.array([[3, 0, 0, 0, 0, 0], [-1, -1, -1, 1, -1, -1], [2, 2, -1, -1, -1, -1]], np.int8)
    found = highest_in_window(level, at_us, BEGAN_US + 5 * HOUR_US, 3 * HOUR_US)
    assert found.tolist() == [0, 1, UNKNOWN]
    assert highest_in_window(level, at_us, BEGAN_US - 1, HOUR_US).tolist() == [UNKNOWN] * 3


def test_who_moves_the_other_way_confirms_nothing() -> None:
    low, high = np.array([0.1, -0.4, 0.2, -0.1, 0.3]), np.array([0.3, -0.2, 0.4, 0.1, 0.5])
    near = neighbourhoods(LINE_M, 10.0, ALIKE)
    up = confirmed(movement_level(low, high, rising=True), near)
    down = confirmed(movement_level(low, high, rising=False), near)
    assert verdicts(up)[:4] == ["ALONE", "QUIET", "ALONE", "QUIET"]
    assert verdicts(down)[:4] == ["QUIET", "ALONE", "QUIET", "QUIET"]
    together = confirmed(movement_level(low, high, rising=True), neighbourhoods(LINE_M, 20, ALIKE))
    assert verdicts(together)[0] == "CONFIRMED"


def test_nobody_is_near_nobody() -> None:
    found = confirmed(levels(), neighbourhoods(np.zeros((0, 3)), 1.0, np.zeros(0, dtype=np.int64)))
    assert found.level.tolist() == []


def test_positions_come_from_the_site_file() -> None:
    site = plan_of(read_site_file(NORTH_MINE))
    found = positions_m(site)
    assert found.shape == (len(site.channels), 3)
    for one in site.channels:
        weather = one.instrument is not None and one.instrument.id == "weather"
        assert found[one.index].tolist() == pytest.approx(
            [1.0, 2.5, 100.0] if weather else [np.nan] * 3, nan_ok=True
        )
    assert any(one.instrument and one.instrument.id == "weather" for one in site.channels)


def test_against_a_plain_count() -> None:
    random = np.random.default_rng(2)
    position_m = random.uniform(0, 100, (80, 3))
    level = random.integers(-1, 5, 80).astype(np.int8)
    near = neighbourhoods(position_m, 35.0, np.zeros(80, dtype=np.int64))
    for k in (1, 2, 4):
        found = confirmed(level, near, k=k)
        for one in range(80):
            apart_m = np.linalg.norm(position_m - position_m[one], axis=1)
            around = sorted((int(each) for each in level[apart_m <= 35.0]), reverse=True)
            known = [each for each in around if each != UNKNOWN]
            assert found.known[one] == len(known)
            assert found.level[one] == (known[k - 1] if len(known) >= k else UNKNOWN)
            assert found.highest[one] == around[0]
