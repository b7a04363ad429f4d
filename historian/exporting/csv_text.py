"""CSV as RFC 4180 has it, which a spreadsheet can't take for formulas, and which we can import.

Numbers are written as they are, negative ones too; everything else is quoted. A text that begins
with =, +, -, @, one of these in full width, a tab or a carriage return gets an apostrophe before
it: spreadsheets would compute it (OWASP, "CSV injection").
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, tzinfo
from typing import Final

from psycopg import AsyncConnection

from historian.exporting.reading import ExportedScan, scans_in_order
from historian.exporting.rows import LongRow, LongRows, WideRow, WideRows
from historian.exporting.selection import Form, Selection
from telemetry.quality import Quality

DANGEROUS: Final = tuple("=+-@＝＋－＠\t\r")
WORDS: Final = {int(one): one.name.lower() for one in Quality}


def safe_text(text: str) -> str:
    """Make a text harmless in a spreadsheet, and one line.

    >>> safe_text("=1+1"), safe_text("north dam")
    ("'=1+1", 'north dam')
    """
    one_line = "".join(one if one.isprintable() or one in "\t\r" else " " for one in text)
    if one_line.lstrip(" ").startswith(DANGEROUS):
        one_line = f"'{one_line}"
    return one_line.replace("\t", " ").replace("\r", " ")


async def csv_pieces(
    connection: AsyncConnection, selection: Selection, form: Form, zone: tzinfo = UTC
) -> AsyncIterator[str]:
    """Yield a CSV file's text, piece by piece; a header also when there is nothing."""
    table = _Wide(selection, zone) if form == "wide" else _Long(selection, zone)
    yield table.header()
    async for scans in scans_in_order(connection, selection):
        yield table.take(scans)
    if isinstance(table, _Wide):
        yield table.finish()


class _Wide:
    """A column a channel, and beside it one for its quality."""

    def __init__(self, selection: Selection, zone: tzinfo) -> None:
        self._rows = WideRows(selection)
        self._selection = selection
        self._zone = zone

    def header(self) -> str:
        cells = ["time"]
        for one in self._selection.channels:
            cells += [f"{one.key} [{self._selection.unit_of(one)}]", f"{one.key} quality"]
        return _text([[safe_text(cell) for cell in cells]])

    def take(self, scans: Iterable[ExportedScan]) -> str:
        return _text(self._cells(row) for row in self._rows.take(scans))

    def finish(self) -> str:
        return _text(self._cells(row) for row in self._rows.finish())

    def _cells(self, row: WideRow) -> list[object]:
        cells: list[object] = [stamp(row.at, self._zone)]
        for number, quality in zip(row.numbers, row.quality, strict=True):
            cells += ["", ""] if quality is None else [number, WORDS.get(quality, str(quality))]
        return cells


class _Long:
    """A row a reading."""

    def __init__(self, selection: Selection, zone: tzinfo) -> None:
        self._rows = LongRows(selection)
        self._zone = zone
        self._about = {
            one.index: (
                safe_text(one.station.id),
                safe_text(one.key),
                safe_text(one.channel.name.en if one.channel.name else one.key),
                safe_text(selection.unit_of(one)),
            )
            for one in selection.channels
        }

    def header(self) -> str:
        return _text([["time", "station", "channel", "name", "value", "unit", "quality"]])

    def take(self, scans: Iterable[ExportedScan]) -> str:
        return _text(self._cells(row) for row in self._rows.take(scans))

    def _cells(self, row: LongRow) -> list[object]:
        station, channel, name, unit = self._about[row.channel.index]
        quality = WORDS.get(row.quality, str(row.quality))
        at = stamp(row.at, self._zone)
        return [at, station, channel, name, row.number, unit, quality]


def stamp(at: datetime, zone: tzinfo) -> str:
    """Write an instant so that it has one meaning everywhere.

    >>> stamp(datetime(2025, 7, 1, tzinfo=UTC), UTC)
    '2025-07-01T00:00:00Z'
    """
    return at.astimezone(zone).isoformat().replace("+00:00", "Z")


def _text(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
