"""Range sets against plain sets of integers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.ranges import Range, RangeSet

RANGES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 6)).map(lambda one: (one[0], sum(one))),
    max_size=12,
)


def numbers(ranges: list[Range]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


def test_ranges_that_touch_become_one() -> None:
    assert RangeSet([(1, 4), (6, 9), (5, 5)]).to_list() == [(1, 9)]


def test_a_backward_range_is_refused() -> None:
    with pytest.raises(ValueError, match="runs backwards"):
        RangeSet([(4, 1)])


@given(RANGES, RANGES)
def test_a_range_set_is_the_set_of_its_numbers(one: list[Range], other: list[Range]) -> None:
    ranges, others = RangeSet(one), RangeSet(other)
    here, there = numbers(one), numbers(other)

    assert numbers(ranges.to_list()) == here
    assert ranges.count == len(here)
    assert ranges.last == max(here, default=None)
    assert [number for number in range(60) if number in ranges] == sorted(here)
    assert numbers(ranges.union(others).to_list()) == here | there
    assert numbers(ranges.without(others).to_list()) == here - there
    assert RangeSet(ranges.to_list()) == ranges
    touching = [
        after[0] - before[1]
        for before, after in zip(ranges.to_list(), ranges.to_list()[1:], strict=False)
    ]
    assert all(gap > 1 for gap in touching)


@given(RANGES, st.integers(0, 50), st.integers(0, 12))
def test_parts_and_holes_of_a_stretch(one: list[Range], first: int, length: int) -> None:
    ranges, here = RangeSet(one), numbers(one)
    stretch = set(range(first, first + length + 1))

    assert numbers(ranges.within(first, first + length)) == here & stretch
    assert numbers(ranges.holes(first, first + length)) == stretch - here
    assert ranges.first_absent(first) == min(set(range(first, 100)) - here)
    rest = ranges.copy()
    rest.remove(first, first + length)
    assert numbers(rest.to_list()) == here - stretch
    assert numbers(ranges.to_list()) == here
