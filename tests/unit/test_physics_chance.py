"""Chance by counter: the same for every process, and distributed as it should be."""

import numpy as np

from simulators.physics.chance import key_of, normal, poisson, uniform, wander

MANY = np.arange(200_000, dtype=np.int64)
KEY = key_of(1, "somewhere")


def test_numbers_depend_on_key_and_counter_alone() -> None:
    whole = normal(KEY, MANY[:1000])

    assert np.array_equal(normal(KEY, MANY[640:704]), whole[640:704])
    assert np.array_equal(normal(KEY, MANY[:1000][::-1].copy()), whole[::-1])
    assert not np.array_equal(normal(key_of(2, "somewhere"), MANY[:1000]), whole)
    assert not np.array_equal(normal(key_of(1, "elsewhere"), MANY[:1000]), whole)


def test_counters_before_1970_and_after_2300_are_as_good_as_others() -> None:
    far = np.array([-(2**40), -1, 0, 2**60], dtype=np.int64)

    assert len(set(uniform(KEY, far).tolist())) == 4


def test_uniform_numbers_are_even_and_never_touch_their_ends() -> None:
    drawn = uniform(KEY, MANY)
    tenths, _ = np.histogram(drawn, bins=10, range=(0.0, 1.0))

    assert 0.0 < drawn.min() < drawn.max() < 1.0
    assert np.all(np.abs(tenths - 20_000) < 700)  # Five standard deviations.


def test_normal_numbers_have_their_moments_and_no_memory() -> None:
    drawn = normal(KEY, MANY)

    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1.0) < 0.01
    assert abs(np.mean(drawn**3)) < 0.03
    assert abs(np.mean(drawn[1:] * drawn[:-1])) < 0.01


def test_poisson_counts_have_their_mean_and_variance() -> None:
    for mean in (0.3, 4.0, 45.0):
        counts = poisson(KEY, MANY, np.full(len(MANY), mean))

        assert abs(counts.mean() - mean) < 5 * np.sqrt(mean / len(MANY))
        assert abs(counts.var() / mean - 1.0) < 0.03


def test_wandering_is_smooth() -> None:
    at_s = np.arange(0.0, 86_400.0, 30.0)
    course = wander(KEY, at_s, every_s=3_600.0)

    assert 0.4 < course.std() < 1.4
    assert np.abs(np.diff(course)).max() < 0.08
