"""Devices with clocks and lines of their own: what is told when, and under which stamp."""

from simulators.scenario import Fault, FaultKind
from simulators.stamping import Telling, tellings_of

PERIOD_US = 30_000_000
BEGAN_US = 1_751_328_000_000_000
FIRST = BEGAN_US // PERIOD_US


def tellings(kind: FaultKind, by_s: float | None = None) -> list[Telling]:
    """Ten steps, of which the fault concerns the third to the sixth."""
    fault = Fault(kind=kind, begins_s=60.0, lasts_s=120.0, group="g", by_s=by_s)
    return tellings_of(
        range(FIRST, FIRST + 10), period_us=PERIOD_US, began_us=BEGAN_US, faults=[fault]
    )


def order(told: list[Telling]) -> list[int]:
    return [one.step - FIRST for one in told]


def off_s(told: list[Telling]) -> dict[int, float]:
    return {
        one.step - FIRST: (one.stamp_us - one.step * PERIOD_US) / 1e6
        for one in told
        if one.stamp_us != one.step * PERIOD_US
    }


def test_a_clock_set_back_is_off_until_it_is_set_right() -> None:
    told = tellings("clock_back", 2_700.0)
    assert order(told) == list(range(10))
    assert off_s(told) == dict.fromkeys([2, 3, 4, 5], -2_700.0)


def test_repeated_stamps_come_in_pairs() -> None:
    told = tellings("repeated_stamps")
    stamps = [one.stamp_us for one in told]
    assert len(set(stamps)) == 8
    assert set(off_s(told).values()) == {-30.0}


def test_late_scans_keep_their_stamps() -> None:
    told = tellings("late", 200.0)
    assert off_s(told) == {}
    assert order(told) == [0, 1, 6, 7, 8, 2, 9, 3, 4, 5]


def test_out_of_order_each_pair_is_swapped_and_nothing_is_missing() -> None:
    told = tellings("out_of_order")
    assert off_s(told) == {}
    assert sorted(order(told)) == list(range(10))
    assert order(told) != list(range(10))
    assert all(abs(place - step) <= 1 for place, step in enumerate(order(told)))
