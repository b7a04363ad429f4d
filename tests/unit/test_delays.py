"""Has a violation, or a return, lasted long enough?"""

import numpy as np

from alarms.detectors.delays import believed_level
from alarms.detectors.rate import NEVER_US

ALL_USED = np.ones((4, 1), dtype=np.bool_)


class OneRule:
    """A rule that is told, instant by instant, which level is violated."""

    def __init__(self, *, on_delay: int, off_delay: int, used: np.ndarray = ALL_USED) -> None:
        self.violated = np.zeros(1, dtype=np.int8)
        self.believed = np.zeros(1, dtype=np.int8)
        self.since = np.full((4, 1), NEVER_US)
        self.on_delay, self.off_delay, self.used = on_delay, off_delay, used

    def sees(self, at: int, level: int) -> int:
        violated = np.array([level], dtype=np.int8)
        self.believed, self.since = believed_level(
            np.array([at]),
            violated_before=self.violated,
            violated=violated,
            since_us=self.since,
            believed_before=self.believed,
            on_delay_us=np.array([self.on_delay]),
            off_delay_us=np.array([self.off_delay]),
            used=self.used,
        )
        self.violated = violated
        return int(self.believed[0])


def test_without_delays_what_is_violated_is_believed() -> None:
    rule = OneRule(on_delay=0, off_delay=0)
    assert [rule.sees(at, level) for at, level in enumerate([0, 2, 4, 1, 0])] == [0, 2, 4, 1, 0]


def test_a_violation_is_believed_when_it_has_lasted_the_on_delay_inclusive() -> None:
    rule = OneRule(on_delay=10, off_delay=0)
    assert [rule.sees(at, 1) for at in (100, 109, 110)] == [0, 0, 1]


def test_an_interrupted_violation_begins_anew() -> None:
    rule = OneRule(on_delay=10, off_delay=0)
    seen = [(100, 1), (105, 0), (106, 1), (115, 1), (116, 1)]
    assert [rule.sees(at, level) for at, level in seen] == [0, 0, 0, 0, 1]


def test_a_return_is_believed_when_it_has_lasted_the_off_delay_inclusive() -> None:
    rule = OneRule(on_delay=0, off_delay=10)
    seen = [(100, 3), (101, 0), (110, 0), (111, 0)]
    assert [rule.sees(at, level) for at, level in seen] == [3, 3, 3, 0]


def test_each_level_has_its_own_time() -> None:
    rule = OneRule(on_delay=10, off_delay=10)
    seen = [(100, 1), (105, 3), (110, 3), (115, 3), (120, 2), (125, 0), (130, 0), (135, 0)]
    assert [rule.sees(at, level) for at, level in seen] == [0, 0, 1, 3, 3, 3, 2, 0]
    assert rule.since[:, 0].tolist() == [125, 125, 120, NEVER_US]


def test_a_level_that_is_not_used_is_not_believed() -> None:
    rule = OneRule(on_delay=0, off_delay=0, used=np.array([[True], [False], [True], [False]]))
    assert rule.sees(1, 2) == 1
    assert rule.sees(2, 4) == 3
