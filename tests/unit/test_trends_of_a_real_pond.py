"""What slow methods say of a real tailings pond: 92 days, coarse, with gaps and storms."""

import numpy as np
import pytest
from numpy.typing import NDArray
from real_data import real_data_folder
from trend_pictures import binned, pond

from alarms.trends.hampel import HampelVerdict, hampel
from alarms.trends.mann_kendall import Correlation, MannKendallParameters, mann_kendall
from alarms.trends.means import HOUR_US
from alarms.trends.theil_sen import TrendVerdict

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def level() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    real_data_folder()
    return pond("Primary Pond Level[m]")


def test_every_reading_is_in_a_bin(level: tuple[NDArray[np.int64], NDArray[np.float64]]) -> None:
    at_us, value = level
    found = binned(at_us, value, HOUR_US)
    assert len(value) == 26_478
    assert found.count.sum() == np.isfinite(value).sum()
    assert found.value.shape == (1, 92 * 24)
    mean = np.average(
        found.value[0, found.count[0] > 0], weights=found.count[0][found.count[0] > 0]
    )
    assert mean == pytest.approx(np.nanmean(value), rel=1e-12)


def test_a_coarse_level_that_repeats_is_seldom_marked(
    level: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> None:
    verdict = hampel(level[1][np.newaxis], np.array([0.01])).verdict[0]
    assert np.count_nonzero(verdict == HampelVerdict.OUTLIER) < 0.002 * len(verdict)
    assert np.count_nonzero(verdict == HampelVerdict.UNKNOWN) <= 5


def test_weeks_of_a_pond_are_not_all_trends(
    level: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> None:
    """Hour by hour a level resembles itself: the plain test sees a trend in six weeks of seven."""
    value = binned(*level, HOUR_US).value[0]
    weeks = np.stack([value[end - 168 : end] for end in range(168, len(value), 24)])
    ignored = mann_kendall(weeks, MannKendallParameters(correlation=Correlation.IGNORED))
    corrected = mann_kendall(weeks)
    assert np.mean(ignored.verdict != TrendVerdict.NO_TREND) > 0.8
    assert np.mean(corrected.verdict != TrendVerdict.NO_TREND) < 0.4
