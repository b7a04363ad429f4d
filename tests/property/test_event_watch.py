"""What must hold for every catalogue: how it was cut and in which order it came is not seen."""

from typing import Any

import numpy as np
from event_plans import SOURCE
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from alarms.seismic.answers import EventJudgement
from alarms.seismic.catalogue import Catalogue
from alarms.seismic.judging import (
    EventWatch,
    begin_watch,
    judge_events,
    take_events,
    watch_of_arrays,
)
from telemetry.site import EventSource

HOUR_US = 3_600_000_000
UNTIL_H = 60
DETECTORS: list[dict[str, Any]] = [
    {"method": "event_rate", "window_h": 6, "background_h": 30, "levels": {"yellow": 1, "red": 3}},
    {"method": "energy_rate", "window_h": 3, "background_h": 36, "levels": {"yellow": 1}},
    {"method": "b_value", "window_h": 48, "levels": {"yellow": 1.5}},
    {
        "method": "reentry",
        "window_h": 24,
        "large_from": 1.0,
        "usual_per_h": 1.0,
        "levels": {"yellow": 1},
    },
]
DESCRIBED = [one | {"source": "Plan, 7"} for one in DETECTORS]
NETWORK = TypeAdapter(EventSource).validate_python(SOURCE | {"detectors": DESCRIBED})
NUMBERS = st.one_of(st.just(np.nan), st.floats(0.1, 2.0))


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    count = draw(st.integers(0, 80))
    at_h = draw(st.lists(st.integers(0, UNTIL_H * 60), min_size=count, max_size=count))
    numbers = st.lists(NUMBERS, min_size=count, max_size=count).map(np.array)
    return Catalogue(
        key=np.arange(count, dtype=np.int64),
        at_us=np.array(at_h, np.int64) * (HOUR_US // 60),
        magnitude=draw(numbers).astype(np.float64),
        energy_j=10.0 ** (2 * draw(numbers).astype(np.float64)),
        moment_nm=10.0 ** (8 + draw(numbers).astype(np.float64)),
    )


def watched(parts: list[Catalogue]) -> EventWatch:
    watch = begin_watch(-100 * HOUR_US)
    for part in parts:
        watch = take_events(watch, part, NETWORK, UNTIL_H * HOUR_US)
    return watch


def answers(watch: EventWatch) -> list[str]:
    """As words, so that NaN equals NaN."""
    _, judgements = judge_events(watch, NETWORK, UNTIL_H * HOUR_US)
    return [_words(one) for one in judgements]


def _words(one: EventJudgement) -> str:
    return repr((one.rule, one.answer, one.level, one.onset_us, one.statistic, one.figures))


@settings(max_examples=60)
@given(catalogues(), st.data())
def test_cuts_and_order_of_arrival_are_not_seen(events: Catalogue, data: st.DataObject) -> None:
    whole = watched([events])
    order = np.array(data.draw(st.permutations(range(len(events)))), np.intp)
    cut = data.draw(st.integers(0, len(events)))

    parts = watched([events.chosen(order[:cut]), events.chosen(order[cut:])])

    assert answers(parts) == answers(whole)


@settings(max_examples=40)
@given(catalogues())
def test_repetitions_and_checkpoints_change_nothing(events: Catalogue) -> None:
    whole = watched([events])
    assert answers(watched([events, events])) == answers(whole)
    assert answers(watch_of_arrays(whole.arrays())) == answers(whole)


@settings(max_examples=40)
@given(catalogues(), st.floats(0.5, 40))
def test_what_comes_after_an_instant_is_not_seen(events: Catalogue, more_h: float) -> None:
    later = Catalogue(
        np.array([10**6]),
        np.array([UNTIL_H * HOUR_US + round(more_h * HOUR_US)]),
        np.array([3.0]),
        np.array([1e9]),
        np.array([1e12]),
    )
    assert answers(watched([events, later])) == answers(watched([events]))
