"""A line that says nothing: when that counts, and when it does not yet."""

import numpy as np

from ingest.silence import Hearing, has_settled


def hearing(now_s: float = 100.0) -> Hearing:
    return Hearing.begin(
        period_s=np.array([30.0, 1.0, 30.0]), measured=np.array([True, True, False]), now_s=now_s
    )


def test_three_periods_of_silence_count_but_not_for_calculated_groups() -> None:
    ears = hearing()

    assert ears.silent(190.0, 1.0).tolist() == [False, True, False]
    assert ears.silent(190.1, 1.0).tolist() == [True, True, False]


def test_a_fast_scenario_still_grants_five_real_seconds() -> None:
    ears = hearing()

    assert not ears.silent(104.9, 60.0).any()
    assert ears.silent(105.1, 60.0).tolist() == [True, True, False]


def test_hearing_a_scan_ends_the_wait() -> None:
    ears = hearing()
    ears.hear(0, 150.0)

    assert ears.silent(200.0, 1.0).tolist() == [False, True, False]


def test_time_in_which_nobody_looked_hardly_counts() -> None:
    """The database was away for five minutes, or this process stood still."""
    ears = hearing()
    ears.listen(400.0)

    assert not ears.silent(400.0, 1.0).any()
    assert ears.silent(403.0, 1.0).tolist() == [False, False, False]
    ears.listen(405.0)
    assert not ears.excused(401.0, 1.0).any()


def test_looking_often_counts_the_time_in_full() -> None:
    ears = hearing()
    for tenth in range(900):
        ears.listen(100.0 + tenth / 10)

    assert ears.silent(189.9, 1.0).tolist() == [False, True, False]
    assert ears.silent(190.1, 1.0).tolist() == [True, True, False]


def test_what_waited_to_be_looked_at_does_not_set_hearing_back() -> None:
    ears = hearing()
    ears.listen(400.0)
    ears.hear(1, 150.0)

    assert not ears.silent(400.0, 1.0).any()


def test_silence_counts_from_later_on_and_grace_does_not_ask() -> None:
    ears = hearing()
    ears.count_silence_from(1, 130.0)

    assert ears.silent(135.0, 1.0).tolist() == [False, False, False]
    assert ears.silent(135.1, 1.0).tolist() == [False, True, False]
    assert ears.excused(130.1, 1.0).tolist() == [False, True, False]


def test_settling_waits_for_known_edges_and_not_for_ever() -> None:
    known = {("mine", "a"), ("mine", "b")}

    assert not has_settled(started_s=0.0, now_s=5.0, known=known, back={("mine", "a")})
    assert has_settled(started_s=0.0, now_s=5.0, known=known, back=known | {("mine", "c")})
    assert has_settled(started_s=0.0, now_s=30.0, known=known, back=set())
