"""The reader: chunks of a logger's file in, rows as arrays out, and a complaint for each bad line.

A line is a row; a quote that is still open at a line's end makes a bad line. What stands behind
the last line end waits, because a file that is being written ends anywhere, and half a number is
a number too. A line that is bad in one cell is bad as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.complaint import Complaint
from telemetry.logger_files.cells import NumberStyle
from telemetry.logger_files.format import LoggerFormat, header_rows_of
from telemetry.logger_files.header import HeaderError, Layout, LineSplitter, Wanted, lay_out
from telemetry.logger_files.stamps import StampPattern
from telemetry.logger_files.zones import LocalTime, Refused, out_of_calendar, zone_of

LINE_BYTES_MAX: Final = 1 << 20
COMPLAINTS_MAX: Final = 50  # All are counted, so many are kept.
SHOWN_MAX: Final = 40
_REFUSALS: Final = {
    Refused.AMBIGUOUS: (
        "comes twice, because clocks go back, and no earlier row tells which one is meant",
        "ambiguous: earlier or later, or a zone with a fixed offset",
    ),
    Refused.NONEXISTENT: (
        "never was, because clocks go forward",
        "nonexistent: shift, or the zone that the logger really keeps",
    ),
    Refused.OUT_OF_CALENDAR: ("lies in no calendar", "an instant of our time"),
}


class UnreadableFileError(Exception):
    """The file as a whole can't be read; carries the complaints."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("\n".join(map(str, complaints)))
        self.complaints = list(complaints)


@dataclass(frozen=True, slots=True, eq=False)
class LoggerRows:
    """Rows of a file, in its order."""

    line: NDArray[np.int64]  # [row] where it stands, from 1
    at_us: NDArray[np.int64]  # [row] microseconds since 1970 UTC
    number: NDArray[np.float64]  # [row, column] NaN where the logger had no number
    empty: NDArray[np.bool_]  # [row, column] where the cell is empty

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.line)


@dataclass(frozen=True, slots=True)
class ReaderPosition:
    """Up to where a file has been read; a reader can go on from here."""

    offset: int = 0  # Bytes of whole lines.
    line: int = 0
    width: int | None = None
    before_us: int | None = None  # The instant of the last good row.


class LoggerReader:
    """Reads one file."""

    def __init__(
        self,
        file: str,
        form: LoggerFormat,
        wanted: Sequence[Wanted],
        *,
        header: Sequence[str] = (),
        position: ReaderPosition | None = None,
    ) -> None:
        """Begin at the beginning, or, with the header's lines given again, at a position."""
        self.header = list(header)
        self.complaints: list[Complaint] = []
        self.bad_lines = 0
        self.repeated_headers = 0
        self.rows = 0
        self._file = file
        self._form = form
        self.wanted = list(wanted)
        self._rest = b""
        self._layout: Layout | None = None
        self.splitter = LineSplitter(form)
        self.style = NumberStyle(form)
        self.pattern = StampPattern(form.time.format)
        self.local = LocalTime(
            zone=zone_of(form.time.zone or "UTC"),
            ambiguous=form.time.ambiguous,
            shifts_nonexistent=form.time.nonexistent == "shift",
            newest_first=form.newest_first,
        )
        begin = position or ReaderPosition()
        self._offset, self._line = begin.offset, begin.line
        self.width, self.before_us = begin.width, begin.before_us
        if position is not None and len(self.header) == header_rows_of(form):
            self._read_header()

    @property
    def position(self) -> ReaderPosition:
        """Up to where everything has been read."""
        return ReaderPosition(self._offset, self._line, self.width, self.before_us)

    @property
    def unfinished(self) -> bytes:
        """What stands behind the last line end."""
        return self._rest

    def feed(self, chunk: bytes) -> LoggerRows:
        """Take the next bytes; return the rows that end in them."""
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._rest += chunk
            if len(self._rest) > LINE_BYTES_MAX:
                said = f"a line is longer than {LINE_BYTES_MAX} bytes"
                raise self._unreadable(self._line + 1, said, "a text file with one row a line")
            return self.no_rows()
        whole, self._rest = self._rest + chunk[:end], chunk[end:]
        self._offset += len(whole)
        first = self._line + 1
        told_before = len(self.complaints)
        lines = self._decoded(whole)
        self._line += len(lines)
        rows = self._rows_of(self._without_header(lines, first), first)
        self.complaints[told_before:] = sorted(self.complaints[told_before:], key=_place)
        del self.complaints[COMPLAINTS_MAX:]
        return rows

    def finish(self) -> None:
        """Say that nothing more comes; a file that ends within its header can't be read."""
        expected = header_rows_of(self._form)
        if self._layout is None and len(self.header) < expected:
            said = f"the file ends within its header of {expected} lines"
            raise self._unreadable(self._line, said, "a whole header, or fewer header_rows")

    def _decoded(self, whole: bytes) -> list[str | None]:
        """Cut bytes into lines of text; None stands for a line that is no text."""
        encoding = self._form.encoding
        pieces = whole.split(b"\n")[:-1]
        try:
            lines: list[str | None] = [*whole.decode(encoding).split("\n")[:-1]]
        except UnicodeDecodeError:
            lines = [_decoded_line(piece, encoding) for piece in pieces]
        if self._line == 0 and lines[0] is not None:
            if pieces[0][:2] in {b"\xff\xfe", b"\xfe\xff"}:
                raise self._unreadable(1, "the file is UTF-16", "a file saved as UTF-8")
            mark = "\ufeff" if encoding == "utf-8" else "ï»¿"
            lines[0] = lines[0].removeprefix(mark)
        return [None if line is None else line.removesuffix("\r") for line in lines]

    def _without_header(self, lines: list[str | None], first: int) -> list[str | None]:
        """Take what belongs to the header, and stand nothing in its place."""
        missing = header_rows_of(self._form) - len(self.header)
        for n, line in enumerate(lines[:missing]):
            if line is None:
                raise self._unreadable(first + n, "the header is not text", self._form.encoding)
            self.header.append(line)
            lines[n] = ""
        if self._layout is None and len(self.header) == header_rows_of(self._form):
            self._read_header()
        return lines

    def _read_header(self) -> None:
        try:
            self._layout = lay_out(self._file, self._form, self.wanted, self.header)
        except HeaderError as error:
            raise UnreadableFileError(error.complaints) from error
        self.width = self._layout.width or self.width

    def _rows_of(self, lines: list[str | None], first: int) -> LoggerRows:
        kept = self._kept(lines, first)
        if not kept or self._layout is None:
            return self.no_rows()
        batch = _Batch(self, kept, self._layout)
        rows = batch.rows()
        self.rows += len(rows)
        return rows

    def _kept(self, lines: list[str | None], first: int) -> list[tuple[int, str]]:
        """Leave out what is no row: blank lines, comments, headers that come again."""
        comment, header = self._form.comment, {one for one in self.header if one.strip()}
        kept: list[tuple[int, str]] = []
        for number, line in enumerate(lines, start=first):
            if line is None:
                self.complain(
                    number,
                    1,
                    "",
                    "the line is not text in this encoding",
                    f"{self._form.encoding}, or the encoding that the file has",
                )
                self.bad_lines += 1
            elif not line or line.isspace() or (comment and line.startswith(comment)):
                continue
            elif line in header:
                self.repeated_headers += 1
            else:
                kept.append((number, line))
        return kept

    def complain(self, line: int, column: int, where: str, message: str, allowed: str) -> None:
        """Say what is wrong with a line."""
        self.complaints.append(Complaint(self._file, line, column, where, message, allowed))

    def no_rows(self) -> LoggerRows:
        """Nothing to read."""
        none = np.zeros((0, len(self.wanted)))
        instants = np.zeros(0, np.int64)
        return LoggerRows(instants, instants, none, none.astype(np.bool_))

    def _unreadable(self, line: int, message: str, allowed: str) -> UnreadableFileError:
        return UnreadableFileError([Complaint(self._file, line, 1, "", message, allowed)])


class _Batch:
    """Some lines on their way to rows; what is wrong with them is told in their order."""

    def __init__(self, reader: LoggerReader, kept: list[tuple[int, str]], layout: Layout) -> None:
        self._reader = reader
        self._layout = layout
        self._faults: list[tuple[int, int, str, str, str]] = []  # Number in the batch, and so on.
        self._lines = [line for _, line in kept]
        self._numbers = np.array([number for number, _ in kept], np.int64)

    def rows(self) -> LoggerRows:
        reader, layout = self._reader, self._layout
        cells, chosen = self._cells()
        if not cells:
            self._tell()
            return reader.no_rows()
        columns = list(zip(*cells, strict=True))
        is_good = np.ones(len(chosen), np.bool_)
        number = np.full((len(chosen), len(layout.columns)), np.nan)
        empty = np.zeros(number.shape, np.bool_)
        for n, place in enumerate(layout.columns):
            number[:, n], empty[:, n], bad = reader.style.numbers(columns[place])
            wanted = reader.wanted[n]
            for row in np.flatnonzero(bad).tolist():
                said = f"{_shown(columns[place][row])} is not a number"
                self._fault(
                    chosen[row], place, wanted.reader, said, "a number, or no_value with it"
                )
            is_good &= ~bad
        at_us = self._instants(columns, chosen, is_good)
        self._tell()
        good = np.flatnonzero(is_good)
        lines = self._numbers[np.array(chosen, np.intp)]
        return LoggerRows(lines[good], at_us[good], number[good], empty[good])

    def _cells(self) -> tuple[list[list[str]], list[int]]:
        """Cut the lines; leave out those that have not as many cells as the others."""
        reader = self._reader
        cut = reader.splitter.lines(self._lines)
        cells: list[list[str]] = []
        chosen: list[int] = []
        highest = max((*self._layout.time, *self._layout.columns))
        for n, row in enumerate(cut):
            if row is None:
                said = "a quote is not closed, or stands inside a cell"
                self._fault(n, 0, "", said, "quotes around whole cells, doubled inside")
            elif "\0" in self._lines[n]:
                self._fault(n, 0, "", "the line holds NUL bytes", "text; power was lost here?")
            elif len(row) <= highest or (reader.width is not None and len(row) != reader.width):
                wanted = reader.width or highest + 1
                said = f"the line has {len(row)} cells instead of {wanted}"
                self._fault(n, 0, "", said, "as many cells in each line; the right delimiter")
            else:
                reader.width = len(row)
                cells.append(row)
                chosen.append(n)
        return cells, chosen

    def _instants(
        self, columns: Sequence[Sequence[str]], chosen: list[int], is_good: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Read the stamps of the rows that are good so far."""
        reader, places = self._reader, self._layout.time
        parts = [columns[place] for place in places]
        texts = (
            parts[0]
            if len(parts) == 1
            else [" ".join(map(str.strip, one)) for one in zip(*parts, strict=True)]
        )
        local_us, bad = reader.pattern.read(texts)
        for row in np.flatnonzero(bad).tolist():
            said = f"{_shown(texts[row])} is no stamp of the form {reader.pattern.text}"
            self._fault(chosen[row], places[0], "time", said, "time.format as the file writes it")
        is_good &= ~bad
        good = np.flatnonzero(is_good)
        at_us = local_us.copy()
        if reader.pattern.is_absolute:
            refused = out_of_calendar(local_us[good])
        else:
            at_us[good], refused = reader.local.to_utc(local_us[good], reader.before_us)
        for n, reason in refused.items():
            row = int(good[n])
            said, remedy = _REFUSALS[reason]
            self._fault(chosen[row], places[0], "time", f"{_shown(texts[row])} {said}", remedy)
            is_good[row] = False
        good = np.flatnonzero(is_good)
        if len(good):
            reader.before_us = int(at_us[good[-1]])
        return at_us

    def _fault(self, n: int, place: int, where: str, message: str, allowed: str) -> None:
        self._faults.append((n, place, where, message, allowed))

    def _tell(self) -> None:
        reader = self._reader
        reader.bad_lines += len({n for n, *_ in self._faults})
        for n, place, where, message, allowed in sorted(self._faults):
            line = self._lines[n]
            column = _character_of(line, place, reader.splitter)
            name = f"column {place}" if where else ""
            said = f"{name} ({where})" if where else ""
            reader.complain(int(self._numbers[n]), column, said, message, allowed)


def _place(complaint: Complaint) -> tuple[int, int]:
    return complaint.line, complaint.column


def _character_of(line: str, place: int, splitter: LineSplitter) -> int:
    """Find where a cell begins in its line, as editors count; 1 where quotes hide it."""
    (cells,) = splitter.lines([line])
    if not place or cells is None or '"' in line or "'" in line:
        return 1
    return sum(len(cell) + 1 for cell in cells[:place]) + 1


def _decoded_line(piece: bytes, encoding: str) -> str | None:
    try:
        return piece.decode(encoding)
    except UnicodeDecodeError:
        return None


def _shown(text: str) -> str:
    return f"'{text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + '…'}'"
