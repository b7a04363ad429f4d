"""What becomes of scans that come again, decided without a database."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian.repeated_scans import Repeats, ScanRow, TooManyRevisionsError, decide
from historian.scan_rows import ScanWrite

NUMBERS = st.sampled_from([1.0, 2.0, float("nan")])
SCANS = st.lists(
    st.tuples(st.integers(0, 2), st.tuples(NUMBERS, NUMBERS, NUMBERS)), min_size=1, max_size=12
)


def write(scans: list[tuple[int, tuple[float, ...]]]) -> ScanWrite:
    raw = np.array([numbers for _, numbers in scans], np.float64)
    time_us = np.array([at for at, _ in scans], np.int64)
    quality = np.where(np.isnan(raw), 101, 0).astype(np.int16)
    return ScanWrite(
        1, 1, 0, time_us, time_us, np.arange(len(scans), dtype=np.int16), raw, raw * 2, quality
    )


def rows_after(repeats: Repeats, before: list[ScanRow]) -> list[ScanRow]:
    """What the table holds when the decision has been carried out."""
    rows = {(row.group_id, row.time_us, row.revision): row for row in before}
    for revision, one in repeats.writes:
        for n in range(len(one)):
            assert one.raw is not None
            row = ScanRow(
                1, int(one.time_us[n]), revision, one.raw[n], one.value[n], one.quality[n]
            )
            key = (1, row.time_us, revision)
            assert key not in rows
            rows[key] = row
    for row in repeats.merged_rows:
        assert (row.group_id, row.time_us, row.revision) in rows
        rows[row.group_id, row.time_us, row.revision] = row
    return sorted(rows.values(), key=lambda row: (row.time_us, row.revision))


@given(scans=SCANS)
def test_no_number_is_lost_and_none_is_overwritten(
    scans: list[tuple[int, tuple[float, ...]]],
) -> None:
    repeats = decide([], [write(scans)])

    rows = rows_after(repeats, [])
    for at, numbers in scans:
        came = ~np.isnan(numbers)
        assert any(
            row.time_us == at and (row.measured[came] == np.array(numbers)[came]).all()
            for row in rows
        )
    total = repeats.new + repeats.duplicates + repeats.merged + repeats.conflicts
    assert total == len(scans)
    assert repeats.new == len({at for at, _ in scans})


@given(scans=SCANS, cut=st.integers(0, 12))
def test_flush_boundaries_are_invisible(
    scans: list[tuple[int, tuple[float, ...]]], cut: int
) -> None:
    at_once = rows_after(decide([], [write(scans)]), [])

    after_first: list[ScanRow] = []
    if scans[:cut]:
        after_first = rows_after(decide([], [write(scans[:cut])]), [])
    in_two = after_first
    if scans[cut:]:
        in_two = rows_after(decide(after_first, [write(scans[cut:])]), after_first)

    assert [(row.time_us, row.revision) for row in in_two] == [
        (row.time_us, row.revision) for row in at_once
    ]
    for one, other in zip(in_two, at_once, strict=True):
        np.testing.assert_array_equal(one.measured, other.measured)
        np.testing.assert_array_equal(one.value, other.value)
        np.testing.assert_array_equal(one.quality, other.quality)


@given(scans=SCANS)
def test_everything_sent_twice_is_a_duplicate(
    scans: list[tuple[int, tuple[float, ...]]],
) -> None:
    rows = rows_after(decide([], [write(scans)]), [])

    repeats = decide(rows, [write(scans)])

    assert repeats.duplicates == len(scans)
    assert repeats.writes == []
    assert repeats.merged_rows == []
    assert sum(len(one) for one in repeats.unstored) == len(scans)


def test_a_clock_that_stands_still_does_not_wrap_the_number_of_revisions() -> None:
    """What wrapped came out as -32768, and as the first of all revisions."""
    one = np.array([1.0, 1.0, 1.0])
    stored = [
        ScanRow(1, 0, revision, one * revision, one * revision, np.zeros(3, np.int16))
        for revision in (0, 32_766)
    ]
    last = decide(stored, [write([(0, (5.0, 5.0, 5.0))])])
    assert [revision for revision, _ in last.writes] == [32_767]

    with pytest.raises(TooManyRevisionsError, match="the clock of their source stands still"):
        decide(stored, [write([(0, (5.0, 5.0, 5.0)), (0, (6.0, 6.0, 6.0))])])
