"""What loggers write, and what is read of it: instants, numbers, and a complaint for the rest."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from telemetry.clock import instant_us, real_monotonic_s
from telemetry.logger_files.format import LoggerFormat
from telemetry.logger_files.header import Wanted
from telemetry.logger_files.reader import LoggerReader, LoggerRows, UnreadableFileError
from telemetry.logger_files.stamps import StampPattern

TOA5 = """"TOA5","dam","CR1000X","12345","CR1000X.Std.05","CPU:dam.CR1X","4711","Table1"
"TIMESTAMP","RECORD","Level_Avg","BattV_Min"
"TS","RN","m","Volts"
"","","Avg","Min"
"2025-07-01 00:00:00",0,12.5,13.1
"2025-07-01 00:00:00.05",1,"NAN",13.2
"2025-07-01 00:10:00",2,-9999,13.3
"""


def form(**keys: Any) -> LoggerFormat:
    time = {"zone": "UTC"} | keys.pop("time", {})
    if "%z" in time.get("format", "") or time.get("format", "").startswith("unix"):
        del time["zone"]
    return LoggerFormat.model_validate({**keys, "time": time})


def read(
    text: str | bytes, described: LoggerFormat, *wanted: Wanted, chunk: int = 1 << 20
) -> tuple[LoggerRows, LoggerReader]:
    data = text.encode() if isinstance(text, str) else text
    reader = LoggerReader("f", described, wanted or (Wanted(1, "a"),))
    parts = [reader.feed(data[at : at + chunk]) for at in range(0, len(data), chunk)]
    reader.finish()
    return LoggerRows(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("line", "at_us", "number", "empty")
        )
    ), reader


def instants(rows: LoggerRows) -> list[str]:
    stamps = [datetime.fromtimestamp(us / 1e6, UTC) for us in rows.at_us.tolist()]
    return [one.isoformat(sep=" ").removesuffix("+00:00") for one in stamps]


def complaints(reader: LoggerReader) -> list[str]:
    return [str(one) for one in reader.complaints]


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1 << 20])
def test_a_toa5_file_is_read_by_its_names(chunk: int) -> None:
    level, battery = Wanted("Level_Avg", "level", "m"), Wanted("BattV_Min", "battery", "Volts")

    rows, reader = read(TOA5, form(kind="toa5"), level, battery, chunk=chunk)

    assert instants(rows) == [
        "2025-07-01 00:00:00",
        "2025-07-01 00:00:00.050000",
        "2025-07-01 00:10:00",
    ]
    np.testing.assert_array_equal(rows.number, [[12.5, 13.1], [np.nan, 13.2], [np.nan, 13.3]])
    assert rows.line.tolist() == [5, 6, 7]
    assert not rows.empty.any()
    assert complaints(reader) == []


@pytest.mark.parametrize(
    ("change", "wanted", "said"),
    [
        (("TOA5", "TOB1"), Wanted(2, "a"), "f:1:1: the file begins with '\"TOB1"),
        (("", ""), Wanted("Level", "a"), "f:2:1: a: there is no column 'Level'; did you mean 'Lev"),
        (("", ""), Wanted(9, "a"), "f:2:1: a: there is no column 9; the header has 4"),
        (("RECORD", "BattV_Min"), Wanted("BattV_Min", "a"), "2 columns are called 'BattV_Min'"),
        (("", ""), Wanted("Level_Avg", "a", "kPa"), "f:3:1: a: the column is in 'm', the channel"),
    ],
)
def test_a_header_that_does_not_fit_refuses_the_file(
    change: tuple[str, str], wanted: Wanted, said: str
) -> None:
    with pytest.raises(UnreadableFileError, match="f:") as caught:
        read(TOA5.replace(*change), form(kind="toa5"), wanted)

    assert said in str(caught.value)


def test_a_spelling_that_loggers_use_is_the_same_unit() -> None:
    text = TOA5.replace('"m"', '"Deg C"').replace("Deg C", "degC")

    rows, _ = read(text, form(kind="toa5"), Wanted("Level_Avg", "a", "°C"))

    assert len(rows) == 3


def test_a_header_that_comes_again_is_passed_over() -> None:
    rows, reader = read(TOA5 + TOA5, form(kind="toa5"), Wanted("BattV_Min", "a"))

    assert len(rows) == 6
    assert reader.repeated_headers == 4
    assert complaints(reader) == []


def test_half_a_line_waits_for_its_end() -> None:
    rows, reader = read("2025-07-01 00:00:00,1\n2025-07-01 00:01:00,12", form())

    assert rows.number.tolist() == [[1.0]]
    assert reader.unfinished == b"2025-07-01 00:01:00,12"
    again = reader.feed(b".5\n")
    assert again.number.tolist() == [[12.5]]


@pytest.mark.parametrize(
    ("stamp", "pattern"),
    [
        ("9" * 15, "unix_s"),  # Found by fuzzing: too large for 64 bits, it ended the whole import.
        ("-" + "9" * 15, "unix_s"),
        ("253402300799999", "unix_ms"),
        ("0001-01-01T00:00:00+14:00", "%Y-%m-%dT%H:%M:%S%z"),
    ],
)
def test_an_instant_out_of_the_calendar_is_a_bad_line(stamp: str, pattern: str) -> None:
    rows, reader = read(f"{stamp},1\n", form(time={"format": pattern}))

    assert len(rows) == 0
    (told,) = complaints(reader)
    assert told.startswith("f:1:1: column 0 (time): ")
    assert "lies in no calendar" in told


def test_a_fraction_counts_away_from_1970_on_both_sides() -> None:
    rows, _ = read("1.25,1\n-1.25,2\n-0.5,3\n", form(time={"format": "unix_s"}))

    assert rows.at_us.tolist() == [1_250_000, -1_250_000, -500_000]


@pytest.mark.parametrize(
    ("text", "keys", "stamp", "number"),
    [
        (
            "01.07.2025 8:05;1.234,5",
            {
                "delimiter": "semicolon",
                "decimal": "comma",
                "thousands": "point",
                "time": {"format": "%d.%m.%Y %H:%M"},
            },
            "2025-07-01 08:05",
            1234.5,
        ),
        (
            "2025-07-01T08:00:00+08:00,-1e-3",
            {"time": {"format": "%Y-%m-%dT%H:%M:%S%z"}},
            "2025-07-01 00:00",
            -0.001,
        ),
        ("1751328000,7", {"time": {"format": "unix_s"}}, "2025-07-01 00:00", 7),
        ("-86400.000,7", {"time": {"format": "unix_s"}}, "1969-12-31 00:00", 7),
        (
            "2025,182,24:00,3",
            {"time": {"columns": [0, 1, 2], "format": "%Y %j %H:%M"}},
            "2025-07-02 00:00",
            3,
        ),
        ("07/01/25 12:30 AM,3", {"time": {"format": "%m/%d/%y %I:%M %p"}}, "2025-07-01 00:30", 3),
        (
            "20250701 0000|'1 000'",
            {
                "delimiter": "pipe",
                "quote": "single",
                "thousands": "space",
                "time": {"format": "%Y%m%d %H%M"},
            },
            "2025-07-01 00:00",
            1000,
        ),
        (
            "2025 7 1\t0:00  5",
            {
                "delimiter": "whitespace",
                "time": {"columns": [0, 1, 2, 3], "format": "%Y %m %d %H:%M"},
            },
            "2025-07-01 00:00",
            5,
        ),
        ("2025-07-01 00:00:00,-9999.0", {}, "2025-07-01 00:00", np.nan),
        ("2025-07-01 00:00:00,No Value", {}, "2025-07-01 00:00", np.nan),
        ("2025-07-01 00:00:00,", {}, "2025-07-01 00:00", np.nan),
        ("2025-07-01 00:00:00,-INF", {}, "2025-07-01 00:00", -np.inf),
    ],
)
def test_what_loggers_write(
    text: str, keys: dict[str, Any], stamp: str, number: float
) -> None:  # fmt: skip
    described = form(**keys)
    last = len(described.time.columns or [0])

    rows, reader = read(text + "\r\n", described, Wanted(last, "a"))

    assert complaints(reader) == []
    assert [one[:16] for one in instants(rows)] == [stamp]
    np.testing.assert_array_equal(rows.number, [[number]])


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "latin-1"])
def test_text_in_the_encodings_of_loggers(encoding: str) -> None:
    name = "Höhe °" if encoding == "latin-1" else "水位"
    text = f"time,{name}\n2025-07-01 00:00:00,1\n".encode(encoding)

    rows, _ = read(text, form(encoding=encoding, header_rows=1, names_row=1), Wanted(name, "a"))

    assert rows.number.tolist() == [[1.0]]


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    text = "\ufefftime,a\n2025-07-01 00:00:00,1\n"
    described = form(header_rows=1, names_row=1, time={"columns": ["time"]})

    rows, _ = read(text, described, Wanted("a", "a"), chunk=1)

    assert len(rows) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2025-07-01 00:02:00,warm", "f:2:21: column 1 (a): 'warm' is not a number"),
        ("2025-07-01 00:02:00,1_0", "f:2:21: column 1 (a): '1_0' is not a number"),
        ("2025-07-01 00:02:00,１", "f:2:21: column 1 (a): '１' is not a number"),
        ("2025-06-31 00:02:00,1", "f:2:1: column 0 (time): '2025-06-31 00:02:00' is no stamp"),
        ("2025-06-30 25:02:00,1", "f:2:1: column 0 (time): '2025-06-30 25:02:00' is no stamp"),
        ("2025-07-01 00:02:00", "f:2:1: the line has 1 cells instead of 2"),
        ("2025-07-01 00:02:00,1,2", "f:2:1: the line has 3 cells instead of 2"),
        ('2025-07-01 00:02:00,"1', "f:2:1: a quote is not closed"),
        ("2025-07-01 00:02:00,\0\0", "f:2:1: the line holds NUL bytes"),
    ],
)
@pytest.mark.parametrize("chunk", [3, 1 << 20])
def test_a_bad_line_is_told_by_its_place_and_the_others_are_read(
    line: str, said: str, chunk: int
) -> None:
    text = f"2025-07-01 00:01:00,1\n{line}\n2025-07-01 00:03:00,3\n"

    rows, reader = read(text, form(), chunk=chunk)

    assert rows.number.tolist() == [[1.0], [3.0]]
    assert reader.bad_lines == 1
    assert said in complaints(reader)[0]


def test_bytes_that_are_no_text_are_one_bad_line() -> None:
    data = b"2025-07-01 00:01:00,1\n\xff\xfe\xff\n2025-07-01 00:03:00,3\n"

    rows, reader = read(data, form())

    assert len(rows) == 2
    assert "f:2:1: the line is not text in this encoding (allowed: utf-8" in complaints(reader)[0]


AUTUMN = ["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"]  # 2015-11-01 in Los Angeles


def autumn(times: list[str], chunk: int, **keys: Any) -> tuple[list[str], LoggerReader]:
    text = "".join(f"2015-11-01 {one}:00,1\n" for one in times)
    newest_first = keys.pop("newest_first", False)
    described = form(time={"zone": "America/Los_Angeles", **keys}, newest_first=newest_first)
    rows, reader = read(text, described, chunk=chunk)
    return [one[11:16] for one in instants(rows)], reader


@pytest.mark.parametrize("chunk", [5, 1 << 20])
def test_an_hour_that_comes_twice_is_told_apart_by_the_order_of_the_rows(chunk: int) -> None:
    ordered = ["07:30", "08:00", "08:30", "09:00", "09:30", "10:00"]

    assert autumn(AUTUMN, chunk)[0] == ordered
    assert autumn(AUTUMN[::-1], chunk, newest_first=True)[0] == ordered[::-1]
    assert autumn(["01:00"], chunk, ambiguous="earlier")[0] == ["08:00"]
    assert autumn(["01:00"], chunk, ambiguous="later")[0] == ["09:00"]


def test_what_the_order_does_not_tell_is_refused() -> None:
    rows, reader = autumn(["01:00", "02:00"], 1 << 20)

    assert rows == ["10:00"]
    assert "f:1:1: column 0 (time): '2015-11-01 01:00:00' comes twice" in complaints(reader)[0]


def test_an_hour_that_never_was_is_refused_or_counts_on() -> None:
    text = "2015-03-08 01:59:00,1\n2015-03-08 02:30:00,2\n2015-03-08 03:00:00,3\n"
    zone = "America/Los_Angeles"

    refused, reader = read(text, form(time={"zone": zone}))
    shifted, _ = read(text, form(time={"zone": zone, "nonexistent": "shift"}))

    assert refused.number.tolist() == [[1.0], [3.0]]
    assert "'2015-03-08 02:30:00' never was" in complaints(reader)[0]
    assert [one[11:16] for one in instants(shifted)] == ["09:59", "10:30", "10:00"]


def test_many_rows_that_never_were_are_refused_as_fast_as_others_are_read() -> None:
    """Ten rows a second, and a logger that does not know the hour: each row is looked at once."""
    rows = ["2015-03-08 01:59:00"] + ["2015-03-08 02:30:00"] * 30_000 + ["2015-03-08 03:00:00"]
    began_s = real_monotonic_s()

    read_rows, reader = read(
        "".join(f"{one},1\n" for one in rows), form(time={"zone": "America/Los_Angeles"})
    )

    assert [one[11:16] for one in instants(read_rows)] == ["09:59", "10:00"]
    assert reader.bad_lines == 30_000
    assert real_monotonic_s() - began_s < 20.0  # Looking back over all of them took a minute.


def test_an_offset_that_no_clock_has_is_no_stamp() -> None:
    stamps = [f"2025-07-01 00:00:00{one}" for one in ("+08:00", "-0330", "+25:00", "+08:75")]

    at_us, bad = StampPattern("%Y-%m-%d %H:%M:%S%z").read(stamps)

    assert bad.tolist() == [False, False, True, True]
    assert at_us[0] == instant_us(datetime(2025, 6, 30, 16, tzinfo=UTC))


def test_a_fraction_counts_away_from_zero_before_1970_too() -> None:
    at_us, _ = StampPattern("unix_s").read(["-1.5", "+1.5"])

    assert at_us.tolist() == [-1_500_000, 1_500_000]


@pytest.mark.parametrize("digits", ["999999999999999", "1766000000000", "-999999999999999"])
def test_an_instant_counted_in_another_unit_is_one_bad_line(digits: str) -> None:
    text = f"1766000000,1\n{digits},2\n1766000060,3\n"

    rows, reader = read(text, form(time={"format": "unix_s"}))

    assert rows.number.tolist() == [[1.0], [3.0]]
    assert f"f:2:1: column 0 (time): '{digits}' lies in no calendar" in (complaints(reader)[0])


def test_a_fixed_offset_is_kept_all_the_year_round() -> None:
    rows, _ = read("2015-07-01 00:00:00,1\n", form(time={"zone": "-08:00"}))

    assert rows.at_us.tolist() == [instant_us(datetime(2015, 7, 1, 8, tzinfo=UTC))]


@pytest.mark.parametrize(
    "keys",
    [
        {"time": {"format": "%H:%M", "zone": "UTC"}},
        {"time": {"format": "%Y-%m-%d %Q", "zone": "UTC"}},
        {"time": {"format": "%Y-%m-%d"}},
        {"time": {"format": "%Y-%m-%dT%H:%M%z", "zone": "UTC"}},
        {"time": {"zone": "Mars/Olympus"}},
        {"time": {"zone": "UTC"}, "names_row": 1},
        {"time": {"zone": "UTC"}, "kind": "toa5", "header_rows": 3},
        {"time": {"zone": "UTC"}, "decimal": "comma", "thousands": "comma"},
        {"time": {"zone": "UTC"}, "decimal": "comma", "quote": "none"},
    ],
)
def test_a_description_that_makes_no_sense_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LoggerFormat.model_validate(keys)


def test_a_file_that_ends_in_its_header_is_refused() -> None:
    with pytest.raises(UnreadableFileError, match="ends within its header of 4 lines"):
        read(TOA5[:60], form(kind="toa5"))


def test_a_reader_goes_on_where_another_stopped() -> None:
    data = TOA5.encode()
    first = LoggerReader("f", form(kind="toa5"), [Wanted("BattV_Min", "a")])
    before = first.feed(data[: len(data) - 50])

    again = LoggerReader(
        "f",
        form(kind="toa5"),
        [Wanted("BattV_Min", "a")],
        header=first.header,
        position=first.position,
    )
    after = again.feed(data[first.position.offset :])

    assert [*before.number[:, 0], *after.number[:, 0]] == [13.1, 13.2, 13.3]
    assert after.line.tolist()[-1] == 7
