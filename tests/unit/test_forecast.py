"""Which slopes are given a time of failure, and what the others are told instead."""

from dataclasses import replace

import numpy as np
import pytest
from slopes import BEGAN_US, HOUR_US, failing, hours, instants, noisy

from alarms.forecast.blocks import bin_noise
from alarms.forecast.forecasting import forecast
from alarms.forecast.forecasts import NEVER_US, Answers, Forecasts, no_answers, take_better
from alarms.forecast.settings import ForecastSettings
from alarms.forecast.verdict import Verdict
from alarms.forecast.words import REASONS, reason

AT_H = hours()
SETTINGS = ForecastSettings()


def ask(*channels: np.ndarray, resolution: float = 0.01) -> Forecasts:
    return forecast(np.stack(channels), instants(AT_H), resolution=resolution)


def verdict_of(channel: np.ndarray) -> Verdict:
    return Verdict(int(ask(channel).verdict[0]))


@pytest.mark.parametrize("alpha", [1.6, 2.0, 2.4])
def test_a_failing_slope_is_given_its_time(alpha: float) -> None:
    found = ask(failing(AT_H, fails_h=15.0, alpha=alpha))
    answers = found.answers

    assert found.verdict[0] == Verdict.FORECAST
    assert answers.fails_h[0] == pytest.approx(15.0, rel=0.25)
    assert answers.earliest_h[0] < 15.0 < answers.latest_h[0]
    assert answers.earliest_h[0] < answers.fails_h[0] < answers.latest_h[0]
    assert answers.alpha[0] == pytest.approx(alpha, abs=0.3)
    # The window that tells most may begin after the onset.
    assert -1.3 * 135.0 < answers.onset_h[0] < -30.0


def test_other_methods_agree_where_alpha_is_two() -> None:
    answers = ask(failing(AT_H, fails_h=15.0, noise=0.02)).answers

    assert answers.by_line_h[0] == pytest.approx(15.0, abs=3.0)
    assert answers.by_slo_h[0] == pytest.approx(15.0, abs=3.0)
    assert answers.by_alpha_two_h[0] == pytest.approx(15.0, abs=3.0)
    assert answers.r_squared[0] > 0.98
    # Its newest velocity is a mean over hours before: about five times the uniform one.
    assert answers.tangent_deg[0] == pytest.approx(np.degrees(np.arctan(5.0)), abs=5.0)


def test_a_line_of_sight_towards_the_radar_fails_as_well() -> None:
    moved = failing(AT_H, fails_h=15.0)
    found = ask(moved, -moved)
    one, other = found.answers.fails_h
    assert one == other
    assert (found.answers.rate[1] > 0.0).all()  # Counted in the direction of movement.


def test_instants_are_told_on_the_clock_of_the_bins() -> None:
    found = ask(failing(AT_H, fails_h=15.0), noisy(0.5 * AT_H))
    given, never = found.instant_us(found.answers.fails_h)

    assert found.asked_us == BEGAN_US
    assert given == BEGAN_US + round(found.answers.fails_h[0] * HOUR_US)
    assert never == NEVER_US


def test_steady_creep_is_not_accelerating() -> None:
    assert verdict_of(noisy(0.5 * AT_H)) == Verdict.NOT_ACCELERATING


def test_creep_that_slows_down_is_regressive() -> None:
    assert verdict_of(noisy(40.0 * np.log(AT_H + 310.0))) == Verdict.REGRESSIVE


def test_an_acceleration_that_has_turned_is_regressive() -> None:
    """It would have failed in six hours; then it slowed down to a third of its velocity."""
    moved = failing(AT_H, fails_h=-14.0, noise=0.05)
    turned = AT_H > -20.0
    rate = moved[~turned][-1] - moved[~turned][-2]
    moved[turned] = moved[~turned][-1] + rate * (AT_H[turned] + 20.0) / 3.0
    assert verdict_of(moved) == Verdict.REGRESSIVE


def test_noise_is_not_movement() -> None:
    assert verdict_of(noisy(0.0 * AT_H)) == Verdict.NOT_MOVING


def test_a_quantised_record_that_repeats_itself_is_not_movement() -> None:
    assert verdict_of(np.full(len(AT_H), 3.14)) == Verdict.NOT_MOVING


def test_an_empty_or_short_record_is_too_little() -> None:
    short = np.full(len(AT_H), np.nan)
    short[-8:] = failing(AT_H, fails_h=15.0)[-8:]
    single = np.full(len(AT_H), np.nan)
    single[-1] = 1.0
    found = ask(short, single, np.full(len(AT_H), np.nan))

    assert found.verdict.tolist() == [Verdict.TOO_LITTLE_DATA] * 3
    assert not found.given.any()


def test_a_record_that_has_stopped_says_nothing_about_now() -> None:
    """Silence is never "normal", nor a failure time from how it stood then."""
    moved = failing(AT_H, fails_h=15.0)
    moved[-60:] = np.nan
    assert verdict_of(moved) == Verdict.NO_RECENT_DATA


def test_a_record_that_stopped_two_blocks_ago_is_not_recent_in_any_window() -> None:
    """The coarsest blocks are 16 bins: silence of 32 is too old even there, 31 is not."""
    moved = failing(AT_H, fails_h=40.0, lasts_h=400.0, velocity=2.0)
    silent = {}
    for bins in (31, 32):
        stopped = moved.copy()
        stopped[-bins:] = np.nan
        silent[bins] = verdict_of(stopped)
    assert silent[31] != Verdict.NO_RECENT_DATA
    assert silent[32] == Verdict.NO_RECENT_DATA


def test_the_last_hours_are_told_to_a_part_of_an_hour() -> None:
    """Half a bin matters by then: means stand for the middle of their bins."""
    truth = np.linspace(2.5, 5.5, 30)
    slopes = [
        failing(AT_H, fails_h=float(one), lasts_h=90.0, noise=0.05, seed=seed)
        for seed, one in enumerate(truth)
    ]
    given = ask(*slopes).answers.fails_h
    assert np.isfinite(given).mean() > 0.8
    assert np.nanmedian(given - truth) == pytest.approx(0.0, abs=0.2)


def test_gaps_are_survived() -> None:
    moved = failing(AT_H, fails_h=15.0)
    moved[::7] = np.nan
    moved[200:215] = np.nan
    answers = ask(moved).answers
    assert answers.fails_h[0] == pytest.approx(15.0, rel=0.3)


def test_a_velocity_that_grows_with_time_only_is_no_failure() -> None:
    since = np.maximum(AT_H + 150.0, 0.0)
    for power in (2.0, 3.0):
        moved = 0.2 * AT_H + 60.0 * (since / 150.0) ** power
        assert verdict_of(noisy(moved)) == Verdict.NO_LAW


def test_what_was_as_fast_before_without_failing_gets_no_time() -> None:
    """The movement of the last days has been seen before, and came to a rest then."""
    moved = failing(AT_H, fails_h=15.0, lasts_h=100.0, noise=0.0)
    fast = np.where((AT_H > -280.0) & (AT_H < -260.0), 2.0, 0.0)
    found = ask(noisy(moved), noisy(moved + np.cumsum(fast)))
    assert found.verdict.tolist() == [Verdict.FORECAST, Verdict.SEEN_BEFORE]
    assert found.answers.velocity_ratio[1] < SETTINGS.past_velocity_ratio


def test_what_lies_beyond_the_horizon_gets_no_time() -> None:
    """The law is recognised, and asked to tell more than it may: what it rests on is kept."""
    moved = failing(AT_H, fails_h=15.0)[np.newaxis]
    found = forecast(moved, instants(AT_H), settings=replace(SETTINGS, horizon=0.05))

    assert found.verdict[0] == Verdict.TOO_EARLY
    assert np.isnan(found.answers.fails_h[0])
    assert found.answers.onset_h[0] < 0.0
    assert np.isfinite(found.answers.rate[0]).sum() >= SETTINGS.rates_min


def test_half_way_nothing_tells_failure_from_growth() -> None:
    """The velocity has doubled, as it does in a burst: an honest forecast can't tell them apart."""
    assert verdict_of(failing(AT_H, fails_h=75.0)) == Verdict.NO_LAW


@pytest.mark.parametrize(
    ("gate", "shut"),
    [
        ({"evidence_min": 1e6}, Verdict.NO_LAW),
        ({"r_squared_min": 1.0}, Verdict.POOR_LINE),
        ({"rates_min": 100}, Verdict.BELOW_NOISE),
        ({"velocity_sigmas": 1e4}, Verdict.BELOW_NOISE),
        ({"past_velocity_ratio": 1e6}, Verdict.SEEN_BEFORE),
        ({"foresight_level": 1e-6}, Verdict.RECEDING),
    ],
)
def test_every_gate_can_shut(gate: dict[str, float], shut: Verdict) -> None:
    moved = failing(AT_H, fails_h=15.0)[np.newaxis]
    found = forecast(moved, instants(AT_H), settings=replace(SETTINGS, **gate))
    assert found.verdict[0] == shut


def test_nothing_is_asked_of_no_channel_or_no_bin() -> None:
    assert len(forecast(np.empty((0, 50)), instants(hours(50))).verdict) == 0
    none = forecast(np.empty((2, 0)), np.empty(0, np.int64))
    assert none.verdict.tolist() == [Verdict.TOO_LITTLE_DATA] * 2


def test_one_outlier_in_quiet_creep_is_no_failure() -> None:
    moved = noisy(0.05 * AT_H)
    moved[-1] += 50.0
    moved[120] -= 50.0
    assert not ask(moved).given[0]


def test_what_is_believed_of_alpha_beforehand_matters_where_noise_hides_it() -> None:
    """The lower α, the longer the end takes from the same acceleration."""
    moved = failing(AT_H, fails_h=15.0, noise=1.0)[np.newaxis]
    low, high = (
        forecast(moved, instants(AT_H), settings=replace(SETTINGS, alpha_mean=mean)).answers
        for mean in (1.5, 2.8)
    )
    assert low.alpha[0] < high.alpha[0]
    assert low.by_alpha_two_h[0] == pytest.approx(high.by_alpha_two_h[0], rel=0.2)


def test_of_two_windows_that_give_a_time_the_narrower_speaks() -> None:
    def answer(earliest: float, latest: float, verdict: Verdict) -> Answers:
        one = no_answers(1)
        one.verdict[0], one.fails_h[0] = verdict, (earliest * latest) ** 0.5
        one.earliest_h[0], one.latest_h[0] = earliest, latest
        return one

    held, channel = no_answers(1), np.array([0])
    for earliest, latest, verdict, told in [
        (np.nan, np.nan, Verdict.TOO_EARLY, np.nan),
        (10.0, 40.0, Verdict.FORECAST, 10.0),
        (5.0, 10.0, Verdict.FORECAST, 5.0),
        (8.0, 20.0, Verdict.FORECAST, 5.0),
        (np.nan, np.nan, Verdict.NO_LAW, 5.0),
    ]:
        take_better(held, channel, answer(earliest, latest, verdict))
        assert held.earliest_h[0] == pytest.approx(told, nan_ok=True)
    assert held.verdict[0] == Verdict.FORECAST


def test_noise_is_at_least_what_rounding_makes() -> None:
    flat = np.zeros((2, 50))
    assert bin_noise(flat, np.array([1.2, np.nan])).tolist() == [1.2 / 12**0.5, 0.0]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_verdict_has_words(language: str) -> None:
    assert set(REASONS[language]) == set(Verdict)


def test_words_tell_the_time_and_what_it_rests_on() -> None:
    found = ask(failing(AT_H, fails_h=15.0), noisy(0.5 * AT_H))
    assert reason(found, 0).startswith("Failure expected in 1")
    assert " hours from now (80 %)" in reason(found, 0)
    assert reason(found, 0, "zh").startswith("预计 1")
    wider = forecast(
        failing(AT_H, fails_h=15.0)[np.newaxis],
        instants(AT_H),
        settings=replace(SETTINGS, level=0.9),
    )
    assert " (90 %)" in reason(wider, 0)
    assert wider.answers.latest_h[0] > found.answers.latest_h[0]
    assert reason(found, 1) == "Not accelerating: it moves no faster than before."
