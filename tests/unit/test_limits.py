"""Which level does a reading violate?"""

import numpy as np
import pytest

from alarms.detectors.limits import violated_level

BOUNDS = np.array([[10.0], [20.0], [30.0], [40.0]])
DEADBAND = np.array([2.0])


def level(value: float, before: int, bounds: np.ndarray = BOUNDS) -> int:
    after = violated_level(
        np.array([value]), np.array([before], dtype=np.int8), bounds=bounds, deadband=DEADBAND
    )
    assert after.dtype == np.int8
    return int(after[0])


@pytest.mark.parametrize(
    ("value", "expected"), [(9.99, 0), (10.0, 1), (19.9, 1), (20.0, 2), (30.0, 3), (1e300, 4)]
)
def test_a_level_begins_at_its_bound(value: float, expected: int) -> None:
    assert level(value, 0) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(40.0, 4), (38.0, 4), (37.99, 3), (27.99, 2), (8.0, 1), (7.99, 0)]
)
def test_a_level_ends_below_its_bound_less_the_deadband(value: float, expected: int) -> None:
    assert level(value, 4) == expected


def test_the_deadband_does_not_lift_a_reading_to_a_level_that_it_never_reached() -> None:
    assert level(39.0, 3) == 3
    assert level(19.0, 0) == 1


def test_a_missing_value_changes_nothing() -> None:
    assert [level(np.nan, before) for before in range(5)] == [0, 1, 2, 3, 4]


def test_infinite_values_are_judged() -> None:
    assert level(np.inf, 0) == 4
    assert level(-np.inf, 4) == 0


def test_a_level_that_is_not_used_is_never_violated() -> None:
    bounds = np.array([[np.inf], [20.0], [np.inf], [40.0]])
    assert [level(value, 0, bounds) for value in (15.0, 25.0, 35.0, 45.0)] == [0, 2, 2, 4]
    # A level that the configuration no longer has is left at the next reading.
    assert level(35.0, 3, bounds) == 2


def test_low_limits_are_high_limits_of_negated_values() -> None:
    bounds = -np.array([[4.0], [3.0], [2.0], [1.0]])
    assert [level(-value, 0, bounds) for value in (4.1, 4.0, 2.5, 1.0)] == [0, 1, 2, 4]
    assert [level(-value, 4, bounds) for value in (3.0, 3.01)] == [4, 3]
