"""Are several residuals unusual together?"""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from scipy.stats import chi2

from alarms.trends.mahalanobis import (
    DistanceVerdict,
    chi_squared_tail,
    distances,
    reference,
)


def quiet(channels: int = 4, bins: int = 2000, seed: int = 1) -> NDArray[np.float64]:
    """Residuals that share the weather, each in its own unit."""
    random = np.random.default_rng(seed)
    unit = np.array([1.0, 100.0, 0.01, 5.0])[:channels, np.newaxis]
    return unit * (random.normal(0, 1, (channels, bins)) + 2 * random.normal(0, 1, bins))


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_distances_are_those_of_scipy(missing: float) -> None:
    learnt = reference(quiet())
    residual = quiet(bins=60, seed=2)
    residual[np.random.default_rng(3).random(residual.shape) < missing] = np.nan
    found = distances(residual, learnt)
    for column in range(60):
        has = np.isfinite(residual[:, column])
        if has.sum() < 2:
            assert found.verdict[column] == DistanceVerdict.TOO_LITTLE_DATA
            continue
        inverse = np.linalg.inv(learnt.covariance[np.ix_(has, has)])
        expected = mahalanobis(residual[has, column], learnt.mean[has], inverse) ** 2
        assert found.squared[column] == pytest.approx(expected, rel=1e-9)
        assert found.p[column] == pytest.approx(chi2.sf(expected, has.sum()), rel=1e-9)
        assert found.share[:, column].sum() == pytest.approx(expected)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 10, 40, 61])
def test_the_tail_of_chi_squared_is_that_of_scipy(degrees: int) -> None:
    squared = np.array([0.0, 0.3, 1.0, 5.0, 20.0, 90.0])
    expected = chi2.sf(squared, degrees)
    assert chi_squared_tail(squared, degrees) == pytest.approx(expected, rel=1e-9)


def test_false_alarms_are_as_rare_as_asked_for() -> None:
    found = distances(quiet(seed=4, bins=20_000), reference(quiet()), alpha=0.01)
    assert np.mean(found.verdict == DistanceVerdict.BEYOND) == pytest.approx(0.01, abs=0.003)


def test_one_that_goes_the_other_way_is_seen_where_no_limit_sees_it() -> None:
    learnt = reference(quiet())
    sigma = np.sqrt(np.diag(learnt.covariance))
    together, against = 1.5 * sigma, 1.5 * sigma * np.array([1, 1, 1, -1])
    found = distances(np.stack([together, against], axis=1), learnt)
    assert found.verdict.tolist() == [DistanceVerdict.WITHIN, DistanceVerdict.BEYOND]
    assert int(np.argmax(found.share[:, 1])) == 3


def test_without_a_reference_nothing_is_judged() -> None:
    few = reference(quiet(bins=39))
    twins = quiet()
    twins[1] = 3 * twins[0]
    gappy = quiet()
    gappy[0] = np.nan
    for learnt in (few, reference(twins), reference(gappy)):
        found = distances(quiet(bins=5), learnt)
        assert (found.verdict == DistanceVerdict.TOO_LITTLE_DATA).all()
        assert np.isnan(found.p).all()


def test_nothing_at_all_is_too_little() -> None:
    found = distances(np.zeros((0, 3)), reference(np.zeros((0, 3))))
    assert found.verdict.tolist() == [DistanceVerdict.TOO_LITTLE_DATA] * 3
