"""What swarms of quakes say: estimates recovered from catalogues made by the law itself."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from alarms.seismic.b_value import b_exact, b_positive, b_utsu
from alarms.seismic.energy_index import (
    UsualEnergy,
    apparent_volume_m3,
    energy_index,
    moving_median,
    usual_energy,
)
from alarms.seismic.magnitudes import completeness, moment_magnitude
from alarms.seismic.omori import Omori, fit_omori
from alarms.seismic.rates import rates_of, z_of_rate
from alarms.seismic.sta_lta import classic_ratio, recursive_ratio, triggers

STEP = 0.1
HOUR_US = 3_600_000_000


def gutenberg_richter(
    b: float, events: int, seed: int, *, step: float = STEP
) -> NDArray[np.float64]:
    """Magnitudes from 0 on, rounded to the step; all of them are in the catalogue."""
    chance = np.random.default_rng(seed)
    exact = chance.exponential(1.0 / (b * np.log(10.0)), events) - step / 2.0
    return np.round(exact / step) * step if step else exact + step / 2.0


def test_the_moment_magnitude_of_a_terajoule_metre() -> None:
    assert moment_magnitude(np.array([1e12]))[0] == pytest.approx(1.933, abs=5e-4)


@pytest.mark.parametrize("b", [0.6, 1.0, 1.6])
def test_b_is_found_again_and_its_error_is_the_scatter(b: float) -> None:
    found = [
        b_exact(gutenberg_richter(b, 1_000, seed), complete_from=0.0, bin_width=STEP)
        for seed in range(200)
    ]
    values = np.array([one.b for one in found])
    assert values.mean() == pytest.approx(b, rel=0.01)
    # Shi and Bolt's error is what catalogues of this size really scatter by.
    assert np.mean([one.error for one in found]) == pytest.approx(values.std(ddof=1), rel=0.15)
    assert all(one.events == 1_000 for one in found)


def test_utsu_is_biased_for_wide_bins_and_the_exact_form_is_not() -> None:
    magnitude = gutenberg_richter(1.0, 200_000, 1, step=0.5)
    assert b_exact(magnitude, complete_from=0.0, bin_width=0.5).b == pytest.approx(1.0, rel=0.01)
    assert b_utsu(magnitude, complete_from=0.0, bin_width=0.5).b < 0.92
    fine = gutenberg_richter(1.0, 50_000, 2)
    assert b_utsu(fine, complete_from=0.0, bin_width=STEP).b == pytest.approx(1.0, rel=0.02)


def test_magnitudes_that_were_not_rounded_follow_aki() -> None:
    magnitude = gutenberg_richter(1.2, 20_000, 3, step=0.0)
    found = b_utsu(magnitude, complete_from=0.0, bin_width=0.0)
    assert found.b == pytest.approx(np.log10(np.e) / magnitude.mean(), rel=1e-12)
    assert found.error == pytest.approx(found.b / np.sqrt(20_000), rel=0.05)


def test_too_few_events_tell_no_b() -> None:
    magnitude = gutenberg_richter(1.0, 49, 4)
    for found in (
        b_exact(magnitude, complete_from=0.0, bin_width=STEP),
        b_utsu(magnitude, complete_from=0.0, bin_width=STEP),
    ):
        assert np.isnan(found.b)
        assert np.isnan(found.error)
        assert found.events == 49
    alike = np.zeros(100)
    assert np.isnan(b_exact(alike, complete_from=0.0, bin_width=STEP).b)


def test_small_events_lost_behind_large_ones_mislead_b_but_not_b_positive() -> None:
    magnitude = gutenberg_richter(1.0, 60_000, 5)
    seen = [0]
    for n in range(1, len(magnitude)):  # What comes soon after a larger one is missed.
        if n - seen[-1] > 3 or magnitude[n] >= magnitude[seen[-1]] - 0.3:
            seen.append(n)
    catalogue = magnitude[seen]
    assert b_exact(catalogue, complete_from=0.0, bin_width=STEP).b < 0.95
    found = b_positive(catalogue, least_step=2 * STEP, bin_width=STEP)
    assert found.b == pytest.approx(1.0, rel=0.03)


def test_completeness_is_the_fullest_bin_and_a_correction() -> None:
    whole = gutenberg_richter(1.0, 20_000, 6) + 0.0
    chance = np.random.default_rng(7)
    seen = whole[chance.random(len(whole)) < np.clip(whole / 0.6, 0.0, 1.0)]
    found = completeness(seen, bin_width=STEP)
    assert found == pytest.approx(0.4 + 0.2, abs=0.11)
    assert np.isnan(completeness(np.array([]), bin_width=STEP))
    assert completeness(np.array([1.0, 1.0, 2.0, 2.0]), bin_width=STEP) == pytest.approx(2.2)


def test_rates_fall_into_their_bins() -> None:
    at_us = np.array([-1, 0, HOUR_US - 1, HOUR_US, 2 * HOUR_US]) + 10**15
    rates = rates_of(
        at_us,
        np.array([9.0, 1.0, np.nan, 4.0, 9.0]),
        np.full(5, 2.0),
        10**15 + np.array([0, HOUR_US, 2 * HOUR_US]),
    )
    assert rates.count.tolist() == [2, 1]
    assert rates.energy_j.tolist() == [1.0, 4.0]
    assert rates.moment_nm.tolist() == [4.0, 2.0]


def test_z_of_a_steady_rate_is_standard_normal() -> None:
    chance = np.random.default_rng(9)
    z = z_of_rate(chance.poisson(50.0, 20_000), 10.0, chance.poisson(500.0, 20_000), 100.0)
    assert z.mean() == pytest.approx(0.0, abs=0.1)
    assert z.std() == pytest.approx(1.0, abs=0.03)
    assert np.isnan(z_of_rate(np.array([0]), 1.0, np.array([0]), 1.0))[0]


def test_an_event_of_usual_energy_has_the_index_one() -> None:
    chance = np.random.default_rng(10)
    moment = 10.0 ** chance.uniform(8.0, 11.0, 500)
    energy = 10.0 ** (1.3 * np.log10(moment) - 9.5 + chance.normal(0.0, 0.2, 500))
    usual = usual_energy(energy, moment)
    assert usual is not None
    assert (usual.slope, usual.intercept) == pytest.approx((1.3, -9.5), rel=0.03)
    index = energy_index(energy, moment, usual)
    assert np.mean(np.log10(index)) == pytest.approx(0.0, abs=1e-9)
    assert usual_energy(energy[:19], moment[:19]) is None
    assert usual_energy(energy, np.full(500, 1e9)) is None
    assert np.isnan(energy_index(np.array([np.nan, 0.0]), np.array([1e9, 1e9]), usual)).all()


def test_apparent_volume_has_its_convention() -> None:
    volume = apparent_volume_m3(np.array([1e4, np.nan]), np.array([1e10, 1e10]), rigidity_pa=3.0e10)
    assert volume[0] == pytest.approx(1e20 / (2.0 * 3.0e10 * 1e4))
    assert np.isnan(volume[1])
    assert energy_index(np.array([1e4]), np.array([1e10]), UsualEnergy(1.0, -6.0, 99))[0] == 1.0


def test_the_moving_median_waits_until_it_is_full() -> None:
    found = moving_median(np.array([1.0, np.nan, 5.0, 3.0, np.nan, 9.0]), 3)
    assert np.isnan(found[:3]).all()
    assert found[3:].tolist() == [3.0, 3.0, 5.0]


@pytest.mark.parametrize(("p", "c_h"), [(0.8, 0.05), (1.0, 0.2), (1.4, 0.5)])
def test_a_decay_is_found_again_and_says_when_to_go_back(p: float, c_h: float) -> None:
    truth = Omori(200.0, c_h, p, 0)
    fits = [fit_omori(_aftershocks(truth, 200.0, seed), 200.0) for seed in range(20)]
    found = [one for one in fits if one is not None]
    assert len(found) == 20
    assert np.mean([one.p for one in found]) == pytest.approx(p, abs=0.05)
    waits = [one.reentry_h(2.0) for one in found]
    assert np.median(waits) == pytest.approx(truth.reentry_h(2.0), rel=0.1)
    assert truth.rate_per_h(np.array([truth.reentry_h(2.0)]))[0] == pytest.approx(2.0)


def test_too_few_aftershocks_tell_no_decay() -> None:
    assert fit_omori(np.linspace(0.1, 5.0, 19), 10.0) is None


def _aftershocks(law: Omori, until_h: float, seed: int) -> NDArray[np.float64]:
    """Draw the instants of a Poisson process with the law's rate, by thinning."""
    chance = np.random.default_rng(seed)
    most = law.rate_per_h(np.array([0.0]))[0]
    # In stretches that grow, each under its own highest rate.
    edges = np.concatenate([[0.0], np.geomspace(1e-3, until_h, 400)])
    instants = []
    for begin, end in pairwise(edges):
        most = law.rate_per_h(np.array([begin]))[0]
        drawn = chance.uniform(begin, end, chance.poisson(most * (end - begin)))
        kept = chance.random(len(drawn)) < law.rate_per_h(drawn) / most
        instants.append(drawn[kept])
    return np.sort(np.concatenate(instants))


def test_a_step_in_energy_triggers_and_its_end_is_found() -> None:
    chance = np.random.default_rng(12)
    trace = chance.standard_normal((3, 3_000))
    trace[1, 2_000:2_200] *= 6.0
    for ratio in (
        classic_ratio(trace, short=10, long=200),
        recursive_ratio(trace, short=10, long=200),
    ):
        assert (ratio[:, :199] == 0.0).all()
        assert len(triggers(ratio[0], on=4.5, off=1.5)) == 0
        (event, *_) = triggers(ratio[1], on=4.5, off=1.5)
        assert 2_000 <= event[0] < 2_010
        assert event[1] > 2_050
        # Traces do not see each other.
        alone = classic_ratio(trace[1], short=10, long=200)
        np.testing.assert_array_equal(classic_ratio(trace, short=10, long=200)[1], alone)


def test_a_dead_trace_has_no_ratio() -> None:
    assert (classic_ratio(np.zeros(300), short=5, long=50) == 0.0).all()
    assert np.isfinite(recursive_ratio(np.zeros(300), short=5, long=50)).all()
