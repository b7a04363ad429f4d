"""What the fuzzers of logger files share: two files with their descriptions, and what must hold."""

from itertools import pairwise
from typing import Any

import numpy as np

from telemetry.complaint import Complaint
from telemetry.logger_files.format import LoggerFormat
from telemetry.logger_files.header import Wanted
from telemetry.logger_files.reader import (
    COMPLAINTS_MAX,
    LoggerReader,
    LoggerRows,
    UnreadableFileError,
)

TOA5 = b""""TOA5","dam","CR1000X","12345","CR1000X.Std.05","CPU:dam.CR1X","4711","Table1"
"TIMESTAMP","RECORD","Level_Avg","BattV_Min"
"TS","RN","m","Volts"
"","","Avg","Min"
"2025-07-01 00:00:00",0,12.5,13.1
"2025-07-01 00:05:00",1,"NAN",13.2
"2025-07-01 00:10:00",2,-9999,13.3
"""
CSV = b"""Zeit;Pegel (m);Temperatur
26.10.2025 01:30;1.234,5;-1,5
26.10.2025 02:30;1;1
26.10.2025 02:30;;20
26.10.2025 03:30;-9999;"21,5"
30.03.2025 02:30;kein Wert;7
"""
FORMS: list[tuple[bytes, dict[str, Any], list[Wanted]]] = [
    (
        TOA5,
        {"kind": "toa5", "time": {"zone": "+08:00"}},
        [Wanted("Level_Avg", "a", "m"), Wanted(3, "b")],
    ),
    (
        CSV,
        {
            "delimiter": "semicolon",
            "decimal": "comma",
            "thousands": "point",
            "header_rows": 1,
            "names_row": 1,
            "no_value": ["-9999", "kein Wert"],
            "time": {"columns": ["Zeit"], "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
        },
        [Wanted("Pegel (m)", "a"), Wanted(2, "b")],
    ),
]

Outcome = tuple[LoggerRows | None, list[Complaint], int]


def read(data: bytes, form: LoggerFormat, wanted: list[Wanted], cuts: list[int]) -> Outcome:
    reader = LoggerReader("f", form, wanted)
    parts: list[LoggerRows] = []
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    try:
        for begin, end in pairwise(places):
            parts.append(reader.feed(data[begin:end]))
        reader.finish()
    except UnreadableFileError as error:
        return None, error.complaints, reader.bad_lines
    names = ("line", "at_us", "number", "empty")
    rows = LoggerRows(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))
    return rows, reader.complaints, reader.bad_lines


def check(data: bytes, outcome: Outcome) -> None:
    rows, complaints, bad_lines = outcome
    lines = data.count(b"\n")
    for complaint in complaints:
        assert complaint.file == "f"
        assert 0 <= complaint.line <= lines + 1
        assert complaint.message
        assert complaint.allowed
        assert str(complaint).isprintable()
    if rows is None:
        assert complaints
        return
    assert len(rows) + bad_lines <= lines
    assert (np.diff(rows.line) > 0).all()
    assert bool(bad_lines) == bool(complaints)
    assert len(complaints) <= COMPLAINTS_MAX
