"""Rain: sums, storms, lines and wet ground, against published figures and plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alarms.rain.antecedent import RecentAndBefore, SoilWater, antecedent_precipitation
from alarms.rain.intensity_duration import CAINE, GUZZETTI, MM_PER_INCH, SEATTLE
from alarms.rain.storms import storms_of
from alarms.rain.sums import rolling_sums

AMOUNTS = st.one_of(st.just(0.0), st.just(np.nan), st.floats(0.1, 30.0))
RAIN = st.lists(AMOUNTS, min_size=1, max_size=60).map(np.array)


def test_the_lines_at_ten_hours() -> None:
    ten_h = np.array([10.0])
    assert CAINE.critical_mm_per_h(ten_h)[0] == pytest.approx(6.037, abs=5e-4)
    assert GUZZETTI.critical_mm_per_h(ten_h)[0] == pytest.approx(0.799, abs=5e-4)
    inches = SEATTLE.coefficient_mm_per_h / MM_PER_INCH * 10.0**SEATTLE.exponent
    assert inches == pytest.approx(0.2414, abs=5e-5)
    assert np.isnan(SEATTLE.critical_mm_per_h(ten_h)[0])  # It was drawn for longer storms.


def test_a_storm_on_the_line_is_at_one() -> None:
    depth_mm = np.array([60.37, 120.74, 0.0, 5.0])
    duration_h = np.array([10.0, 10.0, 10.0, 0.0])
    near = CAINE.nearness(depth_mm, duration_h)
    assert near[:3] == pytest.approx([1.0, 2.0, 0.0], abs=1e-3)
    assert np.isnan(near[3])


@given(rain=RAIN, bins=st.integers(1, 70))
def test_sums_equal_a_plain_loop(rain: NDArray[np.float64], bins: int) -> None:
    sums = rolling_sums(rain[np.newaxis], bins)
    for n in range(len(rain)):
        window = rain[max(0, n - bins + 1) : n + 1]
        assert sums.total_mm[0, n] == pytest.approx(np.nansum(window), abs=1e-9)
        assert sums.known[0, n] == pytest.approx((~np.isnan(window)).sum() / bins)


@given(rain=RAIN, break_bins=st.integers(1, 6))
def test_storms_equal_a_plain_loop(rain: NDArray[np.float64], break_bins: int) -> None:
    storms = storms_of(rain[np.newaxis], break_bins=break_bins)
    begin, dry = -1, 0
    for n, amount in enumerate(rain):
        if amount > 0.0:
            begin, dry = (n if begin < 0 else begin), 0
        elif amount == 0.0:
            dry += 1
        if dry >= break_bins:
            begin = -1
        whole = rain[begin : n + 1]
        assert storms.in_storm[0, n] == (begin >= 0)
        assert storms.begin[0, n] == begin
        assert storms.bins[0, n] == (n - begin + 1 if begin >= 0 else 0)
        if begin >= 0:
            assert storms.depth_mm[0, n] == pytest.approx(np.nansum(whole), abs=1e-9)
            assert storms.is_whole[0, n] == (not np.isnan(whole).any())


@given(rain=RAIN, other=RAIN)
def test_gauges_share_nothing(rain: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    length = min(len(rain), len(other))
    both = np.stack([rain[:length], other[:length]])
    together, alone = storms_of(both, break_bins=3), storms_of(both[1:], break_bins=3)
    np.testing.assert_array_equal(together.depth_mm[1], alone.depth_mm[0])
    np.testing.assert_array_equal(
        antecedent_precipitation(both, kept=0.85)[1],
        antecedent_precipitation(both[1:], kept=0.85)[0],
    )


def test_a_missing_bin_ends_no_storm_and_is_no_dry_one() -> None:
    nan = np.nan
    storms = storms_of(np.array([[5.0, 0.0, nan, nan, 0.0, 4.0]]), break_bins=3)
    assert storms.begin[0].tolist() == [0] * 6
    assert storms.depth_mm[0, -1] == 9.0
    assert storms.is_whole[0].tolist() == [True, True, False, False, False, False]


def test_rain_of_three_days_against_the_fortnight_before() -> None:
    line = RecentAndBefore()
    hours = 72 + 360
    rain = np.zeros((3, hours))
    rain[:2, :360] = 2.0 * MM_PER_INCH / 360
    rain[0, 360:] = (3.5 - 0.67 * 2.0) * MM_PER_INCH / 72
    rain[1, 360:] = 3.0 * MM_PER_INCH / 72
    rain[2, 360:] = 3.0 * MM_PER_INCH / 72  # The same rain on dry ground.
    excess = line.excess_mm(rain)[:, -1]
    assert excess[0] == pytest.approx(0.0, abs=1e-9)
    assert excess[1] > 0.0 > excess[2]


def test_too_little_rain_known_is_not_little_rain() -> None:
    line = RecentAndBefore()
    rain = np.zeros((2, 72 + 360))
    rain[:, 400:] = np.nan
    rain[1, 390:400] = 20.0  # 200 mm in what is known of the three days.
    excess = line.excess_mm(rain)[:, -1]
    assert np.isnan(excess[0])
    assert excess[1] > 0.0


def test_antecedent_precipitation_fades_and_does_not_invent_dry_days() -> None:
    rain = np.zeros((1, 60))
    rain[0, 0] = 100.0
    index = antecedent_precipitation(rain, kept=0.9)[0]
    np.testing.assert_allclose(index, 100.0 * 0.9 ** np.arange(60))
    rain[0, 5] = np.nan
    index = antecedent_precipitation(rain, kept=0.9)[0]
    assert np.isnan(index[5:49]).all()  # 0.9^44 is below a hundredth.
    assert not np.isnan(index[49:]).any()


def test_soil_fills_to_its_capacity_and_then_drains() -> None:
    soil = SoilWater()
    rain = np.zeros((1, 400))
    rain[0, :20] = 10.0  # 200 mm on soil that holds 180.
    index = soil.index_m(rain, bin_h=1.0)[0]
    assert index[0] == pytest.approx(-0.17)
    assert index[17] == pytest.approx(0.0, abs=1e-12)
    assert soil.critical_m > index[19] > 0.0
    # Without rain the water above capacity falls by a hundredth each hour.
    assert index[119] / index[19] == pytest.approx(np.exp(-1.0))


def test_soil_goes_no_drier_than_dry() -> None:
    index = SoilWater().index_m(np.zeros((1, 50)), bin_h=1.0, evaporation_mm_per_h=1.0)
    assert (index == -0.18).all()
