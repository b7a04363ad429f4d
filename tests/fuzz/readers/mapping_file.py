"""Mapping files of `groundwatch import`: a plan by which files are read, or complaints by line."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

from fuzz.target import Change, Target, check_sentence
from fuzz.yaml_lines import changed_yaml
from ingest_site import plan_in, site_document

from telemetry.complaint import Complaint
from telemetry.logger_files.mapping import MappingPlan, read_mapping
from telemetry.logger_files.reader import LoggerReader, UnreadableFileError
from telemetry.logger_files.scans import scans_of
from telemetry.part_file import PartFileError

EXAMPLE = b"""\
files:
  - pattern: "*.csv"
    delimiter: semicolon
    header_rows: 2
    names_row: 1
    units_row: 2
    decimal: comma
    thousands: point
    no_value: ["-9999", kein Wert]
    time: { columns: [0, "b"], format: "%Y-%m-%d %H:%M", zone: Europe/Berlin }
    groups:
      levels: { pond: 1, toe: { column: "Toe", unit: m } }
  - pattern: "mvd[0-9].dat"
    kind: toa5
    time: { zone: "-08:00", ambiguous: earlier, nonexistent: shift }
    groups:
      levels: { pond: Pond_Avg }
      pressures: { tip: Tip, base: 3 }
"""
SMALL = b"""\
files:
- time: { format: "%Y-%m-%dT%H:%M:%S.%f%z" }
  encoding: gb18030
  newest_first: true
  groups: { cracks: { crack: 1 } }
"""
FILE = b'"TOA5","b","Toe","m"\n"a","b",Toe,Pond_Avg,Tip\n2025-07-01 00:00;1;2\n2025-07-01,1,2,3\n\n'
PLAN = plan_in(site_document())
PATH = Path(f"/proc/self/fd/{os.memfd_create('mapping')}")  # Nothing stays behind.


def read(data: bytes) -> str:
    PATH.write_bytes(data)
    try:
        mapping = read_mapping(PATH, PLAN)
    except PartFileError as error:
        check_complaints(error.complaints, data.decode("utf-8", "replace"))
        return "refused"
    use(mapping)
    return "accepted"


def check_complaints(complaints: list[Complaint], text: str) -> None:
    assert complaints, "refused without a complaint"
    lines = len(text.splitlines()) + 1
    for one in complaints:
        assert one.file == str(PATH)
        assert 0 <= one.line <= lines, one
        assert str(one).isprintable()
        check_sentence(one.message)


def check_refusal(told: str) -> None:
    """A file may be other than its mapping says; what the mapping alone shows was told before."""
    check_sentence(told, "f:")
    assert "no row of names" not in told


def use(mapping: MappingPlan) -> None:
    """Read a file by every entry: rows, or complaints about the file."""
    mapping.of_file(Path("a.csv"))
    for _, entry in mapping.entries:
        reader = LoggerReader("f", entry.form, entry.wanted)
        try:
            rows = reader.feed(FILE)
            reader.finish()
        except UnreadableFileError as error:
            check_refusal(str(error))
            continue
        for group in entry.groups:
            assert scans_of(rows, group).raw.shape[1] == group.plan.slot_count


def seeds() -> Iterator[bytes]:
    yield EXAMPLE
    yield SMALL
    yield EXAMPLE[EXAMPLE.index(b'  - pattern: "mvd') :].replace(b"  - p", b"files:\n  - p", 1)
    yield b"files: []\n"
    yield b"files:\n- time: { zone: \xff }\n"


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    return changed_yaml(data, chance, change, WORDS)


WORDS = (
    *(
        "files:",
        "- time: {}",
        "kind: toa5",
        "delimiter: whitespace",
        "quote: none",
        "header_rows: 3",
    ),
    *("comment: '#'", "decimal: comma", "thousands: space", "newest_first: true", "zone: UTC"),
    *('format: "%j %H"', 'format: "%s"', "ambiguous: refuse", "pattern: '[!'", "names_row: 1"),
    *("groups: { cracks: { crack: 1 } }", "{ column: 2, unit: mm }", "units_row: 2", "latin-1"),
)
TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("accepted", "refused"),
    words=tuple(word.encode() for word in WORDS),
    mutated=mutated,
    short_runs=100,
)
