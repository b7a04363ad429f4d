"""The fault harness's own oracle, against a course worked out by hand."""

from simulators.proving.faults.plain_limits import PlainLevel, PlainLimit

SECOND_US = 1_000_000


def test_a_limit_with_delay_and_deadband_is_followed_by_hand() -> None:
    limit = PlainLimit(
        high=True,
        deadband=1.0,
        on_delay_us=10 * SECOND_US,
        off_delay_us=0,
        levels=[PlainLevel(1, "blue", 5.0), PlainLevel(2, "yellow", 7.0)],
    )
    course = [(0, 4.0), (10, 5.0), (20, 8.0), (30, 8.0), (40, 4.5), (50, float("nan")), (60, 3.9)]

    assert limit.follow([(at_s * SECOND_US, value) for at_s, value in course]) == [
        ("raise", "blue", 20 * SECOND_US),
        ("rise", "yellow", 30 * SECOND_US),
        ("fall", "blue", 40 * SECOND_US),
        ("clear", "blue", 60 * SECOND_US),
    ]
