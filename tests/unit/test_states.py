"""Which level has the state that a channel shows?"""

import numpy as np

from alarms.detectors.states import NO_STATE, level_of_state, state_levels

STATES = state_levels([{0: 4, 1: 0}, {}, {-1: 1, 5: 2, 65535: 3}])


def levels(rules: list[int], values: list[float]) -> list[int]:
    return level_of_state(np.array(rules, dtype=np.int64), np.array(values), STATES).tolist()


def test_each_rule_has_its_own_states() -> None:
    assert levels([0, 0, 2, 2, 2], [0.0, 1.0, -1.0, 5.0, 65535.0]) == [4, 0, 1, 2, 3]


def test_a_number_that_names_no_state_has_no_level() -> None:
    assert levels([0, 0, 2, 1], [2.0, 0.5, 0.0, 0.0]) == [NO_STATE] * 4
    assert levels([0], [np.nan]) == [NO_STATE]


def test_nothing_in_nothing_out() -> None:
    assert levels([], []) == []
