"""Reading an old file twice: first to see whether all of it can be stored, then to store it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.history.copies import StampOrder, repeated_instants
from telemetry.complaint import Complaint
from telemetry.logger_files.format import LoggerFormat
from telemetry.logger_files.header import Wanted
from telemetry.logger_files.mapping import FilePlan
from telemetry.logger_files.reader import (
    COMPLAINTS_MAX,
    LoggerReader,
    LoggerRows,
    UnreadableFileError,
)

CHUNK_BYTES: Final = 1 << 18
# A block is one transaction, in which the site's own flushes wait: some 50 ms.
BLOCK_ROWS: Final = 5_000

Told = Callable[[int], None]  # How many bytes more have been read.


@dataclass(frozen=True, slots=True)
class Span:
    """The instants at which anything can have been measured."""

    began_us: int
    until_us: int


@dataclass(frozen=True, slots=True, eq=False)
class FileFindings:
    """What the first reading has found."""

    rows: int
    bad_lines: int
    unfinished: bytes  # What stands behind the last line end, and is not read.
    complaints: list[Complaint]
    sha256: bytes
    size: int
    repeated_us: NDArray[np.int64]  # Instants that stand more than once.
    unreadable: bool = False  # The file as a whole: no line of it can be taken.


class FileReading:
    """One reading of a file, in blocks whose borders depend on the file alone."""

    def __init__(
        self, path: Path, form: LoggerFormat, wanted: tuple[Wanted, ...], span: Span
    ) -> None:
        self.reader = LoggerReader(str(path), form, wanted)
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.implausible = 0
        self._path = path
        self._span = span

    def blocks(self, told: Told) -> Iterator[LoggerRows]:
        """Yield the good rows, so many at a time; raise OSError or `UnreadableFileError`."""
        waiting: list[LoggerRows] = []
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                self.sha256.update(chunk)
                self.size += len(chunk)
                waiting.append(self._plausible(self.reader.feed(chunk)))
                told(len(chunk))
                if sum(map(len, waiting)) >= BLOCK_ROWS:
                    rows = _joined(waiting)
                    whole = len(rows) - len(rows) % BLOCK_ROWS
                    for begin in range(0, whole, BLOCK_ROWS):
                        yield _part(rows, begin, begin + BLOCK_ROWS)
                    waiting = [_part(rows, whole, len(rows))]
        self.reader.finish()
        rest = _joined(waiting) if waiting else None
        if rest is not None and len(rest):
            yield rest

    def _plausible(self, rows: LoggerRows) -> LoggerRows:
        """Leave out rows of an instant at which nothing can have been measured."""
        early, late = rows.at_us < self._span.began_us, rows.at_us > self._span.until_us
        wrong = np.flatnonzero(early | late)
        if not len(wrong):
            return rows
        self.implausible += len(wrong)
        for n in wrong[:COMPLAINTS_MAX].tolist():
            said, remedy = (
                ("the stamp lies before the site began", "began_at in the site file, earlier")
                if early[n]
                else (
                    "the stamp lies more than a day ahead of now",
                    "the right zone and format",
                )
            )
            self.reader.complain(int(rows.line[n]), 1, "time", said, remedy)
        keep = np.flatnonzero(~(early | late))
        return LoggerRows(rows.line[keep], rows.at_us[keep], rows.number[keep], rows.empty[keep])


def look_through(path: Path, plan: FilePlan, span: Span, told: Told) -> FileFindings:
    """Read a file for the first time; nothing is stored."""
    reading = FileReading(path, plan.form, plan.wanted, span)
    order, rows = StampOrder(), 0
    try:
        for block in reading.blocks(told):
            order.see(block.at_us)
            rows += len(block)
        repeated = np.zeros(0, np.int64) if order.repeats_none else _repeated(path, plan, span)
    except OSError as error:
        return _nothing([Complaint(str(path), 0, 0, "", f"cannot be read: {error.strerror}", "")])
    except UnreadableFileError as error:
        return _nothing(error.complaints)
    return FileFindings(
        rows=rows,
        bad_lines=reading.reader.bad_lines + reading.implausible,
        unfinished=reading.reader.unfinished,
        complaints=sorted(reading.reader.complaints)[:COMPLAINTS_MAX],
        sha256=reading.sha256.digest(),
        size=reading.size,
        repeated_us=repeated,
    )


def _repeated(path: Path, plan: FilePlan, span: Span) -> NDArray[np.int64]:
    """Look for repeated stamps: 8 bytes a row, and only where the rows are not in order."""
    reading = FileReading(path, plan.form, (), span)
    instants = [block.at_us for block in reading.blocks(lambda _: None)]
    return repeated_instants(np.concatenate(instants))


def _nothing(complaints: list[Complaint]) -> FileFindings:
    none = np.zeros(0, np.int64)
    return FileFindings(0, 0, b"", complaints, b"", 0, none, unreadable=True)


def _joined(parts: list[LoggerRows]) -> LoggerRows:
    return LoggerRows(
        np.concatenate([one.line for one in parts]),
        np.concatenate([one.at_us for one in parts]),
        np.concatenate([one.number for one in parts]),
        np.concatenate([one.empty for one in parts]),
    )


def _part(rows: LoggerRows, begin: int, end: int) -> LoggerRows:
    part = slice(begin, end)
    return LoggerRows(rows.line[part], rows.at_us[part], rows.number[part], rows.empty[part])
