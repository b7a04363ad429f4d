"""What operators see, minute by minute: decision record 0004 as timelines."""

import numpy as np
from engine_sites import BEGAN_US, MINUTE_US, Watch, calculated, channel, limit, plan
from scenarios.timeline import play

from alarms.transition import AlarmState

POND = channel(
    "pond",
    0,
    limits=[
        limit(blue=10.0, yellow=11.0, orange=12.0, red=13.0, deadband=0.5, on_delay_s=120.0),
    ],
)
FAN_STATES = {
    0: {"name": {"en": "stopped", "zh": "停止"}, "level": "red"},
    1: {"name": {"en": "running", "zh": "运行"}},
    2: {"name": {"en": "starting", "zh": "启动"}, "level": "blue"},
}


def states(watch: Watch) -> list[AlarmState]:
    return [one.state for one in watch.told]


def test_a_pond_rises_through_four_levels_and_falls_back() -> None:
    watch = play(
        plan({"gauges": [POND]}),
        """
        0:  pond 9.9
        1:  pond 10.1
        2:  pond 10.4
        3:  pond 11.0    -> pond raise blue
        4:  pond 11.6
        5:  pond 12.2    -> pond rise yellow
        6:  pond 13.0
        7:  pond 13.1    -> pond rise orange
        8:  pond 13.1    -> pond rise red
        9:  Ada acknowledges pond, pond 12.6 -> pond acknowledge red
        10: pond 12.4    -> pond fall orange
        11: pond 10.4    -> pond fall blue
        12: pond 9.6
        13: pond 9.4     -> pond clear blue
        """,
    )
    assert states(watch)[-1] is AlarmState.NORMAL
    assert watch.state.alarms == {}


def test_a_wave_shorter_than_the_on_delay_raises_nothing() -> None:
    play(
        plan({"gauges": [POND]}),
        """
        0: pond 9.0
        1: pond 15.0
        2: pond 15.0
        2.5: pond 9.0
        3: pond 15.0
        4: pond 15.0
        5: pond 15.0   -> pond raise blue, pond rise yellow, pond rise orange, pond rise red
        """,
    )


def test_a_delay_is_judged_at_readings_so_a_gap_does_not_hide_a_violation() -> None:
    play(
        plan({"gauges": [POND]}),
        """
        0:   pond 10.2
        300: pond 10.2   -> pond raise blue
        """,
    )


def test_bad_readings_neither_raise_nor_clear_nor_start_a_delay_again() -> None:
    play(
        plan({"gauges": [POND]}),
        """
        0:  pond 10.2
        1:  pond bad
        2:  pond 10.2  -> pond raise blue
        3:  pond bad
        4:  pond bad
        5:  pond bad   -> pond raise yellow (quality)
        6:  pond bad
        7:  pond 10.2
        8:  pond 10.2
        9:  pond 10.2  -> pond clear yellow (quality)
        10: pond 9.0   -> pond clear blue
        """,
    )


def test_a_unit_that_does_not_answer_is_told_once_and_ends_no_alarm() -> None:
    play(
        plan({"gauges": [POND, channel("toe", 1), channel("weir", 2)]}),
        """
        0:  pond 10.2, toe 1, weir 1
        2:  pond 10.2, toe bad, weir 1           -> pond raise blue
        3:  pond unread, toe unread, weir unread
        4:  pond unread, toe unread, weir unread
        5:  pond unread, toe unread, weir unread -> gauges raise yellow (unreadable)
        6:  pond 10.2, toe bad, weir 1           -> toe raise yellow (quality)
        7:  pond 10.2, toe bad, weir 1
        8:  pond 10.2, toe bad, weir 1           -> gauges clear yellow (unreadable)
        9:  pond 9.0, toe bad, weir 1            -> pond clear blue
        """,
    )


def test_a_line_that_falls_silent_leaves_alarms_as_they_are() -> None:
    play(
        plan({"gauges": [POND]}),
        """
        0:  pond 10.2
        2:  pond 10.2      -> pond raise blue
        6:  gauges silent  -> gauges raise yellow (silence)
        60: pond 10.2      -> gauges clear yellow (silence)
        61: pond 9.0       -> pond clear blue
        """,
    )


def test_an_alarm_that_returns_before_an_answer_is_the_same_alarm() -> None:
    watch = play(
        plan({"gauges": [channel("pond", 0, limits=[limit(blue=10.0)])]}),
        """
        0: pond 11   -> pond raise blue
        1: pond 9    -> pond clear blue
        2: pond 12   -> pond raise blue
        3: pond 9    -> pond clear blue
        4: Ada acknowledges pond -> pond acknowledge blue
        5: pond 11   -> pond raise blue
        """,
    )
    assert states(watch)[3:5] == [AlarmState.RETURNED_UNACKNOWLEDGED, AlarmState.NORMAL]
    assert [one.occurrence for one in watch.told] == [
        *[f"pond/limit_high/{BEGAN_US}"] * 5,
        f"pond/limit_high/{BEGAN_US + 5 * MINUTE_US}",
    ]


def test_a_rise_asks_for_an_answer_again() -> None:
    watch = play(
        plan({"gauges": [channel("pond", 0, limits=[limit(blue=10.0, red=12.0, deadband=1.0)])]}),
        """
        0: pond 11                 -> pond raise blue
        1: Ada acknowledges pond   -> pond acknowledge blue
        2: pond 12                 -> pond rise red
        3: Bo acknowledges pond    -> pond acknowledge red
        4: pond 10.5               -> pond fall blue
        5: pond 8                  -> pond clear blue
        """,
    )
    assert states(watch) == [
        AlarmState.UNACKNOWLEDGED,
        AlarmState.ACKNOWLEDGED,
        AlarmState.UNACKNOWLEDGED,
        AlarmState.ACKNOWLEDGED,
        AlarmState.ACKNOWLEDGED,
        AlarmState.NORMAL,
    ]


def test_a_fan_that_stops_is_red_at_once_and_its_start_is_told() -> None:
    play(
        plan({"fan": [channel("running", 0, states=FAN_STATES, state_off_delay_s=120.0)]}),
        """
        0: running 1
        1: running 0   -> running raise red
        2: running 2
        3: running 2
        4: running 1   -> running fall blue
        5: running 1
        6: running 1   -> running clear blue
        """,
    )


def test_a_crack_that_opens_faster_raises_by_its_rate() -> None:
    minutes = np.arange(0, 60, 5)
    width_mm = np.where(minutes < 30, 0.01 * minutes, 0.3 + 0.1 * (minutes - 30))
    lines = [f"{m}: crack {w:.2f}" for m, w in zip(minutes, width_mm, strict=True)]
    # Ten minutes at 6 mm/h are told when the old anchor stands on the steep part, or near it.
    lines[7] += " -> crack raise blue"  # 0.5 mm in 10 to 20 minutes: over 1 mm/h
    lines[8] += " -> crack rise orange"  # 1 mm in 10 minutes: over 5 mm/h
    play(
        plan(
            {
                "slope": [
                    channel(
                        "crack", 0, unit="mm", rate_limits=[limit(blue=1, orange=5, window_s=600)]
                    )
                ]
            },
            period_s=300.0,
        ),
        "\n".join(lines),
    )


def test_freeboard_is_watched_across_two_stations() -> None:
    freeboard = calculated(
        "freeboard",
        0,
        "crest - pond",
        inputs={"crest": "crest", "pond": "pond"},
        max_age_s=180.0,
        limits=[limit("low", blue=3.0, red=1.0, deadband=0.2)],
    )
    play(
        plan({"dam": [channel("crest", 0)], "lake": [channel("pond", 0)]}, {"sums": [freeboard]}),
        """
        0:  crest 105, pond 100
        1:  crest 105, pond 103    -> freeboard raise blue
        2:  crest 105
        3:  pond 104.5
        4:  crest 105              -> freeboard rise red
        5:  crest 105, pond 103.9
        6:  crest 105, pond 101.9  -> freeboard fall blue
        7:  crest 105, pond 101.7  -> freeboard clear blue
        """,
    )
