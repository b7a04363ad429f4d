"""Compiled or not, recurrences say the same to the last bit, and what their detectors say."""

import os
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms import plain_recurrences as plain
from alarms.detectors.cusum import cusum
from alarms.detectors.ewma import Weights, ewma
from alarms.detectors.page_hinkley import page_hinkley

if find_spec("numba") is None and not os.environ.get("CI"):
    pytest.skip("Numba is not installed: groundwatch[fast]", allow_module_level=True)
from alarms import compiled_recurrences as compiled


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 80),
    columns=st.integers(1, 9),
    missing=st.sampled_from([0.0, 0.0, 0.1, 0.9]),
    scale=st.sampled_from([1e-300, 1e-3, 1.0, 1e6]),
)
def test_compiled_plain_and_one_by_one_are_the_same(
    seed: int, rows: int, columns: int, missing: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    reading = rng.normal(0.0, scale, (rows, columns))
    reading[rng.random(reading.shape) < missing] = np.nan
    begun, weight = rng.normal(size=columns), rng.uniform(0.01, 1.0, columns)
    total, most, slack = np.abs(begun), np.full(columns, 5.0), rng.uniform(0, 1, columns)
    count = rng.integers(0, 5, columns).astype(np.float64)

    means = plain.smoothed_means(reading, smoothed=begun, weight=weight)
    again = compiled.smoothed_means(reading, smoothed=begun, weight=weight)
    assert means.tobytes() == again.tobytes()

    added = reading - slack
    found = plain.sums(added, total=total, most=most)
    assert found.tobytes() == compiled.sums(added, total=total, most=most).tobytes()

    words = {"count": count, "mean": begun, "total": total, "slack": slack, "most": most}
    both = [one.page_hinkley_sums(reading, **words) for one in (plain, compiled)]
    for one, other in zip(*both, strict=True):
        assert one.tobytes() == other.tobytes()

    fading = plain.fadings(reading, fading=np.ones(columns), fade=(1.0 - weight) ** 2)
    for column in range(columns):
        at = slice(column, column + 1)
        smoothed, sum_, faded = begun[at], total[at], np.ones(1)
        seen, mean, drift = count[at], begun[at], total[at]
        for row in range(rows):
            one = reading[row, at]
            if not np.isnan(one[0]):
                weights = Weights.of(weight[at])
                _, smoothed, faded = ewma(one, smoothed=smoothed, fading=faded, weights=weights)
                sum_ = cusum(one, total=sum_, slack=slack[at], most=most[at])
                drift, seen, mean = page_hinkley(
                    one, count=seen, mean=mean, total=drift, slack=slack[at], most=most[at]
                )
            assert means[row, column] == smoothed[0]
            assert fading[row, column] == faded[0]
            assert found[row, column] == sum_[0]
            assert both[0][0][row, column] == drift[0]
