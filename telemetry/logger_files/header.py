"""A file's header: which of its columns are wanted, and whether their units are right."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from telemetry.complaint import Complaint
from telemetry.logger_files.format import (
    DELIMITERS,
    QUOTES,
    LoggerFormat,
    names_row_of,
    time_columns_of,
    units_row_of,
)
from telemetry.quantities import SPELLINGS
from telemetry.sources import Column

SHOWN_MAX = 60


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column that is to be read."""

    column: Column
    reader: str  # Who wants it, as complaints call it: a channel's id.
    unit: str | None = None  # What the units row must say, if it says anything; None: whatever.


class LineSplitter:
    """Cuts a line into cells, by one file's delimiter and quotes."""

    def __init__(self, form: LoggerFormat) -> None:
        self._delimiter = "," if form.kind == "toa5" else DELIMITERS[form.delimiter]
        self._quote = QUOTES[form.quote]

    def lines(self, lines: Sequence[str]) -> list[list[str] | None]:
        """Cut lines into cells; None stands for a line whose quotes are not in order."""
        if self._delimiter is None:
            return [line.split() for line in lines]
        quote = self._quote
        if quote is None or not any(quote in line for line in lines):
            return [line.split(self._delimiter) for line in lines]
        # Each line for itself, so that its neighbours do not change what is read of it.
        quoted = [line for line in lines if quote in line]
        rows = iter(self._quoted_lines(quoted))
        return [next(rows) if quote in line else line.split(self._delimiter) for line in lines]

    def _quoted_lines(self, lines: Sequence[str]) -> list[list[str] | None]:
        try:
            rows = self._quoted(lines)
        except csv.Error:
            rows = []
        if len(rows) == len(lines):
            return [*rows]
        return [self._one(line) for line in lines]  # Somewhere a quote is left open.

    def _one(self, line: str) -> list[str] | None:
        try:
            rows = self._quoted([line])
        except csv.Error:
            return None
        return rows[0] if len(rows) == 1 else None

    def _quoted(self, lines: Sequence[str]) -> list[list[str]]:
        assert self._delimiter is not None
        reader = csv.reader(lines, delimiter=self._delimiter, quotechar=self._quote, strict=True)
        return list(reader)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands in a file's rows, by number."""

    time: tuple[int, ...]
    columns: tuple[int, ...]  # By the order in which they are wanted.
    width: int | None  # How many cells a row has; None: as many as the first one.


class HeaderError(Exception):
    """The header does not fit what is wanted of the file."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__("\n".join(map(str, complaints)))
        self.complaints = complaints


def lay_out(file: str, form: LoggerFormat, wanted: Sequence[Wanted], lines: list[str]) -> Layout:
    """Find the wanted columns by a file's header lines; raise `HeaderError` if one is missing."""
    return _Header(file, form, lines).layout(wanted)


class _Header:
    """A header being read, and what is wrong with it."""

    def __init__(self, file: str, form: LoggerFormat, lines: list[str]) -> None:
        self._file = file
        self._form = form
        self._complaints: list[Complaint] = []
        cells = [row or [] for row in LineSplitter(form).lines(lines)]
        if form.kind == "toa5" and (not cells[:1] or cells[0][:1] != ["TOA5"]):
            said = f"the file begins with {_shown(lines[0] if lines else '')}"
            self._complain(1, "", said, 'a first line that begins with "TOA5"')
            raise HeaderError(self._complaints)
        self._names_row, self._units_row = names_row_of(form), units_row_of(form)
        self._names = _row(cells, self._names_row)
        self._units = _row(cells, self._units_row)

    def layout(self, wanted: Sequence[Wanted]) -> Layout:
        time = [self._place(one, "the stamp") for one in time_columns_of(self._form)]
        columns = [self._place(one.column, one.reader) for one in wanted]
        for one, place in zip(wanted, columns, strict=True):
            if place is not None:
                self._check_unit(one, place)
        if self._complaints:
            raise HeaderError(self._complaints)
        return Layout(
            tuple(one for one in time if one is not None),
            tuple(one for one in columns if one is not None),
            len(self._names) if self._names else None,
        )

    def _place(self, column: Column, reader: str) -> int | None:
        if isinstance(column, int):
            if self._names and column >= len(self._names):
                said = f"there is no column {column}; the header has {len(self._names)}"
                self._complain(self._names_row or 1, reader, said, "columns counted from 0")
                return None
            return column
        places = [n for n, name in enumerate(self._names) if name == column]
        if len(places) == 1:
            return places[0]
        line = self._names_row or 0
        if places:
            said = f"{len(places)} columns are called {_shown(column)}"
            self._complain(line, reader, said, "the column's number, from 0")
        elif self._names_row is None:
            said = f"the column {_shown(column)} is named, but the file has no row of names"
            self._complain(line, reader, said, "names_row, or the column's number from 0")
        else:
            near = get_close_matches(column, self._names, n=1)
            hint = f"; did you mean {_shown(near[0])}?" if near else ""
            known = ", ".join(_shown(name) for name in self._names[:40])
            said = f"there is no column {_shown(column)}{hint}"
            self._complain(line, reader, said, known or "a header whose quotes are in order")
        return None

    def _check_unit(self, wanted: Wanted, place: int) -> None:
        said = self._units[place] if place < len(self._units) else ""
        if wanted.unit is None or not said:
            return
        if said != wanted.unit and SPELLINGS.get(said, said) != wanted.unit:
            message = f"the column is in {_shown(said)}, the channel in {wanted.unit}"
            remedy = (
                f"{wanted.unit}; a number in another unit needs a conversion, and one that is "
                "only spelled otherwise the key unit with the file's spelling"
            )
            self._complain(self._units_row or 1, wanted.reader, message, remedy)

    def _complain(self, line: int, where: str, message: str, allowed: str) -> None:
        column = 1 if line else 0
        self._complaints.append(Complaint(self._file, line, column, where, message, allowed))


def _row(cells: list[list[str]], row: int | None) -> list[str]:
    if row is None or row > len(cells):
        return []
    return [cell.strip().removeprefix("\ufeff") for cell in cells[row - 1]]


def _shown(text: str) -> str:
    return f"'{text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + '…'}'"
