"""Forecasts and their parts beside SciPy, which knows nothing of how they are computed here."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import curve_fit
from scipy.stats import linregress
from slopes import failing, hours, instants

from alarms.forecast.blocks import bin_noise, block_noise, blocks_of, sums_of
from alarms.forecast.creep_law import creep_grid, fit_curves
from alarms.forecast.forecasting import forecast
from alarms.forecast.inverse_velocity import inverse_velocity_line
from alarms.forecast.rival import rival_misfit
from alarms.forecast.settings import ForecastSettings
from alarms.forecast.slo import slo_time
from alarms.forecast.voight import moved_since_onset
from simulators.proving.failing_slopes import displacement, failing_slopes

Floats = NDArray[np.float64]


def random_rates(seed: int) -> tuple[Floats, Floats]:
    """Velocities that grow towards a failure, noisy and with gaps, for many channels."""
    chance = np.random.default_rng(seed)
    at_h = np.sort(chance.uniform(0.0, 90.0, (50, 20)), axis=1)
    velocity = 1.0 / (0.02 * (100.0 - at_h)) * np.exp(0.2 * chance.standard_normal((50, 20)))
    velocity[chance.random((50, 20)) < 0.2] = np.nan
    return at_h, velocity


@pytest.mark.parametrize("seed", range(3))
def test_inverse_velocity_lines_are_scipys(seed: int) -> None:
    at_h, velocity = random_rates(seed)
    line = inverse_velocity_line(at_h, velocity)
    for channel in range(len(at_h)):
        known = np.isfinite(velocity[channel])
        peer = linregress(at_h[channel, known], 1.0 / velocity[channel, known])
        assert line.slope[channel] == pytest.approx(peer.slope)
        assert line.intercept[channel] == pytest.approx(peer.intercept)
        assert line.r_squared[channel] == pytest.approx(peer.rvalue**2)
        # The delta method, written the long way, from the covariance of slope and intercept.
        a, b = peer.slope, peer.intercept
        mean_t = at_h[channel, known].mean()
        variance_a, variance_b = peer.stderr**2, peer.intercept_stderr**2
        gradient = np.array([b / a**2, -1.0 / a])
        covariance = -mean_t * variance_a
        matrix = np.array([[variance_a, covariance], [covariance, variance_b]])
        assert line.error_h[channel] == pytest.approx(np.sqrt(gradient @ matrix @ gradient))


@pytest.mark.parametrize("seed", range(3))
def test_slo_is_scipys_slope(seed: int) -> None:
    at_h, velocity = random_rates(seed)
    found = slo_time(at_h, velocity)
    for channel in range(len(at_h)):
        known = np.isfinite(velocity[channel])
        v, t = velocity[channel, known], at_h[channel, known]
        assert found[channel] == pytest.approx(linregress(v, t * v).slope)


@pytest.mark.parametrize("alpha", [1.5, 2.0, 2.25])
def test_simulated_slopes_obey_voights_equation(alpha: float) -> None:
    """dv/dt = A v^α, integrated by SciPy from the velocity at the onset."""
    lasts_h, velocity = 80.0, 0.7
    a = velocity ** (1.0 - alpha) / (lasts_h * (alpha - 1.0))
    at_h = np.linspace(0.0, 0.95 * lasts_h, 50)
    peer = solve_ivp(
        lambda _, y: [y[1], a * y[1] ** alpha],
        (0.0, at_h[-1]),
        [0.0, velocity],
        t_eval=at_h,
        rtol=1e-10,
        atol=1e-12,
    )
    ours = displacement(
        at_h, velocity=np.array(velocity), alpha=np.array(alpha), lasts_h=np.array(lasts_h)
    )
    assert ours == pytest.approx(peer.y[0], rel=1e-6)


def law(at_h: Floats, start: float, velocity: float, fails_h: float, alpha: float) -> Floats:
    """The creep law from the first instant on, as a person would hand it to SciPy."""
    lasts_h = fails_h - at_h[0]
    left = np.clip(1.0 - (at_h - at_h[0]) / lasts_h, 1e-9, 1.0)
    return start + velocity * lasts_h * moved_since_onset(left, alpha)


@pytest.mark.parametrize("alpha", [1.6, 2.0, 2.4])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_grid_finds_what_nonlinear_least_squares_finds(alpha: float, seed: int) -> None:
    """Where acceleration fills the record, a smooth optimiser meets the same failure time."""
    at_h = hours(160)
    value = failing(at_h, fails_h=20.0, lasts_h=180.0, alpha=alpha, seed=seed)
    start = (value[0], 0.5, 15.0, 2.0)
    bounds = ([-np.inf, 1e-3, 1.0, 1.3], [np.inf, 10.0, 200.0, 3.0])
    peer, covariance = curve_fit(law, at_h, value, p0=start, bounds=bounds)
    answers = forecast(value[np.newaxis], instants(at_h), resolution=0.01).answers

    assert peer[2] == pytest.approx(20.0, abs=4.0 * covariance[2, 2] ** 0.5)
    assert answers.earliest_h[0] < peer[2] < answers.latest_h[0]
    assert answers.fails_h[0] == pytest.approx(peer[2], rel=0.15)


def test_the_best_curve_is_the_one_that_weighted_least_squares_prefers() -> None:
    """Every curve of the grid, fitted one by one by NumPy's own solver, misses by as much."""
    chance = np.random.default_rng(5)
    grid = creep_grid(ForecastSettings())
    mean = np.cumsum(chance.exponential(1.0, (3, 40)), axis=1)
    weight = chance.uniform(0.5, 2.0, (3, 40))
    weight[0, :7] = 0.0
    found = fit_curves(grid, mean, weight)
    for channel in range(3):
        root = np.sqrt(weight[channel])
        for curve in chance.integers(0, len(grid.curve), 40):
            columns = np.stack([np.ones(40), grid.curve[curve]], axis=1) * root[:, np.newaxis]
            _, left, _, _ = np.linalg.lstsq(columns, root * mean[channel])
            assert found.misfit[channel, curve] == pytest.approx(left[0], rel=1e-6)


def test_the_rival_fits_its_own_motions_and_not_a_failure() -> None:
    place = (np.arange(40) + 0.5) / 40
    since = np.maximum(place - 0.4, 0.0)
    motions = np.stack([2.0 + place, place + 3.0 * since + 5.0 * since**2, place + 9.0 * since**3])
    weight = np.ones((3, 40))
    assert rival_misfit(motions, weight) == pytest.approx(0.0, abs=1e-4)

    fails = moved_since_onset(1.0 - 0.97 * place, 2.0)[np.newaxis]
    assert rival_misfit(fails, weight[:1])[0] > 1e-2


def test_noise_is_measured_through_movement() -> None:
    chance = np.random.default_rng(7)
    at_h = hours(400)
    value = 0.3 * at_h + 0.5 * chance.standard_normal((40, 400))
    noise = bin_noise(value, np.full(40, np.nan))
    assert np.median(noise) == pytest.approx(0.5, rel=0.1)
    blocks = blocks_of(sums_of(value), bins=4, count=40)
    assert np.median(block_noise(blocks, noise)) == pytest.approx(0.25, rel=0.15)


def test_failing_slopes_fail_when_they_say() -> None:
    """Asked at nine tenths of the way, a tenth of it is left; of the record, more."""
    for slopes in failing_slopes(3, 50, 0.9):
        assert slopes.fails_h == pytest.approx(0.1 * slopes.lasts_h)
        assert np.isfinite(slopes.value).any(axis=1).all()
    for slopes in failing_slopes(3, 50, 0.9, of_record=True):
        assert (slopes.fails_h > 0.11 * slopes.lasts_h - 1e-9).all()
        assert (slopes.fails_h <= 0.2 * slopes.lasts_h + 1e-9).all()
