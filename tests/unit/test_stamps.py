"""Clocks of edges go wrong in known ways; none of them may blind a dam."""

import numpy as np

from ingest.stamps import AHEAD_SUSPECT_US, JudgedStamps, Receipt, StampState, judge_stamps

SECOND = 1_000_000
MINUTE = 60_000_000
HOUR = 60 * MINUTE
BEGAN = 1_700_000_000_000_000
NOW = BEGAN + 10_000 * MINUTE
FRESH = StampState(newest_us=-1)
STREAM, OTHER = 1, 2


def judge(
    stamps: list[int],
    *,
    monotonic: list[int] | None = None,
    state: StampState = FRESH,
    received: int = NOW,
    stream: int = STREAM,
    repeated: list[bool] | None = None,
) -> JudgedStamps:
    scale = monotonic if monotonic is not None else [n * MINUTE for n in range(len(stamps))]
    return judge_stamps(
        np.array(stamps, dtype=np.int64),
        np.array(scale, dtype=np.int64),
        receipt=Receipt(stream, received, BEGAN),
        state=state,
        repeated=None if repeated is None else np.array(repeated),
    )


def known(newest: int, *, monotonic: int, received: int, stream: int = STREAM) -> StampState:
    return StampState(newest, stream, monotonic, received)


def test_good_stamps_are_taken_as_they_are() -> None:
    stamps = [NOW - 3 * MINUTE, NOW - 2 * MINUTE, NOW - MINUTE]

    judged = judge(stamps)

    assert judged.judged_us.tolist() == stamps
    assert not judged.suspect.any()
    assert judged.state == known(stamps[-1], monotonic=2 * MINUTE, received=NOW)


def test_a_clock_set_back_is_judged_by_the_monotonic_clock() -> None:
    good = NOW - 60 * MINUTE
    set_back = good - 45 * MINUTE

    judged = judge([good, set_back + MINUTE, set_back + 2 * MINUTE])

    assert judged.suspect.tolist() == [False, True, True]
    assert judged.judged_us.tolist() == [good, good + MINUTE, good + 2 * MINUTE]


def test_a_clock_set_back_in_a_running_edge_is_not_judged_from_where_it_stood_long_ago() -> None:
    """The monotonic clock counts from the scan before, were that one good or not."""
    state = known(NOW - 30 * MINUTE, monotonic=500 * MINUTE, received=NOW - 30 * MINUTE)

    judged = judge([NOW - HOUR], monotonic=[503 * MINUTE], state=state)

    assert judged.judged_us.tolist() == [NOW - 27 * MINUTE]


def test_a_backlog_of_a_suspect_clock_keeps_its_intervals() -> None:
    """What a recovery knows of the group's newest scan is enough."""
    state = known(NOW - 20 * MINUTE, monotonic=7 * MINUTE, received=NOW - 20 * MINUTE)
    stamps = [NOW - 3 * HOUR + n * 30 * SECOND for n in range(18)]

    judged = judge(
        stamps, monotonic=[7 * MINUTE + n * 30 * SECOND for n in range(1, 19)], state=state
    )

    assert judged.suspect.all()
    assert set(np.diff([state.newest_us, *judged.judged_us]).tolist()) == {30 * SECOND}


def test_a_stamp_ahead_of_its_receipt_does_not_move_the_newest_ahead() -> None:
    good = NOW - MINUTE

    judged = judge([good, NOW + 2 * AHEAD_SUSPECT_US])

    assert judged.suspect.tolist() == [False, True]
    assert judged.state.newest_us == good + MINUTE


def test_1970_and_2090_are_wild_and_judged_at_receipt() -> None:
    judged = judge([1_000_000, NOW + 64 * 365 * 24 * 60 * MINUTE])

    assert judged.wild.tolist() == [True, True]
    assert judged.judged_us.tolist() == [NOW, NOW + 1]


def test_a_restarted_edge_whose_monotonic_clock_began_again_is_judged_at_receipt() -> None:
    state = known(NOW - MINUTE, monotonic=500 * MINUTE, received=NOW - MINUTE)

    judged = judge([NOW - 30 * MINUTE], monotonic=[3], state=state)

    assert judged.judged_us.tolist() == [NOW]


def test_a_new_stream_has_a_monotonic_clock_of_its_own() -> None:
    state = known(NOW - HOUR, monotonic=500 * MINUTE, received=NOW - HOUR)

    judged = judge([NOW - 2 * HOUR], monotonic=[501 * MINUTE], state=state, stream=OTHER)

    assert judged.judged_us.tolist() == [NOW]
    assert judged.state == known(NOW, monotonic=501 * MINUTE, received=NOW, stream=OTHER)


def test_a_monotonic_clock_that_shows_anything_carries_nobody_beyond_the_receipt() -> None:
    state = known(NOW - HOUR, monotonic=0, received=NOW - HOUR)

    judged = judge([NOW - 2 * HOUR] * 3, monotonic=[2**62, 2**62 + 1, -(2**63)], state=state)

    assert judged.judged_us.tolist() == [NOW, NOW + 1, NOW + 2]


def test_time_goes_on_at_half_speed_while_the_centres_clock_is_behind() -> None:
    """It is set back by an hour; six scans come in each block."""
    state = known(NOW, monotonic=0, received=NOW)
    began = NOW
    for minute in range(1, 61):
        seconds = [(minute * 60 - 50 + 10 * n) * SECOND for n in range(6)]
        judged = judge(
            [began + one for one in seconds],
            monotonic=seconds,
            state=state,
            received=NOW - HOUR + minute * MINUTE,
        )
        assert judged.suspect.all()
        state = judged.state

    assert 29 * MINUTE < state.newest_us - began <= 30 * MINUTE
    right = judge([NOW + 61 * MINUTE], state=state, received=NOW + 61 * MINUTE)
    assert not right.suspect.any()


def test_a_clock_that_was_ahead_and_is_set_right_is_trusted_again() -> None:
    ahead = 4 * MINUTE
    state = judge([NOW + ahead], monotonic=[0]).state
    verdicts = []
    for n in range(1, 60):
        passed = n * 30 * SECOND
        stamp, received = NOW + passed - SECOND, NOW + passed
        judged = judge([stamp], monotonic=[passed], state=state, received=received)
        verdicts.append(bool(judged.suspect[0]))
        assert judged.judged_us[0] - state.newest_us >= 15 * SECOND or not judged.suspect[0]
        assert judged.judged_us[0] - received <= ahead
        state = judged.state

    assert verdicts == [True] * 15 + [False] * 44


def test_a_repetition_keeps_its_stamp_and_moves_nothing() -> None:
    state = known(NOW - MINUTE, monotonic=500 * MINUTE, received=NOW)
    stamps = [NOW - HOUR, NOW - 59 * MINUTE, NOW - 30 * SECOND]

    judged = judge(
        stamps, monotonic=[1, 2, 3], state=state, stream=OTHER, repeated=[True, True, True]
    )

    assert judged.judged_us.tolist() == stamps
    assert not judged.suspect.any()
    assert judged.state == known(stamps[-1], monotonic=3, received=NOW, stream=OTHER)
    assert judge(stamps[:2], state=state, repeated=[True, True]).state == state
