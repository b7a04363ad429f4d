"""Discrete states: which level does the state that each channel shows have?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_STATE = -1


@dataclass(frozen=True, slots=True, eq=False)
class StateLevels:
    """The levels of all states of all discrete rules, sorted by rule and state."""

    state: NDArray[np.float64]  # [row] ascending inside a rule
    level: NDArray[np.int8]  # [row]
    first: NDArray[np.int64]  # [rule + 1] where a rule's rows begin


def state_levels(of_rules: Sequence[Mapping[int, int]]) -> StateLevels:
    """Lay out, for each rule, its states' numbers and levels."""
    rows = [(rule, state) for rule, states in enumerate(of_rules) for state in sorted(states)]
    counts = [len(states) for states in of_rules]
    return StateLevels(
        state=np.array([state for _, state in rows], dtype=np.float64),
        level=np.array([of_rules[rule][state] for rule, state in rows], dtype=np.int8),
        first=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
    )


def level_of_state(
    rules: NDArray[np.int64],  # [n] which rules have a reading
    values: NDArray[np.float64],  # [n] NaN where there is nothing to judge
    states: StateLevels,
) -> NDArray[np.int8]:  # [n]
    """Tell the level of the state that each value names; `NO_STATE` where it names none."""
    level = np.full(len(rules), NO_STATE, dtype=np.int8)
    counts = states.first[rules + 1] - states.first[rules]
    owner = np.repeat(np.arange(len(rules)), counts)
    begins = np.repeat(states.first[rules] - (np.cumsum(counts) - counts), counts)
    rows = np.arange(len(owner)) + begins
    named = states.state[rows] == values[owner]
    level[owner[named]] = states.level[rows[named]]
    return level
