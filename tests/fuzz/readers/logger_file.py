"""Files of loggers, TOA5 and CSV/TSV: rows and complaints by line, wherever the file is cut."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from fuzz.target import Change, Target
from logger_file_fuzz import CSV, FORMS, TOA5, check
from logger_file_fuzz import read as read_rows

from telemetry.logger_files.format import LoggerFormat
from telemetry.logger_files.header import Wanted

# Instants that every part of the product can say: years 1 to 9999, less a day for offsets.
EARLIEST_US, LATEST_US = -62_135_510_400_000_000, 253_402_214_400_000_000
TSV = (
    b"# site 7\n2025-07-01\t00:00\t1,5\t 3\n2025-07-01\t00:15\t\t-9999\n2025-06-30\t23:00\t2\t1e3\n"
)
FIXED = b"2025 181 0005 7.25  inf\n2025 181 0010 -1 NAN\n"
EXAMPLES: list[tuple[bytes, dict[str, Any], list[Wanted]]] = [
    *FORMS,
    (
        TSV,
        {
            "delimiter": "tab",
            "decimal": "comma",
            "comment": "#",
            "newest_first": True,
            "encoding": "latin-1",
            "time": {"columns": [0, 1], "format": "%Y-%m-%d %H:%M", "zone": "America/New_York"},
        },
        [Wanted(2, "a"), Wanted(3, "b")],
    ),
    (
        FIXED,
        {
            "delimiter": "whitespace",
            "encoding": "gb18030",
            "time": {
                "columns": [0, 1, 2],
                "format": "%Y %j %H%M",
                "zone": "Europe/Berlin",
                "nonexistent": "shift",
                "ambiguous": "refuse",
            },
        },
        [Wanted(3, "a"), Wanted(4, "b")],
    ),
    (
        b"'2025-07-01T00:00:00+08:00'|'1'\n'2025-07-01T00:00:05Z'|''\n",
        {
            "delimiter": "pipe",
            "quote": "single",
            "time": {"format": "%Y-%m-%dT%H:%M:%S%z"},
        },
        [Wanted(1, "a")],
    ),
    (
        b"1751328000.25,1\n1751328060,2\n-1.5,3\n",
        {"time": {"format": "unix_s"}},
        [Wanted(1, "a")],
    ),
    (
        b"1/11/26 1:30:05.5 AM;1'234.5\n1/11/26 01:30:05.25 PM;1\n",
        {
            "delimiter": "semicolon",
            "thousands": "apostrophe",
            "time": {
                "format": "%d/%m/%y %I:%M:%S.%f %p",
                "zone": "America/New_York",
                "ambiguous": "later",
            },
        },
        [Wanted(1, "a")],
    ),
    (
        b"2 Nov 2025 1:30,,1\n2 Nov 2025 1:45,x,2\n2 Nov 2025 1:00,,3\n",
        {"time": {"format": "%d %b %Y %H:%M", "zone": "America/New_York"}},
        [Wanted(2, "a")],
    ),
]
DESCRIBED = [(LoggerFormat.model_validate(keys), wanted) for _, keys, wanted in EXAMPLES]


def read(data: bytes) -> str:
    """The first byte chooses the description, the next two where the file is cut."""
    form, wanted = DESCRIBED[(data[0] if data else 0) % len(DESCRIBED)]
    cuts, file = list(data[1:3]), data[3:]
    whole, cut = read_rows(file, form, wanted, []), read_rows(file, form, wanted, cuts)
    check(file, whole)
    if whole[0] is None or cut[0] is None:
        assert whole[0] is cut[0]
        assert whole[1] == cut[1]
        return "unreadable"
    assert whole[1:] == cut[1:]
    for name in ("line", "at_us", "number", "empty"):
        assert np.array_equal(
            getattr(whole[0], name), getattr(cut[0], name), equal_nan=name == "number"
        ), name
    assert np.isnan(whole[0].number[whole[0].empty]).all()
    assert ((whole[0].at_us > EARLIEST_US) & (whole[0].at_us < LATEST_US)).all()
    if whole[1]:
        return "complaints"
    return "accepted" if len(whole[0]) else "empty"


def seeds() -> Iterator[bytes]:
    for n, (good, _, _) in enumerate(EXAMPLES):
        yield bytes([n, 40, 90]) + good
        yield bytes([n, 40, 90]) + good.replace(b"\n", b"\r\n")
    yield b"\x00\x05\x00" + TOA5[:90]
    yield b"\x01\x05\x00" + b"\xef\xbb\xbf" + CSV
    yield b"\x03\x00\x00"


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    """Change a cell, or move lines about."""
    head, lines = data[:3], data[3:].split(b"\n")
    at = chance.randrange(len(lines))
    mark = chance.choice((b",", b";", b"\t", b" ", b"|", b'"', b":", b"-"))
    cells = lines[at].split(mark)
    cell = chance.randrange(len(cells))
    match chance.randrange(6):
        case 0:
            lines.insert(chance.randrange(len(lines) + 1), lines[at])
        case 1:
            del lines[at]
        case 2:
            del cells[cell]
        case 3:
            cells[cell] = chance.choice(WORDS)
        case 4:
            cells.insert(cell, cells[chance.randrange(len(cells))])
        case _:
            cells[cell] = change(cells[cell])
    if cells and at < len(lines):
        lines[at] = mark.join(cells)
    return head + b"\n".join(lines)


WORDS = (
    *(b"NAN", b'"NAN"', b"-9999", b"kein Wert", b"inf", b"1e400", b"1.234,5", b"1_0", b"\0"),
    *(b"26.10.2025 02:30", b"30.03.2025 02:30", b"2025-02-29 00:00:00", b"9999-12-31 23:59:59"),
    *(b"0001-01-01T00:00:00+14:00", b"0001-01-01 00:00:00", b"24:00", b"12:00 AM", b"31 Feb"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b'""', b"\xe6\xb0\xb4", b"366", b"9" * 15, b"-0.5"),
)
TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("accepted", "complaints", "empty", "unreadable"),
    words=WORDS,
    mutated=mutated,
    short_runs=400,
)
