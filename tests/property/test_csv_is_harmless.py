"""No text of ours becomes a formula in somebody's spreadsheet, and numbers stay numbers."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from historian.exporting.csv_text import DANGEROUS, _text, safe_text


@given(st.text(max_size=30) | st.text("=+-@\t\r\n '\"", max_size=10))
def test_no_cell_begins_like_a_formula(text: str) -> None:
    safe = safe_text(text)
    (row,) = csv.reader(io.StringIO(_text([[safe, -1.5]])), strict=True)

    assert not row[0].lstrip(" ").startswith(DANGEROUS)
    assert "\n" not in row[0]
    assert row[1] == "-1.5"


@given(st.lists(st.lists(st.floats() | st.text("ab=\",'\r\n", max_size=5), min_size=1), min_size=1))
def test_what_is_written_is_read_again(rows: list[list[float | str]]) -> None:
    safe = [[safe_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]

    text = _text(safe)

    assert text.count("\r\n") == len(rows)
    found = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert found == [
        [cell if isinstance(cell, str) else repr(cell) for cell in row] for row in safe
    ]


def test_signs_in_full_width_are_signs_too() -> None:
    """Spreadsheets in Chinese and Japanese take them for formulas."""
    assert [safe_text(f"{one}1") for one in "＝＋－＠"] == ["'＝1", "'＋1", "'－1", "'＠1"]
