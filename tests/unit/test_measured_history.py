"""Scans that contradict each other are one: of each slot the number counts that came first."""

import numpy as np

from historian.measured_history import MeasuredScans, _first_numbers
from telemetry.quality import Quality

NAN = np.nan


def test_the_first_number_of_each_slot_counts() -> None:
    at_us = np.array([10, 20, 20, 20, 30], np.int64)
    raw = np.array([[1.0, NAN], [2.0, NAN], [7.0, NAN], [8.0, 5.0], [3.0, NAN]])
    no_reply, suspect = int(Quality.NO_REPLY), int(Quality.CLOCK_SUSPECT)
    quality = np.array(
        [[0, no_reply], [suspect, no_reply], [0, no_reply], [0, 0], [0, no_reply]], np.int16
    )
    found = _first_numbers(MeasuredScans(1, at_us, at_us, raw, quality))
    np.testing.assert_array_equal(found.judged_us, [10, 20, 30])
    np.testing.assert_array_equal(found.raw, [[1.0, NAN], [2.0, 5.0], [3.0, NAN]])
    assert found.quality.tolist() == [[0, no_reply], [suspect, 0], [0, no_reply]]
