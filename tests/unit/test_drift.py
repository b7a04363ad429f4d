"""Does an instrument part from one that should say the same, and which one is it?"""

import numpy as np
import pytest
from numpy.typing import NDArray

from alarms.trends.drift import DriftVerdict, drift, suspects
from alarms.trends.means import HOUR_US

AT_US = 1_751_328_000_000_000 + np.arange(168) * HOUR_US
PAIR = np.array([[0, 1]])


def ground() -> NDArray[np.float64]:
    """A week of pore pressure: days, rain, and a slow rise."""
    hour = np.arange(168.0)
    rain = np.where(hour > 80, 6 * np.exp(-(hour - 80) / 30), 0.0)
    return 100 + 0.02 * hour + np.sin(hour * np.pi / 12) + rain


def of(first: NDArray[np.float64], second: NDArray[np.float64], tolerance: float = 0.3) -> str:
    found = drift(np.stack([first, second]), AT_US, PAIR, np.array([tolerance]))
    return DriftVerdict(found.verdict[0]).name


def noise(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, 0.05, 168)


def test_two_that_follow_the_ground_agree() -> None:
    assert of(ground() + noise(1), ground() + 3.0 + noise(2)) == "AGREES"


def test_one_that_parts_drifts() -> None:
    parting = 0.004 * np.arange(168)
    assert of(ground() + parting + noise(1), ground() + noise(2)) == "DRIFTS_UP"
    assert of(ground() + noise(1), ground() + parting + noise(2)) == "DRIFTS_DOWN"


def test_a_drift_that_is_tolerated_is_none() -> None:
    parting = 0.004 * np.arange(168)
    found = drift(
        np.stack([ground() + parting, ground()]),
        AT_US,
        np.array([[0, 1]] * 2),
        np.array([0.6, 0.7]),
    )
    assert found.parted == pytest.approx([0.668, 0.668])
    assert found.verdict.tolist() == [DriftVerdict.DRIFTS_UP, DriftVerdict.AGREES]


def test_common_means_are_what_counts() -> None:
    first, second = ground(), ground()
    first[:80], second[100:] = np.nan, np.nan
    assert of(first, second) == "TOO_LITTLE_DATA"
    second[:] = np.nan
    assert of(first, second) == "TOO_LITTLE_DATA"


def test_equal_numbers_agree() -> None:
    assert of(ground(), ground(), tolerance=0.0) == "AGREES"


def test_of_three_the_one_that_drifts_is_named() -> None:
    value = np.stack([ground() + noise(n) for n in range(3)])
    value[1] -= 0.004 * np.arange(168)
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    found = drift(value, AT_US, pairs, np.full(3, 0.3))
    assert [DriftVerdict(one).name for one in found.verdict] == [
        "DRIFTS_UP", "AGREES", "DRIFTS_DOWN",
    ]  # fmt: skip
    assert suspects(pairs, found.verdict, 3).tolist() == [False, True, False]


def test_of_a_pair_alone_nobody_is_named() -> None:
    assert not suspects(PAIR, np.array([DriftVerdict.DRIFTS_UP], dtype=np.int8), 2).any()


def test_who_parts_in_different_ways_is_not_named() -> None:
    pairs = np.array([[0, 1], [0, 2]])
    ways = np.array([DriftVerdict.DRIFTS_UP, DriftVerdict.DRIFTS_DOWN], dtype=np.int8)
    assert not suspects(pairs, ways, 3).any()


def test_drift_is_seldom_seen_where_none_is() -> None:
    """Both trace the same ground; their own noise is correlated over hours."""
    random = np.random.default_rng(5)
    value = random.normal(0, 0.1, (600, 168))
    for n in range(1, 168):
        value[:, n] += 0.5 * value[:, n - 1]
    pairs = np.arange(600).reshape(300, 2)
    found = drift(value, AT_US, pairs, np.zeros(300))
    assert np.mean(found.verdict != DriftVerdict.AGREES) < 0.03


def test_far_apart_by_wandering_is_no_drift() -> None:
    """Random walks part far, but few of them so that a trend stands out."""
    random = np.random.default_rng(6)
    wandering = np.cumsum(random.normal(0, 0.05, (200, 168)), axis=1)
    value = np.concatenate([wandering, np.zeros((200, 168))])
    pairs = np.stack([np.arange(200), np.arange(200, 400)], axis=1)
    found = drift(value, AT_US, pairs, np.full(200, 0.2))
    far = np.abs(found.parted) > 0.2
    assert np.count_nonzero(far & (found.verdict == DriftVerdict.AGREES)) > 20
