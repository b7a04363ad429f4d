"""One step of the engine: what each input leads to, and what it must not lead to."""

import json

import numpy as np
import pytest
from engine_sites import BEGAN_US, MINUTE_US, Watch, calculated, channel, limit, plan, scans

from alarms.transition import Acknowledgement, AlarmKind, AlarmState, Change, Happening, Silence
from telemetry.quality import Quality
from telemetry.scan import JudgedScans
from telemetry.site import Level

STATES = {
    0: {"name": {"en": "stopped", "zh": "停止"}, "level": "red"},
    1: {"name": {"en": "running", "zh": "运行"}},
    2: {"name": {"en": "slow", "zh": "慢速"}, "level": "yellow"},
}


def minute(number: float) -> int:
    return BEGAN_US + round(number * MINUTE_US)


def at(number: float, *values: float, group: int = 0) -> JudgedScans:
    return scans(group, [minute(number)], [values])


def with_quality(number: float, *quality: Quality, group: int = 0) -> JudgedScans:
    """A scan in which each reading is 1, and as good or bad as it says."""
    return scans(group, [minute(number)], [[1.0] * len(quality)], quality=[quality])


def pond(**words: object) -> Watch:
    return Watch(plan({"pond": [channel("pond", 0, **words)]}))


def process(watch: Watch) -> list[tuple[float, str]]:
    return [
        ((one.sampled_us - BEGAN_US) / MINUTE_US, f"{one.change} {one.level.name.lower()}")
        for one in watch.told
        if one.kind is AlarmKind.PROCESS
    ]


def technical(watch: Watch) -> list[tuple[str, float, str]]:
    return [
        (one.rule, (one.sampled_us - BEGAN_US) / MINUTE_US, one.change)
        for one in watch.told
        if one.kind is AlarmKind.TECHNICAL
    ]


def test_a_rise_past_several_levels_raises_each_that_the_file_has() -> None:
    watch = pond(limits=[limit(blue=10.0, yellow=20.0, red=40.0)])
    watch.flush(at(1, 45.0))
    assert process(watch) == [(1, "raise blue"), (1, "rise yellow"), (1, "rise red")]
    watch.flush(at(2, 25.0))
    watch.flush(at(3, 5.0))
    assert process(watch)[3:] == [(2, "fall yellow"), (3, "clear yellow")]


def test_the_evidence_says_what_the_alarm_rests_on() -> None:
    watch = pond(limits=[limit("low", blue=3.0, red=1.0, deadband=0.5, on_delay_s=60.0)])
    watch.flush(at(1, 0.5))
    watch.flush(at(2, 0.25))
    raised, rise = watch.told
    assert raised.occurrence == f"pond/limit_low/{minute(1)}"
    assert raised.structure == "dam"
    assert rise.evidence == {
        "value": 0.25,
        "unit": "m",
        "quality": "good",
        "onset_us": minute(1),
        "on_delay_s": 60.0,
        "off_delay_s": 0.0,
        "direction": "low",
        "bound": 1.0,
        "deadband": 0.5,
        "source": "Design report, 4.2",
    }
    watch.flush(at(3, 1.75))
    assert watch.told[-1].change is Change.FALL
    assert watch.told[-1].evidence["bound"] == 1.0
    assert watch.told[-1].evidence["returned_us"] == minute(3)


def test_two_limits_of_one_direction_are_two_alarms() -> None:
    watch = pond(limits=[limit(blue=10.0), limit(red=12.0, on_delay_s=600.0)])
    watch.flush(at(1, 15.0))
    watch.flush(at(11, 15.0))
    assert [(one.rule, one.level) for one in watch.told] == [
        ("limit_high", Level.BLUE),
        ("limit_high_2", Level.RED),
    ]


def test_a_rate_limit_names_its_window_and_shows_the_rate() -> None:
    watch = pond(rate_limits=[limit(orange=6.0, window_s=600.0)])
    for number in range(12):
        watch.flush(at(number, 0.2 * number))
    (raised,) = watch.told
    assert raised.rule == "rate_high_600"
    assert raised.sampled_us == minute(10)
    assert raised.evidence["rate"] == pytest.approx(12.0)
    assert raised.evidence["rate_unit"] == "m/h"


def test_a_rate_beyond_all_numbers_is_evidence_that_can_be_stored() -> None:
    watch = pond(rate_limits=[limit(red=6.0, window_s=60.0)])
    for number, value in enumerate([-1e308, 1e308]):
        watch.flush(at(number, value))
    (raised,) = watch.told
    assert raised.level is Level.RED
    assert raised.evidence["rate"] is None
    json.dumps(raised.evidence, allow_nan=False)


def test_a_discrete_state_raises_its_own_level_only() -> None:
    watch = pond(states=STATES)
    for number, state in enumerate([1, 0, 2, 1]):
        watch.flush(at(number, float(state)))
    assert process(watch) == [(1, "raise red"), (2, "fall yellow"), (3, "clear yellow")]
    assert watch.told[0].evidence["state_name"] == {"en": "stopped", "zh": "停止"}


def test_bad_readings_neither_raise_nor_clear_nor_reset_a_delay() -> None:
    watch = pond(limits=[limit(blue=10.0, on_delay_s=120.0)])
    for number, value in enumerate([5.0, 11.0, np.nan, 11.0, np.nan, np.nan]):
        watch.flush(at(number, value))
    assert process(watch) == [(3, "raise blue")]
    assert watch.state.believed[0] == Level.BLUE


def test_a_value_of_bad_quality_is_not_judged_even_when_it_is_a_number() -> None:
    watch = pond(limits=[limit(blue=10.0)])
    reading = at(1, 99.0)
    reading.quality[0, 0] = Quality.OUT_OF_RANGE
    watch.flush(reading)
    assert process(watch) == []


def test_a_suspect_stamp_is_judged_and_told() -> None:
    watch = pond(limits=[limit(blue=10.0)])
    watch.flush(at(1, 5.0))
    watch.flush(
        scans(0, [minute(2)], [11.0], quality=[Quality.CLOCK_SUSPECT], sampled_us=[minute(900)])
    )
    watch.flush(at(3, 11.0))
    assert process(watch) == [(2, "raise blue")]
    assert watch.told[1].evidence["quality"] == "clock_suspect"
    assert technical(watch) == [("clock", 2, "raise"), ("clock", 3, "clear")]
    clocks = [one.evidence["reason"] for one in watch.told if one.rule == "clock"]
    assert clocks == ["clock_suspect", "good"]


def test_the_third_bad_reading_in_a_row_raises_a_technical_alarm() -> None:
    watch = pond()
    for number, bad in enumerate([1, 1, 0, 1, 1, 1, 0, 0, 0]):
        watch.flush(with_quality(number, Quality.ELECTRICAL if bad else Quality.GOOD))
    assert technical(watch) == [("quality", 5, "raise"), ("quality", 8, "clear")]
    assert watch.told[0].level is Level.YELLOW
    assert watch.told[0].evidence["reason"] == "electrical"
    assert watch.told[0].evidence["value"] is None


def test_a_unit_that_does_not_answer_is_one_alarm_however_many_channels_it_has() -> None:
    watch = Watch(plan({"unit": [channel(f"gauge-{n}", n) for n in range(10)]}))
    for number in range(4):
        watch.flush(with_quality(number, *[Quality.NO_REPLY] * 10))
    for number in range(4, 7):
        watch.flush(with_quality(number, *[Quality.GOOD] * 10))
    assert technical(watch) == [("unreadable", 2, "raise"), ("unreadable", 6, "clear")]
    raised, cleared = watch.told
    assert (raised.channel, raised.structure, raised.level) == ("unit", "dam", Level.YELLOW)
    assert raised.occurrence == f"unit/unreadable/{minute(0)}"
    assert raised.evidence == {
        "reason": "no_reply",
        "channels_unread": 10,
        "channels": 10,
        "example": "gauge-0",
        "edge": "edge",
        "bus": "bus",
        "device_id": 1,
        "onset_us": minute(0),
        "on_delay_s": 120.0,
        "off_delay_s": 120.0,
    }
    assert (cleared.evidence["reason"], cleared.evidence["channels_unread"]) == ("good", 0)
    assert cleared.evidence["returned_us"] == minute(4)
    assert "example" not in cleared.evidence


def test_one_channel_that_the_device_refuses_makes_its_group_unreadable() -> None:
    watch = Watch(plan({"unit": [channel(key, n) for n, key in enumerate("abcd")]}))
    good, refused, gone = Quality.GOOD, Quality.DEVICE_ERROR, Quality.NO_CONNECTION
    watch.flush(with_quality(0, good, good, gone, good))
    watch.flush(with_quality(1, good, refused, good, good))
    watch.flush(with_quality(2, good, gone, refused, refused))
    (raised,) = watch.told
    assert (raised.channel, raised.rule) == ("unit", "unreadable")
    facts = [raised.evidence[name] for name in ("reason", "channels_unread", "channels", "example")]
    assert facts == ["device_error", 3, 4, "c"]


def test_readings_that_never_came_change_nothing_about_quality() -> None:
    watch = pond()
    bad, good, unread = Quality.OUT_OF_RANGE, Quality.GOOD, Quality.NO_REPLY
    for number, one in enumerate([bad, unread, bad, unread, unread, good, unread, good, good]):
        watch.flush(with_quality(number, one))
    assert [one for one in technical(watch) if one[0] == "quality"] == [
        ("quality", 2, "raise"),  # Since the first minute, although nobody saw the second.
        ("quality", 7, "clear"),
    ]


@pytest.mark.parametrize(
    "reason",
    [Quality.NO_VALUE, Quality.NOT_FINITE, Quality.CONVERSION_FAILED, Quality.CLOCK_SUSPECT],
)
def test_other_reasons_do_not_make_a_group_unreadable(reason: Quality) -> None:
    watch = pond()
    for number in range(4):
        watch.flush(with_quality(number, reason))
    assert "unreadable" not in {one.rule for one in watch.told}


def test_a_slot_without_a_channel_is_nothing_that_could_be_read() -> None:
    watch = Watch(plan({"unit": [channel("a", 0), channel("b", 2)], "next": [channel("c", 1)]}))
    for number in range(4):
        watch.flush(
            with_quality(number, Quality.GOOD, Quality.NO_REPLY, Quality.GOOD),
            with_quality(number, Quality.NO_REPLY, Quality.GOOD, group=1),
        )
    assert watch.told == []


def test_groups_are_unreadable_each_for_itself() -> None:
    watch = Watch(plan({key: [channel(f"{key}0", 0), channel(f"{key}1", 1)] for key in "abc"}))
    good, gone = [Quality.GOOD] * 2, [Quality.NO_CONNECTION] * 2
    for number in range(5):
        watch.flush(
            with_quality(number, *(gone if number else good)),
            with_quality(number, *good, group=1),
            with_quality(number, *gone, group=2),
        )
    assert [(one.channel, one.rule, one.sampled_us) for one in watch.told] == [
        ("c", "unreadable", minute(2)),
        ("a", "unreadable", minute(3)),
    ]


def test_technical_alarms_have_the_level_of_the_site() -> None:
    watch = Watch(plan({"pond": [channel("pond", 0)]}, technical_level="orange"))
    for number in range(3):
        watch.flush(with_quality(number, Quality.NO_REPLY))
    for number in range(3, 6):
        watch.flush(with_quality(number, Quality.ELECTRICAL))
    assert [(one.rule, one.change, one.level, one.previous_level) for one in watch.told] == [
        ("unreadable", Change.RAISE, Level.ORANGE, Level.NONE),
        ("unreadable", Change.CLEAR, Level.ORANGE, Level.ORANGE),
        ("quality", Change.RAISE, Level.ORANGE, Level.NONE),
    ]


def test_silence_is_raised_three_periods_after_the_last_scan_and_ends_with_the_next() -> None:
    watch = pond(limits=[limit(blue=10.0)])
    watch.flush(at(1, 11.0))
    watch.flush(silences=(Silence(0, minute(1)),))
    watch.flush(silences=(Silence(0, minute(1)),))
    watch.flush(at(9, 11.0))
    assert technical(watch) == [("silence", 4, "raise"), ("silence", 9, "clear")]
    assert process(watch) == [(1, "raise blue")]
    assert [one.channel for one in watch.told[1:]] == ["pond", "pond"]


def test_a_silence_that_a_scan_of_the_same_flush_ends_is_none() -> None:
    watch = pond()
    watch.flush(at(1, 1.0))
    watch.flush(at(5, 1.0), silences=(Silence(0, minute(1)),))
    assert watch.told == []
    assert not watch.state.silent[0]


def test_a_happening_is_left_for_somebody_to_acknowledge() -> None:
    watch = pond()
    lost = Happening("edge", "declared_lost", "dam", minute(3), {"first": 7, "last": 9})
    more = Happening("edge", "declared_lost", "dam", minute(3), {"first": 11, "last": 11})
    watch.flush(happenings=(lost, more, lost))
    assert [(one.change, one.state) for one in watch.told] == [
        (Change.RAISE, AlarmState.UNACKNOWLEDGED),
        (Change.CLEAR, AlarmState.RETURNED_UNACKNOWLEDGED),
    ] * 2
    assert len({one.key for one in watch.told}) == 4
    assert list(watch.state.alarms) == [f"edge/declared_lost/{minute(3)}"]


def test_an_acknowledgement_is_decided_before_the_scans_of_its_flush() -> None:
    watch = pond(limits=[limit(blue=10.0)])
    watch.flush(at(1, 11.0))
    asked = Acknowledgement("a1", f"pond/limit_high/{minute(1)}", "Ada", "on my way", minute(2))
    twice = Acknowledgement("a2", asked.occurrence, "Bo", "", minute(2))
    outcome = watch.flush(at(2, 5.0), acknowledgements=(asked, twice))
    assert [one.accepted for one in outcome.decisions] == [True, False]
    assert [(one.change, one.state) for one in outcome.transitions] == [
        (Change.ACKNOWLEDGE, AlarmState.ACKNOWLEDGED),
        (Change.CLEAR, AlarmState.NORMAL),
    ]
    assert watch.state.alarms == {}


def test_a_rise_that_nobody_has_seen_is_not_acknowledged() -> None:
    watch = pond(limits=[limit(yellow=10.0, red=20.0)])
    watch.flush(at(1, 21.0))
    asked = Acknowledgement("a1", f"pond/limit_high/{minute(1)}", "Ada", "", minute(2), 1, "red")
    outcome = watch.flush(at(2, 21.0), acknowledgements=(asked,))
    (decision,) = outcome.decisions
    assert not decision.accepted
    assert "has risen to red since you looked at it: look again" in decision.reason
    assert outcome.transitions == ()
    (alarm,) = watch.state.alarms.values()
    assert alarm.state is AlarmState.UNACKNOWLEDGED


def test_scans_that_are_not_after_the_one_before_are_ignored() -> None:
    watch = pond(limits=[limit(blue=10.0)])
    watch.flush(scans(0, [minute(1), minute(3), minute(2), minute(3)], [1.0, 2.0, 11.0, 11.0]))
    watch.flush(at(3, 11.0))
    assert process(watch) == []
    assert watch.state.newest_us[0] == minute(3)
    assert watch.state.first_us[0] == minute(1)


def test_a_calculated_channel_raises_at_its_tick_and_has_no_quality_alarm() -> None:
    freeboard = calculated(
        "freeboard",
        0,
        "crest - pond",
        inputs={"crest": "crest", "pond": "pond"},
        max_age_s=90.0,
        limits=[limit("low", red=1.0)],
    )
    watch = Watch(
        plan({"crest": [channel("crest", 0)], "pond": [channel("pond", 0)]}, {"sums": [freeboard]})
    )
    for number, level in enumerate([8.0, 9.5, np.nan, np.nan, np.nan, np.nan]):
        watch.flush(at(number, 10.0), at(number, level, group=1))
    outcome = watch.flush(at(6, 10.0), at(6, 8.5, group=1))
    assert process(watch) == [(1, "raise red"), (6, "clear red")]
    about = [(one.channel, one.rule) for one in watch.told if one.kind is AlarmKind.TECHNICAL]
    assert about == [("pond", "unreadable")]  # The group; the sum itself is only stale.
    assert outcome.calculated[0].at_us.tolist() == [minute(6)]
    assert outcome.calculated[0].value.tolist() == [[1.5]]


def test_a_calculated_channel_may_be_computed_from_another_at_the_same_instant() -> None:
    watch = Watch(
        plan(
            {"pond": [channel("pond", 0)]},
            {
                "doubles": [calculated("double", 0, "2 * s", inputs={"s": "sum"})],
                "sums": [calculated("sum", 0, "p + 1", inputs={"p": "pond"})],
            },
        )
    )
    outcome = watch.flush(scans(0, [minute(1), minute(2)], [10.0, 20.0]))
    values = {one.group: one.value[:, 0].tolist() for one in outcome.calculated}
    assert values == {1: [22.0, 42.0], 2: [11.0, 21.0]}


def test_a_group_stands_once_in_a_flush() -> None:
    with pytest.raises(AssertionError, match="one group's scans"):
        pond().flush(at(1, 1.0), at(2, 1.0))


def test_nothing_in_nothing_out() -> None:
    outcome = pond().flush()
    assert (outcome.transitions, outcome.decisions, outcome.calculated) == ((), (), ())
