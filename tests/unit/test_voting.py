"""Voting: points to items, items to the structure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.voting import Vote, vote
from telemetry.site import Level
from telemetry.voting import Ladder

COLOURS = {"-": 0, "b": 1, "y": 2, "o": 3, "r": 4}


def voted(points: str, ladder: Ladder | None = None) -> Vote:
    level = np.array([COLOURS[one] for one in points], dtype=np.int8)
    return vote(level, np.ones(len(level), np.bool_), np.zeros(len(level), np.int64), 1, ladder)


@pytest.mark.parametrize(
    ("points", "item", "highest"),
    [
        ("----", Level.NONE, Level.NONE),
        ("b---", Level.BLUE, Level.BLUE),
        ("bbb-", Level.BLUE, Level.BLUE),
        ("bbbb", Level.YELLOW, Level.BLUE),
        ("yy--", Level.YELLOW, Level.YELLOW),
        ("yyy-", Level.ORANGE, Level.YELLOW),
        ("yybbbb", Level.ORANGE, Level.YELLOW),  # Four blue count as the third yellow.
        ("yybbb", Level.YELLOW, Level.YELLOW),
        ("o---", Level.ORANGE, Level.ORANGE),
        ("oo--", Level.RED, Level.ORANGE),
        ("oyyy", Level.RED, Level.ORANGE),
        ("oyybbbb", Level.RED, Level.ORANGE),
        ("oyy", Level.ORANGE, Level.ORANGE),  # The orange one is no third yellow as well.
        ("r---", Level.RED, Level.RED),
        ("b" * 24, Level.RED, Level.BLUE),
    ],
)
def test_the_ladder_of_the_standard(points: str, item: Level, highest: Level) -> None:
    found = voted(points)
    assert (found.voted[0], found.highest[0]) == (item, highest)


def test_the_ladder_can_be_edited() -> None:
    assert voted("bb", Ladder(blue_to_yellow=2)).voted[0] == Level.YELLOW


def test_items_do_not_mix_and_one_without_points_is_none() -> None:
    level = np.array([1, 1, 1, 1, 1], dtype=np.int8)
    found = vote(level, np.ones(5, np.bool_), np.array([0, 0, 2, 2, 2]), 3)
    assert found.voted.tolist() == [1, 0, 1]
    assert found.members.tolist() == [2, 0, 3]


def test_who_is_not_known_still_counts_and_is_told_of() -> None:
    level = np.array([1, 1, 1, 1], dtype=np.int8)
    known = np.array([True, False, True, False])
    found = vote(level, known, np.zeros(4, np.int64), 1)
    assert (found.voted[0], found.unknown[0]) == (Level.YELLOW, 2)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 39), st.integers(0, 4))
def test_one_more_level_lowers_nothing_and_nothing_is_hidden(
    levels: list[int], place: int, to: int
) -> None:
    before = np.array(levels, dtype=np.int8)
    after = before.copy()
    place %= len(after)
    after[place] = max(after[place], to)
    everyone, one = np.ones(len(after), np.bool_), np.zeros(len(after), np.int64)
    low, high = vote(before, everyone, one, 1), vote(after, everyone, one, 1)
    assert low.voted[0] >= low.highest[0] == before.max()
    assert high.voted[0] >= low.voted[0]
