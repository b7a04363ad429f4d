"""Whatever a logger, a disk or a person makes of a file: an answer, and places in complaints."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from logger_file_fuzz import CSV, FORMS, TOA5, check, read
from pydantic import ValidationError

from telemetry.logger_files.format import DELIMITERS, THOUSANDS, LoggerFormat
from telemetry.logger_files.header import Wanted
from telemetry.logger_files.mapping import Mapping
from telemetry.part_file import PartFileError, read_part_text

PIECES = st.sampled_from(
    [b"", b"\n", b"\r\n", b"\r", b'"', b",", b";", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"-",
     b"1e999", b"nan", b"9" * 40, b"99:99", b"2025-13-01", b"\t", b"\xe6\xb0\xb4", b" ", b"_"]
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, good: bytes) -> bytes:
    """A file after accidents: pieces cut out, doubled, replaced, put in."""
    data = good
    for _ in range(draw(st.integers(0, 5))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.integers(0, 60)))
        middle = draw(PIECES | st.binary(max_size=8) | st.just(data[begin:end] * 2))
        data = data[:begin] + middle + data[end:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@pytest.mark.parametrize(("good", "keys", "wanted"), FORMS, ids=["toa5", "csv"])
@given(data=st.data())
def test_accidents_of_a_file_are_told_and_its_cuts_are_not_seen(
    good: bytes, keys: dict[str, Any], wanted: list[Wanted], data: st.DataObject
) -> None:
    file = data.draw(mutated(good))
    form = LoggerFormat.model_validate(keys)
    cuts = data.draw(st.lists(st.integers(0, 400), max_size=6))

    whole, cut = read(file, form, wanted, []), read(file, form, wanted, cuts)

    check(file, whole)
    if whole[0] is None or cut[0] is None:
        assert (whole[0] is None) == (cut[0] is None)
        assert whole[1] == cut[1]
        return
    assert whole[1:] == cut[1:]
    for name in ("line", "at_us", "number", "empty"):
        np.testing.assert_array_equal(getattr(whole[0], name), getattr(cut[0], name))


@given(st.binary(max_size=300), st.sampled_from(["utf-8", "latin-1", "gb18030"]))
def test_any_bytes_are_a_file(data: bytes, encoding: str) -> None:
    form = LoggerFormat.model_validate({"encoding": encoding, "time": {"zone": "UTC"}})

    check(data, read(data, form, [Wanted(1, "a")], []))


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32).map(float)


@given(
    st.lists(st.tuples(st.integers(0, 10**9), NUMBERS | st.none()), max_size=30),
    st.sampled_from([key for key in DELIMITERS if key != "whitespace"]),
    st.sampled_from(["point", "comma"]),
    st.sampled_from(list(THOUSANDS)),
    st.sampled_from(["utf-8", "gb18030"]),
    st.lists(st.integers(0, 2_000), max_size=4),
)
def test_what_a_logger_writes_is_read_back(
    rows: list[tuple[int, float | None]],
    delimiter: str,
    decimal: str,
    thousands: str,
    encoding: str,
    cuts: list[int],
) -> None:
    assume(decimal != thousands)
    mark = DELIMITERS[delimiter]
    lines = ["时间" + str(mark) + "水位"]
    for at_s, number in rows:
        at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s)
        cell = "" if number is None else _written(number, decimal, thousands)
        lines.append(f'{at:%Y-%m-%d %H:%M:%S}{mark}"{cell}"')
    data = ("\r\n".join(lines) + "\r\n").encode(encoding)
    form = LoggerFormat.model_validate(
        {
            "encoding": encoding,
            "delimiter": delimiter,
            "decimal": decimal,
            "thousands": thousands,
            "no_value": [],
            "header_rows": 1,
            "names_row": 1,
            "time": {"columns": ["时间"], "zone": "UTC"},
        }
    )

    found, complaints, _ = read(data, form, [Wanted("水位", "a")], cuts)

    assert complaints == []
    assert found is not None
    expected = [np.nan if number is None else number for _, number in rows]
    np.testing.assert_array_equal(found.number[:, 0], expected)
    begin_us = 946_684_800_000_000
    assert found.at_us.tolist() == [begin_us + at_s * 1_000_000 for at_s, _ in rows]
    assert found.empty[:, 0].tolist() == [number is None for _, number in rows]


def _written(number: float, decimal: str, thousands: str) -> str:
    text = f"{number:,.60f}".rstrip("0") if abs(number) < 1e15 else repr(number)
    whole, _, fraction = text.partition(".")
    if "e" in text:
        return text.replace(".", {"point": ".", "comma": ","}[decimal])
    whole = whole.replace(",", THOUSANDS[thousands][:1])
    return whole + {"point": ".", "comma": ","}[decimal] + fraction


MAPPING = """\
files:
  - pattern: "*.csv"
    delimiter: semicolon
    header_rows: 2
    names_row: 1
    time: { columns: [0, "b"], format: "%Y-%m-%d %H:%M", zone: Europe/Berlin }
    groups:
      levels: { pond: 1, toe: { column: "Toe", unit: m } }
"""


@given(mutated(MAPPING.encode()))
def test_a_mutated_mapping_is_read_or_told_by_line(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        read_part_text(text, "m.yaml", Mapping)
    except PartFileError as error:
        complaints = error.complaints
    else:
        return
    assert complaints
    for one in complaints:
        assert one.file == "m.yaml"
        assert 0 <= one.line <= len(text.splitlines()) + 2  # YAML knows other line ends too.
        assert str(one).isprintable()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.text(max_size=8) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(LoggerFormat.model_fields)), VALUES, max_size=5))
def test_any_description_is_a_format_or_refused(keys: dict[str, Any]) -> None:
    try:
        form = LoggerFormat.model_validate(keys)
    except ValidationError:
        return
    read(TOA5, form, [Wanted(1, "a")], [7, 40])


@given(st.text(st.sampled_from("%YmdHMSfjyIpbz -:/.0aA号"), max_size=16), st.text(max_size=24))
def test_any_pattern_reads_any_stamp_or_refuses_it(pattern: str, text: str) -> None:
    keys = {"zone": "UTC"} if "%z" not in pattern else {}
    try:
        form = LoggerFormat.model_validate({"time": {"format": pattern, **keys}})
    except ValidationError:
        return
    line = text.replace("\n", "").replace('"', "")
    read(f'"{line}",1\n'.encode("utf-8", "replace"), form, [Wanted(1, "a")], [])


def test_the_examples_of_this_file_are_good() -> None:
    for good, keys, wanted in FORMS:
        rows, complaints, _ = read(good, LoggerFormat.model_validate(keys), wanted, [])
        assert rows is not None
        assert len(rows) == (4 if good is CSV else 3)
        assert len(complaints) == (1 if good is CSV else 0)  # The hour that never was.
