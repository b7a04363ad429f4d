"""What bins answer at gaps, at their ends, and when taken up from a checkpoint."""

import numpy as np
import pytest

from alarms.rounds import Cells
from alarms.trends.binned import READINGS_MAX, Bins
from alarms.trends.means import coarser, means
from telemetry.scan import JudgedScans

MINUTE_US = 60_000_000
BEGAN_US = 1_751_328_000_000_000
CELLS = Cells(first=np.array([0, 1]), channel=np.array([0]))


def scans(minutes: list[float], values: list[float]) -> list[JudgedScans]:
    at_us = BEGAN_US + np.round(np.array(minutes) * MINUTE_US).astype(np.int64)
    value = np.array(values)[:, np.newaxis]
    quality = np.zeros(value.shape, dtype=np.int16)
    return [JudgedScans(0, at_us, at_us, value, value, quality)]


def ten_minutes(length: int = 6) -> Bins:
    return Bins.empty(channels=1, width_us=10 * MINUTE_US, length=length)


def at(minutes: float) -> int:
    return BEGAN_US + round(minutes * MINUTE_US)


def test_a_bin_is_told_when_it_has_ended() -> None:
    bins = ten_minutes()
    bins.add(scans([1, 2, 9.99, 10], [1.0, 2.0, 6.0, 100.0]), CELLS)
    before, after = means(bins, at(19.9)), means(bins, at(20))
    assert before.value[0, -1] == 3.0
    assert before.at_us[-1] == at(5)
    assert after.value[0, -2:].tolist() == [3.0, 100.0]


def test_silence_is_bins_without_a_mean() -> None:
    bins = ten_minutes()
    bins.add(scans([1, 41], [1.0, 2.0]), CELLS)
    found = means(bins, at(60)).value[0]
    assert found.tolist() == pytest.approx([1.0, np.nan, np.nan, np.nan, 2.0, np.nan], nan_ok=True)
    assert np.isnan(means(bins, at(10_000)).value).all()


def test_nothing_at_all_is_known_of_empty_bins() -> None:
    assert np.isnan(means(ten_minutes(), at(60)).value).all()
    assert means(coarser(ten_minutes(), 3), at(60)).count.sum() == 0


def test_a_mean_of_too_few_readings_is_none() -> None:
    bins = ten_minutes()
    bins.add(scans([1, 2, 11], [1.0, 3.0, 5.0]), CELLS)
    assert means(bins, at(20), count_min=2).value[0, -2:].tolist() == pytest.approx(
        [2.0, np.nan], nan_ok=True
    )


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_rows_of_another_layout_touch_no_other_group(slots: int) -> None:
    bins = Bins.empty(channels=3, width_us=10 * MINUTE_US, length=6)
    cells = Cells(first=np.array([0, 2, 3]), channel=np.array([0, 1, 2]))
    at_us, value = np.array([BEGAN_US]), np.arange(1.0, slots + 1)[np.newaxis]
    quality = np.zeros(value.shape, dtype=np.int16)
    bins.add([JudgedScans(0, at_us, at_us, value, value, quality)], cells)
    assert means(bins, at(10)).count[:, -1].tolist() == [1, int(slots > 1), 0]


def test_late_readings_join_their_bin_and_too_late_ones_are_counted() -> None:
    bins = ten_minutes(length=3)
    assert bins.add(scans([25], [1.0]), CELLS) == 0
    assert bins.add(scans([5], [3.0]), CELLS) == 0
    assert bins.add(scans([-1], [9.0]), CELLS) == 1
    assert means(bins, at(30)).value[0].tolist() == pytest.approx([3.0, np.nan, 1.0], nan_ok=True)


def test_a_sum_of_opposites_is_exact() -> None:
    bins = ten_minutes()
    bins.add(scans([0, 1, 2, 3], [1e12, 0.125, -1e12, 0.125]), CELLS)
    assert means(bins, at(10)).value[0, -1] == 0.0625


def test_more_readings_than_can_be_summed_are_refused() -> None:
    bins = Bins.empty(channels=1, width_us=MINUTE_US, length=2)
    bins.count[:] = READINGS_MAX
    bins.newest = BEGAN_US // MINUTE_US
    with pytest.raises(OverflowError, match="choose shorter bins"):
        bins.add(scans([0.5], [1.0]), CELLS)
    assert bins.count.tolist() == [[READINGS_MAX] * 2]


def test_another_configuration_keeps_the_rows_it_knows() -> None:
    bins = Bins.empty(channels=2, width_us=10 * MINUTE_US, length=6)
    cells = Cells(first=np.array([0, 1]), channel=np.array([1]))
    bins.add(scans([1], [7.0]), cells)
    fitted = bins.for_channels(np.array([1, -1]))
    assert means(fitted, at(10)).value[:, -1].tolist() == pytest.approx([7.0, np.nan], nan_ok=True)


@pytest.mark.parametrize("name", ["count", "width_us", "low"])
def test_a_checkpoint_that_lacks_something_is_refused(name: str) -> None:
    arrays = ten_minutes().arrays()
    del arrays[name]
    with pytest.raises(ValueError, match=f"no binned means.*{name}"):
        Bins.of_arrays(arrays)


def test_a_checkpoint_whose_columns_do_not_fit_is_refused() -> None:
    arrays = ten_minutes().arrays()
    with pytest.raises(ValueError, match="shapes"):
        Bins.of_arrays({**arrays, "low": np.zeros((1, 5))})
    with pytest.raises(ValueError, match="no binned means"):
        Bins.of_arrays({**arrays, "count": np.zeros((1, 6))})
