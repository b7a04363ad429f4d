"""Screens: what is not believed, what is after all, and that a replay comes to the same."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engine_sites import BEGAN_US, MINUTE_US, SECOND_US, Watch, channel, limit, plan, scans
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alarms.checkpoint import decode, encode
from alarms.transition import AlarmKind, Change
from telemetry.quality import Quality
from telemetry.scan import JudgedScans

SPIKE = {"spike": {"most_per_hour": 6.0, "believed_after": 3}}  # 0.1 a minute.
OUTLIER = {"outlier": {"readings": 7, "sigmas": 3.0, "believed_after": 4}}
FROZEN = {"frozen": {"after_s": 600.0}}


def watch_of(screen: dict[str, Any], **words: Any) -> Watch:
    words = {"resolution": 0.01, "limits": [limit(yellow=8.0)], **words}
    return Watch(plan({"a": [channel("a0", 0, screen=screen, **words), channel("a1", 1)]}))


def rows(values: list[float], *, at_us: NDArray[np.int64] | None = None) -> JudgedScans:
    instants = BEGAN_US + np.arange(len(values)) * MINUTE_US if at_us is None else at_us
    return scans(0, instants, np.stack([np.array(values), np.full(len(values), 1.0)], axis=1))


def said(screen: dict[str, Any], values: list[float], **words: Any) -> list[int]:
    """What the screens say of each reading of the screened channel."""
    outcome = watch_of(screen, **words).flush(rows(values))
    quality = outcome.screened.get(0, np.zeros((len(values), 2), np.int16))
    assert (quality[:, 1] == 0).all()  # Nobody screens the other one.
    return [int(one) for one in quality[:, 0]]


def test_a_spike_that_returns_is_not_believed() -> None:
    assert said(SPIKE, [5.0, 5.05, 9.0, 5.1, 5.1]) == [0, 0, Quality.SPIKE, 0, 0]
    assert said(SPIKE, [5.0, 9.0, 1.0, 5.1]) == [0, Quality.SPIKE, Quality.SPIKE, 0]


def test_a_leap_that_stays_is_believed_after_some_readings() -> None:
    doubted = int(Quality.SPIKE)
    assert said(SPIKE, [5.0, 9.0, 9.05, 9.0, 9.1]) == [0, doubted, doubted, 0, 0]


def test_ground_that_accelerates_is_believed_however_fast_it_is() -> None:
    course = [5.0, 5.3, 6.0, 7.2, 9.5, 14.0, 25.0]
    doubted = int(Quality.SPIKE)
    assert said(SPIKE, course) == [0, doubted, doubted, 0, doubted, doubted, 0]


def test_a_movement_that_slow_readings_allow_is_no_leap() -> None:
    watch = watch_of(SPIKE)
    at_us = BEGAN_US + np.array([0, 60, 61]) * MINUTE_US
    outcome = watch.flush(rows([0.0, 5.9, 6.0], at_us=at_us))
    assert outcome.screened == {}


def test_an_outlier_stands_apart_from_those_before_it() -> None:
    quiet = [5.0, 5.02, 4.98, 5.01, 4.99, 5.0, 5.01]
    assert said(OUTLIER, [*quiet, 5.6, 5.0]) == [0] * 7 + [Quality.OUTLIER, 0]
    # Before the window is full nobody stands apart.
    assert said(OUTLIER, [5.0, 5.0, 9.0, 5.0]) == [0] * 4


def test_a_new_course_is_no_outlier_for_long() -> None:
    quiet = [5.0, 5.02, 4.98, 5.01, 4.99, 5.0, 5.01]
    found = said(OUTLIER, [*quiet, *[7.0] * 6])
    assert found == [0] * 7 + [Quality.OUTLIER] * 3 + [0] * 3
    # On alternate sides none is believed, until they are the larger part of the window.
    swings = said(OUTLIER, [*quiet, 9.0, 1.0, 9.0, 1.0])
    assert swings == [0] * 7 + [Quality.OUTLIER] * 3 + [0]


def test_a_value_that_repeats_is_an_outlier_only_beyond_its_resolution() -> None:
    assert said(OUTLIER, [5.0] * 8 + [5.03]) == [0] * 9
    assert said(OUTLIER, [5.0] * 8 + [5.04]) == [0] * 8 + [Quality.OUTLIER]


def test_an_instrument_that_shows_the_same_for_too_long_is_frozen() -> None:
    found = said(FROZEN, [5.0] * 13 + [5.1, 5.1])
    assert found == [0] * 10 + [Quality.FROZEN] * 3 + [0] * 2
    # Less than half a resolution away is the same.
    assert said(FROZEN, [5.0, 5.004, 4.996] * 5)[10:] == [Quality.FROZEN] * 5


def test_what_a_pond_may_repeat_is_not_frozen() -> None:
    pond = {"frozen": {"after_s": 2 * 24 * 3600.0}}
    assert said(pond, [5.0] * 400) == [0] * 400


def test_silence_is_no_frost() -> None:
    watch = watch_of(FROZEN)
    at_us = BEGAN_US + np.array([0, 1, 2, 200, 201, 202]) * MINUTE_US
    assert watch.flush(rows([5.0] * 6, at_us=at_us)).screened == {}


def test_what_is_not_believed_raises_no_alarm_and_keeps_its_number() -> None:
    watch = watch_of(SPIKE)
    sent = rows([5.0, 9.0, 5.0, 5.0])
    watch.flush(sent)
    assert watch.told == []
    assert sent.value[1, 0] == 9.0
    # Without the screen it would have been one.
    bare = watch_of({})
    bare.flush(sent)
    assert [one.change for one in bare.told] == [Change.RAISE, Change.CLEAR]


def test_a_frozen_instrument_is_a_technical_alarm_that_says_so() -> None:
    watch = watch_of(FROZEN)
    watch.flush(rows([5.0] * 20 + [5.1, 5.2, 5.3]))
    raised, cleared = watch.told
    assert (raised.kind, raised.rule, raised.change) == (
        AlarmKind.TECHNICAL,
        "quality",
        Change.RAISE,
    )
    assert raised.evidence["reason"] == "frozen"
    assert cleared.change is Change.CLEAR


def test_all_screens_pass_over_what_another_has_caught() -> None:
    screen = {**SPIKE, **OUTLIER, "frozen": {"after_s": 600.0}}
    quiet = [5.0, 5.02, 4.98, 5.01, 4.99, 5.0, 5.01]
    assert said(screen, [*quiet, 9.0, 5.0]) == [0] * 7 + [Quality.SPIKE, 0]


VALUES = st.one_of(
    st.just(np.nan), st.sampled_from([5.0, 5.0, 5.0, 5.01, 5.2, 9.0]), st.floats(0.0, 10.0)
)


@given(
    values=st.lists(VALUES, min_size=1, max_size=60),
    steps=st.lists(st.sampled_from([30, 60, 60, 60, 3600]), min_size=60, max_size=60),
    cuts=st.lists(st.integers(1, 59), max_size=8),
)
def test_a_replay_of_what_was_stored_says_the_same_however_it_is_cut(
    values: list[float], steps: list[int], cuts: list[int]
) -> None:
    screen = {**SPIKE, **OUTLIER, **FROZEN}
    at_us = BEGAN_US + np.cumsum(steps[: len(values)]) * SECOND_US
    sent = rows(values, at_us=at_us)
    watch = watch_of(screen)
    outcome = watch.flush(sent)
    stored = replace(sent, quality=outcome.screened.get(0, sent.quality))

    replayed = watch_of(screen)
    qualities = []
    ends = [*sorted({cut for cut in cuts if cut < len(values)}), len(values)]
    for begin, end in zip([0, *ends], ends, strict=False):
        part = replace(
            stored,
            **{
                name: getattr(stored, name)[begin:end]
                for name in ("sampled_us", "judged_us", "raw", "value", "quality")
            },
        )
        found = replayed.flush(part)
        qualities.append(found.screened.get(0, part.quality))
        replayed.state = decode(replayed.engine, encode(replayed.engine, replayed.state))
    np.testing.assert_array_equal(np.concatenate(qualities), stored.quality)
    assert replayed.told == watch.told


def test_a_scan_that_is_out_of_order_keeps_the_quality_that_it_was_sent_with() -> None:
    watch = watch_of(SPIKE)
    at_us = BEGAN_US + np.array([0, 1, 1, 2]) * MINUTE_US
    sent = rows([5.0, 9.0, 9.5, 5.0], at_us=at_us)
    quality = watch.flush(sent).screened[0]
    assert quality[:, 0].tolist() == [0, Quality.SPIKE, 0, 0]


@pytest.mark.parametrize("wrong", [{"believed_after": 1}, {"most_per_hour": 0.0}, {"sigma": 3}])
def test_a_screen_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="screen"):
        watch_of({"spike": {"most_per_hour": 1.0, **wrong}})
