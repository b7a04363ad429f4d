"""Bins hold the same to the last bit, however readings came; and what they hold is the mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alarms.rounds import Cells
from alarms.trends.binned import Bins
from alarms.trends.means import coarser, means
from telemetry.quality import Quality
from telemetry.scan import JudgedScans

WIDTH_US = 1_000
LENGTH = 8
# Two groups: the first has channels 2 and 0 and a slot without a channel, the second channel 1.
CELLS = Cells(first=np.array([0, 3, 4]), channel=np.array([2, 3, 0, 1]))
CHANNELS_OF_SLOTS = [[2, None, 0], [1]]


@dataclass(frozen=True)
class Scan:
    group: int
    at_us: int
    value: tuple[float, ...]
    quality: tuple[int, ...]


@st.composite
def scans(draw: st.DrawFn) -> Scan:
    group = draw(st.integers(0, 1))
    slots = len(CHANNELS_OF_SLOTS[group])
    number = st.one_of(
        st.floats(-1e6, 1e6), st.floats(-1e-6, 1e-6), st.sampled_from([math.nan, math.inf, 1e300])
    )
    quality = st.sampled_from([Quality.GOOD, Quality.CLOCK_SUSPECT, Quality.OUT_OF_RANGE])
    return Scan(
        group,
        draw(st.integers(0, 2 * LENGTH * WIDTH_US)),
        tuple(draw(st.lists(number, min_size=slots, max_size=slots))),
        tuple(draw(st.lists(quality, min_size=slots, max_size=slots))),
    )


def judged(group: int, members: Sequence[Scan]) -> JudgedScans:
    at_us = np.array([one.at_us for one in members], dtype=np.int64)
    value = np.array([one.value for one in members])
    return JudgedScans(
        group=group,
        sampled_us=at_us,
        judged_us=at_us,
        raw=value,
        value=value,
        quality=np.array([one.quality for one in members], dtype=np.int16),
    )


def empty() -> Bins:
    return Bins.empty(channels=3, width_us=WIDTH_US, length=LENGTH)


def add(bins: Bins, flush: Sequence[Scan]) -> int:
    groups = sorted({one.group for one in flush})
    return bins.add([judged(g, [one for one in flush if one.group == g]) for g in groups], CELLS)


def same(one: Bins, two: Bins) -> bool:
    pairs = zip(one.arrays().values(), two.arrays().values(), strict=True)
    return all(np.array_equal(mine, theirs) for mine, theirs in pairs)


SCANS = st.lists(scans(), max_size=40)


@given(readings=SCANS, data=st.data())
def test_cuts_order_and_merging_leave_no_trace(readings: list[Scan], data: st.DataObject) -> None:
    whole = empty()
    add(whole, readings)

    shuffled = data.draw(st.permutations(readings))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(readings)), max_size=4)))
    parts = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(readings)], strict=True)]
    flushed, merged = empty(), empty()
    for part in parts:
        add(flushed, part)
        alone = empty()
        add(alone, part)
        merged = merged.merged(Bins.of_arrays(alone.arrays()))
    assert same(whole, flushed)
    assert same(whole, merged)


@given(readings=SCANS)
def test_bins_hold_what_a_plain_calculation_says(readings: list[Scan]) -> None:
    newest = max((one.at_us // WIDTH_US for one in readings), default=LENGTH - 1)
    held: dict[tuple[int, int], list[float]] = {}
    for one in readings:
        for slot, channel in enumerate(CHANNELS_OF_SLOTS[one.group]):
            good = one.quality[slot] < 100 and abs(one.value[slot]) < 1e12
            if channel is not None and good:
                held.setdefault((channel, one.at_us // WIDTH_US), []).append(one.value[slot])
    bins = empty()
    add(bins, readings)
    found = means(bins, (newest + 1) * WIDTH_US)

    assert found.at_us.tolist() == [
        (newest - LENGTH + 1 + n) * WIDTH_US + WIDTH_US // 2 for n in range(LENGTH)
    ]
    for channel in range(3):
        for column in range(LENGTH):
            expected = held.get((channel, newest - LENGTH + 1 + column), [])
            assert found.count[channel, column] == len(expected)
            if expected:
                mean = math.fsum(expected) / len(expected)
                assert abs(found.value[channel, column] - mean) <= 1e-13 + 4e-16 * abs(mean)
                assert found.low[channel, column] == min(expected)
                assert found.high[channel, column] == max(expected)
            else:
                assert np.isnan(found.value[channel, column])
                assert np.isnan(found.low[channel, column])


@given(readings=SCANS, factor=st.integers(1, 4))
def test_wide_bins_are_narrow_ones_joined(readings: list[Scan], factor: int) -> None:
    narrow = empty()
    add(narrow, readings)
    joined = coarser(narrow, factor)
    wide = Bins.empty(channels=3, width_us=WIDTH_US * factor, length=joined.length)
    if narrow.newest >= 0:
        oldest_us = -(-narrow.oldest // factor) * factor * WIDTH_US
        add(wide, [one for one in readings if one.at_us >= oldest_us])
        if narrow.newest // factor >= -(-narrow.oldest // factor):
            wide.move_to(narrow.newest // factor)
    assert same(joined, wide)


@given(readings=SCANS)
def test_what_came_too_late_is_counted(readings: list[Scan]) -> None:
    bins, missed, before = empty(), 0, 0
    for one in readings:
        missed += add(bins, [one])
        before += sum(
            channel is not None and one.quality[slot] < 100 and abs(one.value[slot]) < 1e12
            for slot, channel in enumerate(CHANNELS_OF_SLOTS[one.group])
        )
    everything = Bins.empty(channels=3, width_us=WIDTH_US, length=4 * LENGTH)
    add(everything, readings)
    assert before == everything.count.sum()
    assert missed <= before - bins.count.sum()
    if len({one.at_us // WIDTH_US for one in readings}) <= 1:
        assert missed == 0
