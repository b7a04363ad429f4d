"""Page-Hinkley and the smoothed mean beside another library's, reading by reading."""

import numpy as np
import pytest
from river import drift, stats

from alarms.detectors.ewma import Weights, ewma
from alarms.detectors.page_hinkley import page_hinkley


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_shift_is_found_at_the_same_reading(seed: int, sign: float) -> None:
    chance = np.random.default_rng(seed)
    readings = np.concatenate([chance.normal(3.0, 1.0, 300), chance.normal(3.0 + sign, 1.0, 200)])
    mode = "up" if sign > 0 else "down"
    # Readings before it tells, slack, bound, and forgetting nothing.
    theirs = drift.PageHinkley(30, 0.5, 12.0, 1.0, mode)
    count, mean, total = np.zeros(1), np.zeros(1), np.zeros(1)
    found_by_them, found_by_us = None, None
    for n, reading in enumerate(readings):
        if found_by_them is None:
            theirs.update(float(reading))
            found_by_them = n if theirs.drift_detected else None
        total, count, mean = page_hinkley(
            np.array([sign * reading]),
            count=count,
            mean=mean,
            total=total,
            slack=np.array([0.5]),
            most=np.array([1e9]),
        )
        if found_by_us is None and count[0] >= 30 and total[0] > 12.0:
            found_by_us = n
    assert found_by_us is not None
    assert found_by_us == found_by_them


def test_the_smoothed_mean_is_the_same() -> None:
    readings = np.random.default_rng(9).normal(0.0, 1.0, 500)
    theirs, weights = stats.EWMean(0.25), Weights.of(np.array([0.25]))
    smoothed, fading = np.array([readings[0]]), np.ones(1)
    theirs.update(float(readings[0]))
    for reading in readings[1:]:
        theirs.update(float(reading))
        _, smoothed, fading = ewma(
            np.array([reading]),
            smoothed=smoothed,
            fading=fading,
            weights=weights,
        )
        assert smoothed[0] == pytest.approx(theirs.get(), abs=1e-12)
