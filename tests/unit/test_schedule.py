"""Schedules: instants that never drift, and when to leave a failing thing alone."""

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.schedule import Backoff, Due, due_scan, first_instant_after, is_too_late

PERIOD = 30_000_000
AT = 100 * PERIOD


def test_the_first_instant_is_strictly_later() -> None:
    assert first_instant_after(AT, PERIOD) == AT + PERIOD
    assert first_instant_after(AT - 1, PERIOD) == AT
    assert first_instant_after(-1, PERIOD) == 0


def test_a_scan_may_begin_until_half_a_period_late() -> None:
    assert due_scan(AT, PERIOD, AT - 1000) == Due(AT, 0)
    assert due_scan(AT, PERIOD, AT + PERIOD // 2) == Due(AT, 0)
    assert due_scan(AT, PERIOD, AT + PERIOD // 2 + 1) == Due(AT + PERIOD, 1)
    assert due_scan(AT, PERIOD, AT + 10 * PERIOD) == Due(AT + 10 * PERIOD, 10)


def test_a_clock_that_was_set_back_takes_the_schedule_along() -> None:
    hour = 3_600_000_000
    due = due_scan(AT, PERIOD, AT - hour)
    assert due == Due(AT - hour + PERIOD, 0)


@given(st.integers(1, 10**9), st.integers(0, 10**15), st.integers(-(10**12), 10**12))
def test_what_is_due_is_an_instant_that_is_neither_too_late_nor_far(
    period_us: int, at_us: int, late_us: int
) -> None:
    next_us = first_instant_after(at_us, period_us)
    now_us = next_us + late_us
    due = due_scan(next_us, period_us, now_us)

    assert due.at_us % period_us == 0
    assert not is_too_late(due.at_us, period_us, now_us)
    assert due.at_us - now_us <= 2 * period_us
    assert due.skipped == max(0, (due.at_us - next_us) // period_us)
    # Nothing was skipped that could still have been taken.
    if due.skipped:
        assert is_too_late(due.at_us - period_us, period_us, now_us)


def test_a_failing_thing_is_left_alone_for_longer_and_longer() -> None:
    backoff = Backoff(0.5, 5.0)
    pauses: list[float] = []
    for _ in range(8):
        backoff.failed(100.0)
        pauses.append(backoff.not_before_s - 100.0)

    assert pauses[0] == float("-inf")  # One lost packet is no reason to stop asking.
    assert pauses[1:] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert not backoff.allows(104.9)
    assert backoff.allows(105.0)
    backoff.succeeded()
    assert backoff.allows(100.0)


def test_a_thing_that_failed_a_million_times_is_still_asked() -> None:
    backoff = Backoff(0.5, 5.0, failures=1_000_000)
    backoff.failed(0.0)
    assert backoff.allows(5.0)
