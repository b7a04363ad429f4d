"""Slow methods through the slow judge: what they believe of records whose truth is known."""

from typing import Any

import numpy as np
import pytest
from engine_sites import BEGAN_US, HOUR_US, channel, limit, plan, scans

from alarms.slow.judge import SlowJudge, SlowOutcome
from alarms.slow.state import (
    SlowCheckpointError,
    SlowState,
    carried_over,
    decode_slow,
    encode_slow,
)
from alarms.transition import AlarmKind
from telemetry.plan import SitePlan

DAY_US = 24 * HOUR_US


def site(*channels: dict[str, Any], period_s: float = 86_400.0) -> SitePlan:
    return plan({"a": list(channels)}, period_s=period_s)


def trend(method: str, **words: Any) -> dict[str, Any]:
    return limit(words.pop("direction", "high"), method=method, **words)


def judged(of: SitePlan, value: np.ndarray, step_us: int) -> tuple[SlowState, SlowOutcome]:
    judge = SlowJudge(of)
    state = judge.initial_state()
    at_us = BEGAN_US + np.arange(len(value)) * step_us
    outcome = judge.step(state, [scans(0, at_us, value)])
    assert not outcome.failed
    return state, outcome


def dam(days: int, *, step_day: int, step: float, seed: int = 1) -> np.ndarray:
    """A pressure that follows level and season, and a level; one step that neither explains."""
    chance = np.random.default_rng(seed)
    day = np.arange(days)
    level = 100.0 + 5.0 * np.sin(2 * np.pi * day / 365.25) + chance.normal(0, 1, days).cumsum() / 20
    season = 3.0 * np.cos(2 * np.pi * day / 365.25)
    pressure = 50.0 + 2.0 * (level - 100.0) + season + chance.normal(0, 0.3, days)
    pressure[step_day:] += step
    return np.stack([pressure, level], axis=1)


def hydrostatic(**words: Any) -> dict[str, Any]:
    fit = {"level_channel": "level", "learn_days": 730.0, "yellow": 4.0, "on_delay_s": 2 * 86_400.0}
    return trend("hydrostatic", **{**fit, **words})


def test_what_water_and_season_explain_is_no_alarm_and_a_step_is() -> None:
    of = site(channel("pressure", 0, trends=[hydrostatic()]), channel("level", 1))
    quiet = judged(of, dam(1200, step_day=1200, step=0.0), DAY_US)[1]
    state, moved = judged(of, dam(1200, step_day=1000, step=3.0), DAY_US)

    assert quiet.beliefs == []
    (belief,) = moved.beliefs
    assert (belief.level, belief.rule) == (2, "hydrostatic_high_v1")
    assert (belief.at_us - BEGAN_US) // DAY_US in range(1002, 1010)
    assert belief.evidence["fit_version"] == 1
    assert belief.evidence["residual"] == pytest.approx(3.0, abs=1.0)
    assert state.fits[0].validity.version == 1


def test_a_fit_is_made_once_and_outlives_another_file_but_not_another_version() -> None:
    of = site(channel("pressure", 0, trends=[hydrostatic()]), channel("level", 1))
    state, _ = judged(of, dam(1200, step_day=1000, step=3.0), DAY_US)
    kept = encode_slow(of, SlowJudge(of).rules, state)
    more = [hydrostatic(), hydrostatic(direction="low")]
    wider = site(channel("pressure", 0, trends=more), channel("level", 1))
    anew = site(channel("pressure", 0, trends=[hydrostatic(version=2)]), channel("level", 1))
    states = []
    for other in (wider, anew):
        rules = SlowJudge(other).rules
        fresh = SlowJudge(other).initial_state()
        carried_over(rules, kept, fresh)
        states.append(fresh)
        with pytest.raises(SlowCheckpointError, match="other rules"):
            decode_slow(other, rules, kept)

    assert sorted(states[0].fits) == [0]
    assert states[0].believed.tolist() == [2, 0]
    assert states[1].fits == {}
    assert states[1].believed.tolist() == [0]


def test_an_expired_fit_judges_and_says_so() -> None:
    words = hydrostatic(valid_days=100.0)
    of = site(channel("pressure", 0, trends=[words]), channel("level", 1))
    (belief,) = judged(of, dam(1300, step_day=1200, step=3.0), DAY_US)[1].beliefs

    assert belief.evidence["expired"]


def rainy(hours: int, wet: slice, mm_per_h: float) -> np.ndarray:
    rain = np.zeros(hours)
    rain[wet] = mm_per_h
    return rain.reshape(-1, 1)


def test_rain_of_three_days_and_of_those_before_crosses_the_line_of_seattle() -> None:
    words = trend(
        "recent_rain", reads="amount", intercept_mm=88.9, slope=0.67, yellow=0.0, deadband=5.0
    )
    of = site(channel("rain", 0, unit="mm", trends=[words]), period_s=3_600.0)
    dry = judged(of, rainy(600, slice(500, 548), 1.5), HOUR_US)[1].beliefs
    wet_before = rainy(600, slice(500, 548), 1.5) + rainy(600, slice(400, 424), 3.0)

    after_rain = judged(of, wet_before, HOUR_US)[1].beliefs

    assert dry == []  # 72 mm alone are below 88.9.
    assert [one.level for one in after_rain][:1] == [2]  # And above it after 72 mm before.


def test_the_antecedent_index_remembers_what_fell() -> None:
    words = trend("antecedent_rain", reads="amount", kept_a_day=0.85, days=30, orange=100.0)
    of = site(channel("rain", 0, unit="mm", trends=[words]), period_s=3_600.0)
    told = judged(of, rainy(60 * 24, slice(40 * 24, 44 * 24), 2.0), HOUR_US)[1].beliefs

    # 48 mm a day: 48, 88.8, 123.5 after the third day, 153; then 130, 110.5, 93.9.
    assert [(one.level, (one.at_us - BEGAN_US) // DAY_US) for one in told] == [(3, 43), (0, 47)]


def test_a_counter_that_begins_anew_is_no_rain() -> None:
    words = trend(
        "intensity_duration", reads="counter", coefficient_mm_per_h=14.82, exponent=-0.39,
        shortest_h=0.167, longest_h=48.0, bin_s=3_600.0, yellow=1.0,
    )  # fmt: skip
    of = site(channel("rain", 0, unit="mm", trends=[words]), period_s=3_600.0)
    counter = np.cumsum(rainy(200, slice(100, 103), 0.5), axis=0) + 500.0
    counter[150:] -= 501.5  # The logger was changed.

    assert judged(of, counter, HOUR_US)[1].beliefs == []


def test_of_three_that_should_agree_the_one_that_drifts_is_named_as_an_instrument() -> None:
    chance = np.random.default_rng(3)
    common = chance.normal(0.0, 1.0, (600, 1)).cumsum(axis=0) / 10
    value = common + chance.normal(0.0, 0.05, (600, 3))
    value[300:, 1] += np.arange(300) * 0.02
    names = ("one", "two", "three")
    of = site(
        *(
            channel(
                name,
                n,
                drift={
                    "against": [other for other in names if other != name],
                    "tolerance": 1.0,
                    "window_s": 96 * 3_600.0,
                    "bin_s": 3_600.0,
                },
            )
            for n, name in enumerate(names)
        ),
        period_s=3_600.0,
    )
    judge = SlowJudge(of)
    told = judged(of, value, HOUR_US)[1].beliefs

    assert {one.channel for one in told} == {"two"}
    assert all(rule.kind is AlarmKind.TECHNICAL for rule in judge.rules.rules)
    assert told[0].level == 2


def test_a_forecast_that_cannot_be_told_any_more_ends_no_alarm() -> None:
    """The slope accelerates, is given a time, then jumps about as it breaks: the alarm stays."""
    words = limit("low", method="failure_time", red=12.0, bin_s=3_600.0)
    of = site(channel("crack", 0, unit="mm", resolution=0.01, trends=[words]), period_s=3_600.0)
    chance = np.random.default_rng(2)
    left = np.maximum(1.02 - np.arange(400) / 400, 1e-3)
    crack = -20.0 * np.log(left) + chance.normal(0.0, 0.02, 400)
    # At the fourth of these the time recedes, and nothing is told: see `alarms.forecast.verdict`.
    broken = np.concatenate([crack, crack[-1] + np.array([5.0, 40.0, 20.0, 80.0, 50.0, 130.0])])
    told = judged(of, broken.reshape(-1, 1), HOUR_US)[1].beliefs

    assert [one.level for one in told] == [4]


def test_a_method_that_raises_is_left_out_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_asked: object) -> None:
        raise ZeroDivisionError("planned")

    both = [
        trend("rate", window_s=86_400.0, bin_s=3_600.0, blue=1.0),
        trend("theil_sen", window_s=86_400.0, bin_s=3_600.0, blue=1.0),
    ]
    of = site(channel("c", 0, trends=both), period_s=3_600.0)
    judge = SlowJudge(of)
    monkeypatch.setitem(judge.methods, "theil_sen", fails)
    state = judge.initial_state()
    at_us = BEGAN_US + np.arange(100) * HOUR_US
    outcome = judge.step(state, [scans(0, at_us, 2.0 * np.arange(100.0))])

    assert {one.rule for one in outcome.beliefs} == {"trend_rate_high_86400"}
    assert {method for method, _ in outcome.failed} == {"theil_sen"}
    assert "planned" in outcome.failed[0][1]
