"""What must hold for every block: its cuts are invisible, and bad readings stay bad."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from telemetry.conversion import GroupConverter
from telemetry.plan import plan_of
from telemetry.quality import FIRST_BAD, Quality
from telemetry.site_file import read_site_file

NORTH_MINE = Path(__file__).parents[1] / "site_files" / "north-mine.yaml"
GROUP = plan_of(read_site_file(NORTH_MINE)).group_by_key["piezometers"]
CONVERTER = GroupConverter(GROUP)
RAW = st.one_of(
    st.floats(0.0, 7000.0), st.sampled_from([0.0, 1.0, np.nan, np.inf, 2923.0, 1e300, -1.0])
)
QUALITIES = st.sampled_from([Quality.GOOD, Quality.CLOCK_SUSPECT, Quality.NO_REPLY, Quality.SPIKE])
WIDTHS = st.integers(0, GROUP.slot_count + 1)
BLOCKS = st.tuples(st.integers(0, 40), WIDTHS).flatmap(
    lambda shape: st.tuples(
        arrays(np.float64, shape, elements=RAW), arrays(np.int16, shape, elements=QUALITIES)
    )
)
Block = tuple[NDArray[np.float64], NDArray[np.int16]]


@given(block=BLOCKS, cut=st.integers(0, 40))
def test_cuts_are_invisible_to_the_last_bit(block: Block, cut: int) -> None:
    raw, quality = block
    value, judged = CONVERTER.convert(raw, quality)
    first = CONVERTER.convert(raw[:cut], quality[:cut])
    second = CONVERTER.convert(raw[cut:], quality[cut:])

    assert np.array_equal(np.vstack([first[0], second[0]]), value, equal_nan=True)
    assert np.array_equal(np.vstack([first[1], second[1]]), judged)


@given(block=BLOCKS)
def test_a_value_is_a_number_exactly_where_its_quality_is_not_bad(block: Block) -> None:
    raw, quality = block
    value, judged = CONVERTER.convert(raw, quality)

    assert value.shape == judged.shape
    assert value.shape[1] >= GROUP.slot_count
    assert np.array_equal(np.isfinite(value), judged < FIRST_BAD)


@given(block=BLOCKS)
def test_no_reason_is_ever_replaced_and_the_block_stays_as_it_was(block: Block) -> None:
    raw, quality = block
    raw_before, quality_before = raw.copy(), quality.copy()
    _, judged = CONVERTER.convert(raw, quality)

    width = raw.shape[1]
    was_bad = quality >= FIRST_BAD
    assert np.array_equal(judged[:, :width][was_bad], quality[was_bad])
    kept = judged[:, :width] < FIRST_BAD
    assert np.array_equal(judged[:, :width][kept], quality[kept])
    assert np.array_equal(raw, raw_before, equal_nan=True)
    assert np.array_equal(quality, quality_before)
