"""What a back-test makes of alarms: lives, chatter, floods, lead times, differences, charts."""

import re
from collections.abc import Iterable
from datetime import UTC
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from engine_sites import BEGAN_US, HOUR_US, MINUTE_US, SECOND_US, channel, limit, plan, scans
from hypothesis import given
from hypothesis import strategies as st

from alarms.backtest.chart import Bound, Chart, Span, svg_of
from alarms.backtest.comparison import compare
from alarms.backtest.envelope import Envelope
from alarms.backtest.figures import Bounds, figures_of, floods_in, in_chatter
from alarms.backtest.known_events import (
    KnownEvent,
    KnownEventsError,
    announcements,
    events_in,
)
from alarms.backtest.lives import AlarmLife, LifeBook
from alarms.engine import SiteEngine
from alarms.transition import AlarmKind, Inputs
from telemetry.site import Level

DAY_US = 24 * HOUR_US
PLAN = plan(
    {
        "group": [
            channel("level", 0, limits=[limit(blue=10.0, yellow=20.0, orange=30.0)]),
            channel("other", 1, limits=[limit("low", red=-5.0)]),
        ]
    }
)


def life(
    begin_h: float,
    end_h: float | None,
    level: Level = Level.ORANGE,
    *,
    of: str = "level",
    structure: str = "dam",
) -> AlarmLife:
    return AlarmLife(
        AlarmKind.PROCESS,
        structure,
        of,
        "limit_high",
        [(BEGAN_US + round(begin_h * HOUR_US), level)],
        None if end_h is None else BEGAN_US + round(end_h * HOUR_US),
    )


def lives_of(values: Iterable[float], *, from_minute: int = 0) -> list[AlarmLife]:
    rows = [[value, 0.0] for value in values]
    at_us = BEGAN_US + np.arange(len(rows)) * MINUTE_US
    engine = SiteEngine(PLAN)
    outcome = engine.step(engine.initial_state(), Inputs(scans=(scans(0, at_us, rows),)))
    book = LifeBook(BEGAN_US + from_minute * MINUTE_US, BEGAN_US + len(rows) * MINUTE_US)
    book.take(outcome.transitions)
    return book.close()


def test_a_life_is_from_raise_to_clear_with_its_levels() -> None:
    first, second = lives_of([0.0, 12.0, 25.0, 12.0, 0.0, 0.0, 31.0])
    minutes = [((at_us - BEGAN_US) // MINUTE_US, level.name) for at_us, level in first.steps]
    assert minutes == [(1, "BLUE"), (2, "YELLOW"), (3, "BLUE")]
    assert first.ended_us == BEGAN_US + 4 * MINUTE_US
    assert first.worst is Level.YELLOW
    # A rise that skips levels is told level by level, at one instant.
    assert [level.name for _, level in second.steps] == ["BLUE", "YELLOW", "ORANGE"]
    assert second.ended_us is None
    assert second.first_us(Level.YELLOW) == BEGAN_US + 6 * MINUTE_US
    assert list(second.stretches(BEGAN_US + 7 * MINUTE_US)) == [
        (BEGAN_US + 6 * MINUTE_US, BEGAN_US + 7 * MINUTE_US, Level.ORANGE)
    ]


def test_what_was_over_before_the_span_is_left_out_and_what_stands_is_cut() -> None:
    lives = lives_of([12.0, 0.0, 25.0, 25.0, 25.0, 0.0], from_minute=4)
    assert len(lives) == 1
    figures = figures_of(lives, BEGAN_US + 4 * MINUTE_US, BEGAN_US + 6 * MINUTE_US, Bounds(), UTC)
    assert figures.alarms == 0  # It was raised before.
    assert figures.by_channel["level"].time_s == {Level.YELLOW: 60.0}


def test_alarms_are_counted_by_the_days_of_the_site() -> None:
    lives = [life(15.0, 15.5), life(17.0, 17.5, Level.BLUE)]  # 23:00 and 01:00 in Shanghai.
    zone = ZoneInfo("Asia/Shanghai")
    figures = figures_of(lives, BEGAN_US, BEGAN_US + DAY_US, Bounds(), zone)
    assert {day: list(of) for day, of in figures.by_day.items()} == {
        "2025-07-01": ["level"],
        "2025-07-02": ["level"],
    }
    assert figures.by_level == {Level.ORANGE: 1, Level.BLUE: 1}
    assert figures.time_s[Level.ORANGE] == 1800.0


def test_what_stands_for_more_than_a_day_is_stale() -> None:
    lives = [life(0.0, 24.0), life(30.0, 54.1), life(60.0, None)]
    figures = figures_of(lives, BEGAN_US, BEGAN_US + 90 * HOUR_US, Bounds(), UTC)
    assert figures.by_channel["level"].stale == 2
    assert figures.by_channel["level"].longest_s == 30 * 3600.0


@given(
    seconds=st.lists(st.integers(0, 2_000), max_size=30),
    raises=st.integers(2, 4),
    window=st.integers(1, 90),
)
def test_chatter_is_what_its_definition_says(seconds: list[int], raises: int, window: int) -> None:
    at = np.sort(np.array(seconds, np.int64))
    bounds = Bounds(chatter_raises=raises, chatter_window_s=float(window))
    plainly = [
        any(
            begin <= one <= begin + window
            and np.sum((at >= begin) & (at <= begin + window)) >= raises
            for begin in at
        )
        for one in at
    ]
    assert in_chatter(at * SECOND_US, bounds).tolist() == plainly


def test_a_flood_begins_above_ten_in_ten_minutes_and_ends_below_five() -> None:
    burst = np.arange(12) * 30  # Twelve in six minutes.
    trickle = 400 + np.arange(8) * 110  # Enough to keep it going: more than five in ten minutes.
    later = np.array([5_000, 9_000])
    floods = floods_in(np.concatenate([burst, trickle, later]) * SECOND_US, Bounds())
    (flood,) = floods
    assert (flood.begin_us, flood.end_us) == (0, (400 + 7 * 110) * SECOND_US)
    assert flood.alarms == 20
    assert floods_in(np.arange(30) * 60 * SECOND_US, Bounds()) == []  # Ten in ten minutes.


CSV = "name,begins_at,channel,structure\n"


def test_known_events_are_read_and_complaints_name_their_lines() -> None:
    text = f"{CSV}slide,2025-07-02T08:00:00+08:00,level,\nseepage,2025-07-01,,dam\n"
    assert events_in(text, "known.csv", PLAN) == [
        KnownEvent("seepage", BEGAN_US, None, "dam"),
        KnownEvent("slide", BEGAN_US + DAY_US, "level", None),
    ]
    bad = f"{CSV}a,yesterday,level,\nb,2025-07-01,,\nc,2025-07-01,x,\nd,2025-07-01\n"
    with pytest.raises(KnownEventsError) as caught:
        events_in(bad, "known.csv", PLAN)
    lines = str(caught.value).splitlines()
    assert [line.split(" ")[0] for line in lines] == [f"known.csv:{n}:" for n in (2, 3, 4, 5)]
    with pytest.raises(KnownEventsError, match="the columns are a, b"):
        events_in("a,b\n", "known.csv", PLAN)


def event(at_h: float, *, on: str | None = "level", structure: str | None = None) -> KnownEvent:
    return KnownEvent("slide", BEGAN_US + round(at_h * HOUR_US), on, structure)


def told(lives: list[AlarmLife], *events: KnownEvent) -> tuple[list[float | None], int]:
    found = announcements(
        lives, events, from_us=BEGAN_US, to_us=BEGAN_US + 30 * DAY_US, horizon_us=DAY_US
    )
    leads = [None if one.lead_s is None else one.lead_s / 3600 for one in found.detections]
    return leads, len(found.false_alarms)


def test_the_lead_is_from_the_first_alarm_of_orange_within_the_horizon() -> None:
    assert told([life(50.0, 51.0), life(55.0, 56.0)], event(60.0)) == ([10.0], 0)
    assert told([life(50.0, 70.0, Level.YELLOW)], event(60.0)) == ([None], 0)
    assert told([life(50.0, 70.0, of="other")], event(60.0)) == ([None], 1)
    assert told([life(50.0, 70.0, of="other")], event(60.0, on=None, structure="dam")) == (
        [10.0],
        0,
    )
    # One that stood before the horizon announces it for at least as long.
    assert told([life(1.0, 59.0)], event(60.0)) == ([24.0], 0)
    # One that had ended before the horizon is a false alarm.
    assert told([life(1.0, 30.0)], event(60.0)) == ([None], 1)


def test_an_alarm_after_the_beginning_announces_nothing_but_is_not_false() -> None:
    found = announcements(
        [life(61.0, 62.0), life(100.0, 101.0)],
        [event(60.0)],
        from_us=BEGAN_US,
        to_us=BEGAN_US + 30 * DAY_US,
        horizon_us=DAY_US,
    )
    assert found.detections[0].lead_s is None
    assert found.detections[0].after_s == 3600.0
    assert [one.raised_us for one in found.false_alarms] == [BEGAN_US + 100 * HOUR_US]


def test_a_rise_to_orange_is_when_the_announcement_counts() -> None:
    one = life(50.0, None, Level.BLUE)
    one.steps.append((BEGAN_US + 58 * HOUR_US, Level.RED))
    assert told([one], event(60.0)) == ([2.0], 0)


def test_two_back_tests_are_compared_alarm_by_alarm() -> None:
    first = [life(1, 2), life(5, 6), life(10, 11), life(20, 21, of="other")]
    other = [life(1, 3), life(5.5, 6), life(15, 16), life(20, 21, Level.RED, of="other")]
    found = compare(first, other)
    assert found.same == 1
    assert [(a.raised_us, b.raised_us) for a, b in found.moved] == [
        (BEGAN_US + 5 * HOUR_US, BEGAN_US + round(5.5 * HOUR_US)),
        (BEGAN_US + 20 * HOUR_US, BEGAN_US + 20 * HOUR_US),
    ]
    assert [one.raised_us for one in found.removed] == [BEGAN_US + 10 * HOUR_US]
    assert [one.raised_us for one in found.added] == [BEGAN_US + 15 * HOUR_US]
    assert found.by_channel == {
        "level": {"moved": 1, "removed": 1, "added": 1},
        "other": {"moved": 1},
    }


@given(
    st.lists(st.integers(1, 9), max_size=12),
    st.lists(st.integers(1, 9), max_size=12),
)
def test_no_alarm_is_lost_in_a_comparison(gaps: list[int], others: list[int]) -> None:
    def row(steps: list[int]) -> list[AlarmLife]:
        at = np.cumsum(steps).tolist()
        return [life(begin, begin + 0.5) for begin in at]

    first, other = row(gaps), row(others)
    found = compare(first, other)
    assert found.same + len(found.moved) + len(found.removed) == len(first)
    assert found.same + len(found.moved) + len(found.added) == len(other)
    mirrored = compare(other, first)
    assert (mirrored.same, len(mirrored.added)) == (found.same, len(found.removed))


def test_an_envelope_does_not_see_how_scans_were_cut() -> None:
    chance = np.random.default_rng(2)
    at_us = BEGAN_US + np.sort(chance.choice(DAY_US, 3_000, replace=False))
    value = chance.standard_normal((3_000, 2))
    value[chance.random((3_000, 2)) < 0.1] = np.nan
    whole, cut = (Envelope(PLAN, BEGAN_US, BEGAN_US + DAY_US // 2) for _ in range(2))
    whole.take(PLAN, scans(0, at_us, value))
    for begin in range(0, 3_000, 77):
        end = min(begin + 77, 3_000)
        cut.take(PLAN, scans(0, at_us[begin:end], value[begin:end]))
    for key, slot in (("level", 0), ("other", 1)):
        low, high = cut.of(key)
        np.testing.assert_array_equal(whole.of(key), (low, high))
        seen = value[at_us < BEGAN_US + DAY_US // 2, slot]
        assert np.nanmin(low) == np.float32(np.nanmin(seen))
        assert np.nanmax(high) == np.float32(np.nanmax(seen))


def test_a_chart_is_whole_and_names_no_address() -> None:
    low = np.array([1.0, np.nan, 2.0, 3.0], np.float32)
    chart = Chart(
        from_us=BEGAN_US,
        to_us=BEGAN_US + DAY_US,
        low=low,
        high=low + np.float32(1.0),
        bounds=[Bound(3.5, Level.YELLOW, dashed=False), Bound(1e9, Level.RED, dashed=True)],
        lanes=[[Span(BEGAN_US, BEGAN_US + HOUR_US, Level.RED, "<script>")]],
        events=[(BEGAN_US + HOUR_US, "slide & fall")],
        zone=ZoneInfo("Asia/Shanghai"),
    )
    text = svg_of(chart)
    root = ET.fromstring(text)
    titles = [one.text for one in root.iter() if one.tag == "title"]
    assert titles == ["3.5", "<script>", "slide & fall"]
    assert not re.search(r"https?:|href|url\(|src=", text)
    labels = [one.text for one in root.iter() if one.tag == "text"]
    assert "07-01 12:00" in labels
    empty = Chart(BEGAN_US, BEGAN_US + 1, low * np.nan, low * np.nan, [], [[]], [], ZoneInfo("UTC"))
    ET.fromstring(svg_of(empty))
