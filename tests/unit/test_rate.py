"""How fast does a channel move?"""

import numpy as np
import pytest

from alarms.detectors.rate import HOUR_US, NEVER_US, Anchors, rate_per_hour

MINUTE_US = HOUR_US // 60


def rates(minutes: list[float], values: list[float], *, window: float = 10.0) -> list[float]:
    """Rates of one channel, reading by reading."""
    never = np.full(1, NEVER_US)
    anchors = Anchors(never, np.zeros(1), never, np.zeros(1))
    window_us = np.array([round(window * MINUTE_US)])
    found = []
    for minute, value in zip(minutes, values, strict=True):
        rate, anchors = rate_per_hour(
            np.array([1_751_328_000_000_000 + round(minute * MINUTE_US)]),
            np.array([value]),
            anchors,
            window_us=window_us,
            gap_us=4 * window_us,
        )
        found.append(float(rate[0]))
    return found


def test_no_rate_is_told_until_a_window_has_passed() -> None:
    found = rates([0, 4, 8, 10], [0.0, 1.0, 2.0, 2.5])
    assert np.isnan(found[:3]).all()
    assert found[3] == pytest.approx(15.0)


def test_a_steady_movement_has_its_rate_at_every_reading() -> None:
    minutes = [float(minute) for minute in range(100)]
    found = rates(minutes, [0.5 * minute for minute in minutes])
    assert np.isnan(found[:10]).all()
    assert found[10:] == pytest.approx([30.0] * 90)


@pytest.mark.parametrize("period", [1.0, 3.0, 7.0, 10.0, 15.0])
def test_the_rate_is_measured_over_one_to_two_windows_and_a_period(period: float) -> None:
    # With value = t², the rate is told from s to t exactly when it is s + t per minute.
    minutes = np.arange(0, 400, period)
    found = np.array(rates(list(minutes), list(minutes**2)))
    known = ~np.isnan(found)
    assert known[minutes >= 10 + period].all()
    spans = 2 * minutes[known] - found[known] / 60
    assert spans.min() >= 10 - 1e-6
    assert spans.max() < 20 + period


def test_a_jump_is_out_of_sight_after_two_windows() -> None:
    found = rates(list(range(60)), [0.0] * 20 + [5.0] * 40)
    assert found[19] == 0.0
    assert found[20] > 0
    assert found[40:] == [0.0] * 20


def test_after_a_long_gap_the_rate_begins_anew() -> None:
    found = rates([0, 10, 60, 65, 70], [0.0, 1.0, 50.0, 50.0, 50.0])
    assert np.isnan(found[2])
    assert np.isnan(found[3])
    assert found[4] == 0.0


def test_a_gap_of_some_windows_is_measured_across() -> None:
    found = rates([0, 10, 30], [0.0, 1.0, 3.0])
    assert found[2] == pytest.approx(6.0)
