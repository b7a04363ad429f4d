"""Clocks of edges go wrong in known ways; none of them may blind a dam."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.stamps import AHEAD_SUSPECT_US, JudgedStamps, StampState, judge_stamps

MINUTE = 60_000_000
BEGAN = 1_700_000_000_000_000
NOW = BEGAN + 10_000 * MINUTE
FRESH = StampState(newest_us=-1)


def judge(
    stamps: list[int],
    *,
    monotonic: list[int] | None = None,
    state: StampState = FRESH,
    received: int = NOW,
) -> JudgedStamps:
    scale = monotonic if monotonic is not None else [n * MINUTE for n in range(len(stamps))]
    return judge_stamps(
        np.array(stamps, dtype=np.int64),
        np.array(scale, dtype=np.int64),
        received_us=received,
        site_began_us=BEGAN,
        state=state,
    )


def test_good_stamps_are_taken_as_they_are() -> None:
    stamps = [NOW - 3 * MINUTE, NOW - 2 * MINUTE, NOW - MINUTE]

    judged = judge(stamps)

    assert judged.judged_us.tolist() == stamps
    assert not judged.suspect.any()
    assert judged.state.newest_us == stamps[-1]


def test_a_clock_set_back_is_judged_by_the_monotonic_clock() -> None:
    good = NOW - 60 * MINUTE
    set_back = good - 45 * MINUTE

    judged = judge([good, set_back + MINUTE, set_back + 2 * MINUTE])

    assert judged.suspect.tolist() == [False, True, True]
    assert judged.judged_us.tolist() == [good, good + MINUTE, good + 2 * MINUTE]


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
    state = StampState(NOW - MINUTE, anchor_us=NOW - MINUTE, anchor_monotonic_us=500 * MINUTE)

    judged = judge([NOW - 30 * MINUTE], monotonic=[3], state=state)

    assert judged.judged_us.tolist() == [NOW]


STAMPS = st.lists(st.integers(NOW - 50 * MINUTE, NOW + 30 * MINUTE) | st.just(0), max_size=12)


@given(stamps=STAMPS, cut=st.integers(0, 12))
def test_cutting_a_block_in_two_changes_no_verdict(stamps: list[int], cut: int) -> None:
    whole = judge(stamps)
    scale = [n * MINUTE for n in range(len(stamps))]

    first = judge(stamps[:cut], monotonic=scale[:cut])
    second = judge(stamps[cut:], monotonic=scale[cut:], state=first.state)

    together = np.concatenate([first.judged_us, second.judged_us])
    assert together.tolist() == whole.judged_us.tolist()
    assert np.all(np.diff(whole.judged_us) > 0)
