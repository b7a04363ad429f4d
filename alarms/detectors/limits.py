"""Limit detection: which level of a limit does each reading violate, allowing for its deadband?

A rule is one limit with its levels; columns are rules. Values and bounds are *signed*: for a
low limit both are negated, so that a violation always lies above a bound.
"""

import numpy as np
from numpy.typing import NDArray

# Column of the four levels, to be compared with rows of rules.
LEVELS = np.arange(1, 5, dtype=np.int8)[:, np.newaxis]


def violated_level(
    values: NDArray[np.float64],  # [rule] signed, NaN where there is nothing to judge
    violated_before: NDArray[np.int8],  # [rule]
    *,
    bounds: NDArray[np.float64],  # [level, rule] signed, ascending; infinite where not used
    deadband: NDArray[np.float64],  # [rule] never negative
) -> NDArray[np.int8]:  # [rule] 0 where no level is violated
    """Tell which level each rule violates now, given the level it violated before.

    A level begins at its bound and ends below ``bound - deadband``. Between the two, and where
    a value is missing, a rule stays as it was.

    >>> bounds = np.array([[10.0], [20.0], [np.inf], [40.0]])
    >>> before, deadband = np.array([2], np.int8), np.array([3.0])
    >>> [int(violated_level(np.array([v]), before, bounds=bounds, deadband=deadband)[0])
    ...  for v in (40.0, 20.0, 17.0, 16.9, 6.9, np.nan)]
    [4, 2, 2, 1, 0, 2]
    """
    begins = values >= bounds
    holds = (values >= bounds - deadband) & (violated_before >= LEVELS)
    level = np.max(np.where(begins | holds, LEVELS, np.int8(0)), axis=0)
    return np.where(np.isnan(values), violated_before, level)


def violated_levels(
    values: NDArray[np.float64],  # [reading, rule] signed, NaN where there is nothing to judge
    violated_before: NDArray[np.int8],  # [rule]
    *,
    bounds: NDArray[np.float64],  # [level, rule] as above
    deadband: NDArray[np.float64],  # [rule]
) -> NDArray[np.int8]:  # [reading, rule]
    """Tell the levels after each of many readings, as `violated_level` does one by one.

    Each level is as it was last decided: begun or ended. Because bounds ascend and share a
    deadband, a level that is violated has all lower ones violated.

    >>> bounds = np.array([[10.0], [20.0], [np.inf], [40.0]])
    >>> before, deadband = np.array([2], np.int8), np.array([3.0])
    >>> violated_levels(np.array([[17.0], [np.nan], [16.9], [40.0]]), before,
    ...                 bounds=bounds, deadband=deadband)[:, 0].tolist()
    [2, 2, 1, 4]
    """
    level = np.zeros(values.shape, dtype=np.int8)
    numbers = np.arange(1, len(values) + 1)[:, np.newaxis]
    for one, bound in enumerate(bounds, start=1):
        begins = values >= bound
        ends = values < bound - deadband
        # Row 0 is what was carried in; row n is what reading n decided, if it decided anything.
        last_decision = np.maximum.accumulate(np.where(begins | ends, numbers, 0), axis=0)
        decisions = np.vstack([violated_before >= one, begins])
        level[np.take_along_axis(decisions, last_decision, axis=0)] = one
    return level
