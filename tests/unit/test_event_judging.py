"""Detectors of events: what each says of catalogues whose answer is known, and when nothing."""

from typing import Any

import numpy as np
import pytest
from event_plans import SOURCE
from numpy.typing import NDArray
from pydantic import TypeAdapter

from alarms.seismic.answers import Answer, EventJudgement
from alarms.seismic.catalogue import Catalogue, keys_of
from alarms.seismic.judging import (
    EventWatch,
    begin_watch,
    changed,
    judge_events,
    take_events,
    watch_of_arrays,
)
from telemetry.site import EventSource, Level

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
RIGIDITY_PA = SOURCE["convention"]["rigidity_pa"]
RATE = {"method": "event_rate", "window_h": 24, "background_h": 240, "levels": {"yellow": 3}}
ENERGY = RATE | {"method": "energy_rate"}
B = {"method": "b_value", "window_h": 240, "levels": {"yellow": 0.8, "red": 0.6}}
REENTRY = {
    "method": "reentry",
    "window_h": 48,
    "large_from": 1.5,
    "usual_per_h": 2.0,
    "levels": {"yellow": 1.0, "red": 10.0},
}
INDEX = {
    "method": "energy_index",
    "window_h": 48,
    "background_h": 240,
    "slope": 1.0,
    "intercept": -4.0,
    "levels": {"orange": 0.7},
}


def source(*detectors: dict[str, Any], **further: Any) -> EventSource:
    described = [one | {"source": "Rock mechanics plan, 7"} for one in detectors]
    return TypeAdapter(EventSource).validate_python(SOURCE | {"detectors": described} | further)


def catalogue(
    at_h: NDArray[np.float64] | list[float],
    magnitude: Any = None,
    energy_j: Any = None,
    moment_nm: Any = None,
    name: str = "e",
) -> Catalogue:
    count = len(at_h)

    def column(numbers: Any) -> NDArray[np.float64]:
        return np.full(count, np.nan) if numbers is None else np.asarray(numbers, np.float64)

    return Catalogue(
        keys_of(f"{name}{n}" for n in range(count)),
        np.rint(np.asarray(at_h) * HOUR_US).astype(np.int64),
        column(magnitude),
        column(energy_j),
        column(moment_nm),
    )


def watched(one: EventSource, events: Catalogue, at_h: float) -> EventWatch:
    return take_events(begin_watch(-1000 * HOUR_US), events, one, round(at_h * HOUR_US))


def asked(one: EventSource, events: Catalogue, at_h: float) -> EventJudgement:
    _, (judgement,) = judge_events(watched(one, events, at_h), one, round(at_h * HOUR_US))
    return judgement


def steady(per_h: float, until_h: float) -> NDArray[np.float64]:
    return np.arange(0.0, until_h, 1.0 / per_h)


def test_a_steady_rate_is_usual_and_a_tripled_one_is_not() -> None:
    usual = steady(1.0, 264)
    calm = asked(source(RATE), catalogue(usual), 264)
    assert (calm.answer, calm.level) == (Answer.JUDGED, Level.NONE)
    assert calm.figures == {"events": 24, "usual_events": 24.0}

    more = np.concatenate([usual, 240 + steady(2.0, 24) + 0.1])
    swarm = asked(source(RATE), catalogue(more), 264)
    assert swarm.level is Level.YELLOW
    # Matthews & Reasenberg: (72/24 - 240/240) / sqrt(3/24 + 1/240).
    assert swarm.statistic == pytest.approx(2.0 / np.sqrt(3 / 24 + 1 / 240))


def test_energy_is_compared_with_windows_of_equal_length() -> None:
    chance = np.random.default_rng(3)
    usual_j = 10.0 ** chance.normal(4.0, 0.3, 240)
    events = catalogue(np.arange(264.0), energy_j=np.concatenate([usual_j, np.full(24, 1e5)]))

    found = asked(source(ENERGY), events, 264)

    windows = np.log10(usual_j.reshape(10, 24).sum(axis=1))
    expected = (np.log10(24e5) - windows.mean()) / (windows.std(ddof=1) * np.sqrt(1.1))
    assert found.statistic == pytest.approx(expected)
    assert found.level is Level.YELLOW


def magnitudes(b: float, count: int, seed: int) -> NDArray[np.float64]:
    """Gutenberg and Richter from -1 on, rounded to a tenth."""
    drawn = np.random.default_rng(seed).exponential(1.0 / (b * np.log(10.0)), count)
    return np.round(-1.05 + drawn, 1)


@pytest.mark.parametrize("estimator", ["exact", "utsu", "positive"])
@pytest.mark.parametrize(
    ("b", "level"), [(1.2, Level.NONE), (0.65, Level.YELLOW), (0.4, Level.RED)]
)
def test_a_low_b_value_is_told_with_its_error(estimator: str, b: float, level: Level) -> None:
    at_h = np.linspace(1.0, 239.0, 3000)
    events = catalogue(at_h, magnitude=magnitudes(b, 3000, 5))

    found = asked(source(B | {"estimator": estimator}), events, 240)

    assert found.level is level
    assert float(found.figures["b"]) == pytest.approx(b, rel=0.08)
    assert found.statistic == pytest.approx(
        float(found.figures["b"]) + float(found.figures["error"]), abs=1e-3
    )


def test_fifty_events_are_the_least_for_a_b_value() -> None:
    events = catalogue(np.linspace(230, 239, 49), magnitude=magnitudes(0.4, 49, 5))
    assert asked(source(B), events, 240).answer is Answer.TOO_FEW


def softening(fall: float, faster: float) -> Catalogue:
    """Ten quiet days, then two in which energy falls behind moment, and moment grows."""
    at_h = np.concatenate([steady(1.0, 240), 240 + steady(2.0, 48)])
    part = np.clip((at_h - 240) / 48, 0.0, 1.0)
    moment = np.where(at_h < 240, 1e9, faster * 1e9)
    energy = moment * 10.0 ** (-4.0 - fall * part)
    return catalogue(at_h, energy_j=energy, moment_nm=moment)


def test_the_energy_index_must_fall_while_the_volume_grows() -> None:
    soft = asked(source(INDEX), softening(1.5, 3.0), 288)
    assert soft.level is Level.ORANGE
    assert soft.statistic == pytest.approx(1.5, abs=0.35)  # The median is of the last 20 events.

    assert asked(source(INDEX), softening(0.2, 3.0), 288).level is Level.NONE
    small = asked(source(INDEX), softening(1.5, 0.01), 288)
    assert (small.answer, small.level) == (Answer.JUDGED, Level.NONE)  # The volume hardly grows.


def test_the_convention_of_the_volume_is_said_and_counts() -> None:
    other = SOURCE["convention"] | {"apparent_volume": "m0_squared_over_mu_e"}
    usual = asked(source(INDEX), softening(0.5, 1.0), 288).figures
    twice = asked(source(INDEX, convention=other), softening(0.5, 1.0), 288).figures

    assert twice["apparent_volume"] == "m0_squared_over_mu_e"
    assert twice["apparent_volume_m3"] == pytest.approx(2 * float(usual["apparent_volume_m3"]))
    quiet_m3 = 48 * 1e9**2 / (2 * RIGIDITY_PA * 1e5)  # A day of an event an hour, M0²/(2 mu E).
    assert usual["usual_apparent_volume_m3"] == pytest.approx(quiet_m3, abs=1e-3)


def test_after_a_large_event_it_is_calm_when_the_rate_is_usual_again() -> None:
    # Omori with K = 20, c = 0.1 h, p = 1: n events until t are K ln((t + c) / c).
    after_h = 0.1 * np.expm1((np.arange(1, 120) - 0.5) / 20.0)
    at_h = np.concatenate([[100.0], 100.0 + after_h])
    events = catalogue(at_h, magnitude=np.concatenate([[2.4], np.full(119, 0.0)]))
    one = source(REENTRY)

    levels = [asked(one, events, at_h) for at_h in (100.8, 104.0, 130.0)]

    assert [judgement.level for judgement in levels] == [Level.RED, Level.YELLOW, Level.NONE]
    assert levels[0].figures["large_event_us"] == 100 * HOUR_US
    assert float(levels[1].figures["p"]) == pytest.approx(1.0, abs=0.1)
    assert float(levels[1].figures["reentry_after_h"]) == pytest.approx(9.9, rel=0.2)


def test_it_is_not_calm_at_once_though_nothing_has_followed() -> None:
    events = catalogue([99.0, 100.0], magnitude=[0.0, 2.4])
    assert asked(source(REENTRY), events, 100.5).level is Level.YELLOW
    assert asked(source(REENTRY), events, 101.5).level is Level.NONE


def test_what_was_not_listened_to_is_not_judged() -> None:
    one = source(RATE)
    late = take_events(begin_watch(100 * HOUR_US), catalogue(steady(1.0, 264)), one, 264 * HOUR_US)
    _, (found,) = judge_events(late, one, 264 * HOUR_US)
    assert (found.answer, found.level) == (Answer.WARMING_UP, Level.NONE)


def test_silence_neither_raises_nor_clears() -> None:
    one = source(RATE)
    events = catalogue(np.concatenate([steady(1.0, 240), 240 + steady(3.0, 24)]))
    watch, (raised,) = judge_events(watched(one, events, 264), one, 264 * HOUR_US)
    assert raised.level is Level.YELLOW
    # A day and an hour later not one event more: who knows whether anybody listens?
    later_us = 289 * HOUR_US
    after, (found,) = judge_events(take_events(watch, catalogue([]), one, later_us), one, later_us)
    assert (found.answer, found.level) == (Answer.SILENT, Level.YELLOW)
    assert found.onset_us == raised.onset_us
    assert changed(watch, [found]) == ()
    # One more event tells that somebody does: now it is quiet indeed.
    more = take_events(after, catalogue([289.5], name="later"), one, 290 * HOUR_US)
    _, (cleared,) = judge_events(more, one, 290 * HOUR_US)
    assert (cleared.answer, cleared.level) == (Answer.JUDGED, Level.NONE)
    assert [gone.level for gone in changed(more, [cleared])] == [Level.NONE]


def test_a_level_ends_below_its_bound_less_the_deadband() -> None:
    one = source(RATE | {"deadband": 1.0})
    events = catalogue(np.concatenate([steady(1.0, 240), 240 + steady(3.0, 24)]))
    watch, (raised,) = judge_events(watched(one, events, 264), one, 264 * HOUR_US)
    assert raised.statistic > 3.0
    # The same again with less in the window: above the end, though below the bound.
    fewer = catalogue(np.concatenate([steady(1.0, 240), 240 + steady(1.75, 24)]))
    held = EventWatch(watched(one, fewer, 264).watched, watch.standing)
    _, (found,) = judge_events(held, one, 264 * HOUR_US)
    assert 2.0 < found.statistic < 3.0
    assert found.level is Level.YELLOW
    assert judge_events(watched(one, fewer, 264), one, 264 * HOUR_US)[1][0].level is Level.NONE


def test_a_corrected_event_takes_the_place_of_the_one_before() -> None:
    one = source(REENTRY)
    first = catalogue([100.0], magnitude=[2.4])
    corrected = catalogue([100.0], magnitude=[0.4])  # The same id.
    watch = take_events(watched(one, first, 100.5), corrected, one, round(100.5 * HOUR_US))
    assert len(watch.watched.events) == 1
    _, (found,) = judge_events(watch, one, round(100.5 * HOUR_US))
    assert found.level is Level.NONE


def test_a_checkpoint_brings_back_what_was_known() -> None:
    one = source(RATE, REENTRY)
    at_h = np.concatenate([steady(1.0, 240), 240 + steady(3.0, 24)])
    watch = watched(one, catalogue(at_h, magnitude=np.full(len(at_h), 1.6)), 264)
    watch, judgements = judge_events(watch, one, 264 * HOUR_US)
    assert [found.level for found in judgements] == [Level.YELLOW, Level.YELLOW]

    back = watch_of_arrays(watch.arrays())

    assert back.standing == watch.standing
    assert judge_events(back, one, 265 * HOUR_US)[1] == judge_events(watch, one, 265 * HOUR_US)[1]
