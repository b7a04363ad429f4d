"""Votes in the engine: what an item's alarm tells, what silence does, what is shown beside it."""

from typing import Any

import numpy as np
import pytest
from engine_sites import BEGAN_US, SECOND_US, Watch, calculated, channel, limit, plan
from voting_sites import LEVELS, item, readings, voting_dam, voting_of

from alarms.checkpoint import decode, encode
from alarms.transition import Belief, Outcome, Transition
from alarms.voting import lifted
from telemetry.quality import Quality
from telemetry.scan import JudgedScans

SIX = [f"a{n}" for n in range(6)]
TWO_ITEMS = voting_of(item("line", 1, SIX[:4]), item("move", 2, SIX[4:]))


def six(at_s: list[int], *levels: float) -> JudgedScans:
    """The same levels at some instants."""
    return readings(0, at_s, [levels] * len(at_s))


def votes(told: list[Transition]) -> list[tuple[str, str, int, int]]:
    return [
        (one.channel, str(one.change), int(one.level), (one.sampled_us - BEGAN_US) // SECOND_US)
        for one in told
        if one.rule == "vote"
    ]


def newest(outcome: Outcome) -> dict[str, Any]:
    (found,) = outcome.votes
    return found.document


def watch_of(voting: dict[str, Any] = TWO_ITEMS) -> Watch:
    return Watch(voting_dam({"a": 6}, voting))


def test_four_blue_points_make_a_yellow_item_and_one_alarm() -> None:
    watch = watch_of()
    watch.flush(six([0, 10, 20], 1, 1, 1, 0, 0, 0))
    assert votes(watch.told) == []  # Three points have told it themselves.
    watch.flush(six([30, 40], 1, 1, 1, 1, 0, 0))
    assert votes(watch.told) == [("line", "raise", 2, 30)]
    assert watch.told[-1].evidence == {
        "voted": "yellow",
        "highest": "blue",
        "highest_point": "blue",
        "of": "points",
        "members": 4,
        "counts": {"blue": 4},
        "highest_members": SIX[:4],
        "unknown": 0,
        "unknown_members": [],
        "ladder": {"blue_to_yellow": 4, "yellow_to_orange": 3, "orange_to_red": 2},
        "source": "GB 39496-2020, 5.5",
    }


def test_a_vote_clears_when_the_item_has_fallen_and_not_when_a_point_rises() -> None:
    watch = watch_of()
    watch.flush(six([0, 10, 20, 30], 1, 1, 1, 1, 0, 0))
    watch.flush(six([60], 2, 1, 1, 1, 0, 0))
    assert votes(watch.told) == [("line", "raise", 2, 0)]
    watch.flush(six([90], 1, 1, 1, 0, 0, 0))
    assert votes(watch.told)[1:] == [("line", "clear", 2, 90)]


@pytest.mark.parametrize(
    ("before", "voted", "highest", "after"),
    [(0, 2, 2, 0), (0, 3, 2, 3), (3, 3, 3, 3), (2, 4, 4, 2), (3, 2, 2, 0), (3, 2, 1, 2)],
)
def test_what_a_vote_adds(before: int, voted: int, highest: int, after: int) -> None:
    assert lifted(before, voted, highest) == after
    assert lifted(after, voted, highest) == after


def test_items_vote_for_the_structure_and_the_highest_decides_at_least() -> None:
    voting = voting_of(*(item(f"item-{n}", n + 1, [SIX[n]]) for n in range(6)))
    watch = watch_of(voting)
    outcome = watch.flush(six([0], 3, 1, 1, 1, 1, 0))
    assert votes(watch.told) == []
    assert newest(outcome)["voted"] == newest(outcome)["highest"] == 3
    watch.flush(six([30], 3, 3, 0, 0, 0, 0))
    assert votes(watch.told) == [("dam", "raise", 4, 30)]
    assert watch.told[-1].evidence["of"] == "items"
    assert watch.told[-1].evidence["highest_members"] == ["item-0", "item-1"]


def test_a_silent_point_keeps_its_level_and_is_named() -> None:
    watch = watch_of()
    watch.flush(six([0, 10], 1, 1, 1, 1, 0, 0))
    dead = six(list(range(20, 121, 10)), 1, 1, 0, np.nan, 0, 0)
    outcome = watch.flush(dead)
    told = {"channel": "a3", "level": 1, "doubt": "bad", "neighbours": None}
    assert told in newest(outcome)["items"][0]["telling"]
    assert votes(watch.told)[-1] == ("line", "clear", 2, 30)  # a2 has said that it is well.

    watch = watch_of()
    watch.flush(six([0, 10], 1, 1, 1, 1, 0, 0))
    outcome = watch.flush(six(list(range(20, 121, 10)), 1, 1, 1, np.nan, 0, 0))
    assert votes(watch.told) == [("line", "raise", 2, 0)]
    assert newest(outcome)["items"][0]["unknown"] == 1
    assert newest(outcome)["items"][0]["voted"] == 2


def test_a_silent_group_is_excused_and_clears_nothing() -> None:
    voting = voting_of(item("line", 1, ["a0", "a1", "b0", "b1"]))
    watch = Watch(voting_dam({"a": 2, "b": 2}, voting))
    watch.flush(readings(0, [0], [[1, 1]]), readings(1, [0], [[1, 1]]))
    assert votes(watch.told) == [("line", "raise", 2, 0)]
    late = readings(0, list(range(10, 121, 10)), [[1, 1]] * 12)
    assert watch.flush(late).votes == ()  # The other group is waited for.
    outcome = watch.flush(readings(0, [130], [[1, 1]]), excused=[1])
    assert votes(watch.told) == [("line", "raise", 2, 0)]
    assert [one["doubt"] for one in newest(outcome)["items"][0]["telling"]] == [
        None,
        None,
        "silent",
        "silent",
    ]


def test_an_item_of_which_nothing_is_known_is_not_normal() -> None:
    watch = watch_of()
    outcome = watch.flush(six([0, 30], *[np.nan] * 4, 0, 0))
    (scans,) = outcome.calculated
    assert np.isnan(scans.value[:, 1]).all()
    assert (scans.quality[:, 1] == Quality.STALE_INPUT).all()
    assert (scans.value[:, [0, 2]] == 0).all()
    assert newest(outcome)["items"][0]["unknown"] == 4


def test_the_voted_levels_are_scans() -> None:
    watch = watch_of()
    outcome = watch.flush(six([0, 30, 60], 1, 1, 1, 1, 0, 3))
    (scans,) = outcome.calculated
    assert (scans.at_us - BEGAN_US).tolist() == [0, 30 * SECOND_US, 60 * SECOND_US]
    assert scans.value.tolist() == [[3.0, 2.0, 3.0]] * 3


def test_a_vote_sees_the_levels_of_its_own_instant() -> None:
    """One flush may bring what happened after a tick; the tick does not see it."""
    watch = watch_of()
    steps = readings(0, [0, 29, 31, 60], [[1, 1, 1, 0, 0, 0]] * 2 + [[1, 1, 1, 1, 0, 0]] * 2)
    watch.flush(steps)
    assert votes(watch.told) == [("line", "raise", 2, 60)]


def test_calculated_points_vote_at_the_tick_at_which_they_are_computed() -> None:
    limits = [limit(**LEVELS)]
    of = plan(
        {"a": [channel("p", 0)]},
        {"c": [calculated(f"c{n}", n, "x", inputs={"x": "p"}, limits=limits) for n in range(4)]},
        period_s={"a": 10.0, "c": 10.0},
        voting=voting_of(item("line", 1, [f"c{n}" for n in range(4)])),
    )
    watch = Watch(of)
    watch.flush(readings(0, [0, 10, 20, 30, 40], [[0], [0], [0], [1], [1]]))
    assert votes(watch.told) == [("line", "raise", 2, 30)]


def test_a_point_that_only_a_rate_judges_warms_up() -> None:
    rate = {"rate_limits": [limit(blue=1.0, window_s=30.0)]}
    of = plan(
        {"a": [channel("p", 0, **rate), channel("q", 1, limits=[limit(**LEVELS)])]},
        period_s=10.0,
        voting=voting_of(item("line", 1, ["p", "q"])),
    )
    watch = Watch(of)
    outcome = watch.flush(readings(0, [0, 10, 20], [[0, 0]] * 3))
    (told,) = newest(outcome)["items"][0]["telling"]
    assert (told["channel"], told["doubt"]) == ("p", "warming_up")
    outcome = watch.flush(readings(0, [30, 40], [[0, 0]] * 2))
    assert newest(outcome)["items"][0]["telling"] == []


NEAR = {"radius_m": 10.0, "window_s": 60.0, "at_least": 2}


def test_neighbours_confirm_a_point_and_never_lower_it() -> None:
    watch = watch_of(voting_of(item("line", 1, SIX, neighbours=NEAR)))
    outcome = watch.flush(six([0], 2, 3, 0, 0, 0, 4))
    (of_item,) = newest(outcome)["items"]
    said = {one["channel"]: one["neighbours"] for one in of_item["telling"]}
    assert said["a0"] == {"verdict": "confirmed", "reached_by": 2, "of": 2}
    assert said["a1"] == {"verdict": "alone", "reached_by": 1, "of": 3}
    assert said["a5"] == {"verdict": "alone", "reached_by": 1, "of": 2}
    assert said.keys() == {"a0", "a1", "a5"}
    assert (of_item["voted"], of_item["highest"], of_item["confirmed"]) == (4, 4, 2)


def test_a_silent_neighbour_that_could_confirm_makes_it_uncertain() -> None:
    watch = watch_of(voting_of(item("line", 1, SIX, neighbours=NEAR)))
    outcome = watch.flush(six([0], 2, np.nan, 0, 0, 0, 0))
    assert newest(outcome)["items"][0]["telling"][0]["neighbours"]["verdict"] == "cannot_tell"


def test_a_level_that_was_left_within_the_window_still_confirms() -> None:
    watch = watch_of(voting_of(item("line", 1, SIX, neighbours=NEAR)))
    watch.flush(six([0], 0, 2, 0, 0, 0, 0))
    watch.flush(six([20, 30], 2, 0, 0, 0, 0, 0))
    outcome = watch.flush(six([40, 50, 60], 2, 0, 0, 0, 0, 0))
    assert newest(outcome)["items"][0]["telling"][0]["neighbours"]["verdict"] == "confirmed"
    outcome = watch.flush(six([70, 80, 90], 2, 0, 0, 0, 0, 0))
    assert newest(outcome)["items"][0]["telling"][0]["neighbours"]["verdict"] == "alone"


def test_a_vote_whose_item_has_left_the_file_is_cleared() -> None:
    watch = watch_of()
    watch.flush(six([0], 1, 1, 1, 1, 0, 0))
    other = Watch(voting_dam({"a": 6}, voting_of(item("move", 2, SIX[4:]))))
    other.state = decode(other.engine, encode(watch.engine, watch.state))
    other.flush(six([10], 1, 1, 1, 1, 0, 0))
    assert votes(other.told) == [("line", "clear", 2, 0)]
    assert other.told[-1].evidence["reason"] == "the rule has left the configuration"


def test_what_slow_methods_believe_votes_like_a_limit() -> None:
    trend = limit(blue=1.0, method="rate", window_s=3_600.0)
    keys = [f"p{n}" for n in range(4)]
    of = plan(
        {"a": [channel(key, n, trends=[trend]) for n, key in enumerate(keys)]},
        period_s=10.0,
        voting=voting_of(item("line", 1, keys)),
    )
    watch = Watch(of)
    rule = next(rule for key, rule in watch.engine.believable if key == "p0")
    watch.flush(readings(0, [0, 10, 20], [[0] * 4] * 3))
    believed = [Belief(key, rule, 1, BEGAN_US, BEGAN_US + 20 * SECOND_US, {}) for key in keys]
    watch.flush(beliefs=tuple(believed))
    watch.flush(readings(0, [30], [[0] * 4]))
    assert votes(watch.told) == [("line", "raise", 2, 30)]
