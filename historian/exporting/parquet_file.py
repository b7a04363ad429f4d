"""Parquet, for whoever computes: instants in UTC, numbers as they are stored, units as metadata."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from historian.exporting.reading import scans_in_order
from historian.exporting.rows import LongRow, LongRows, WideRow, WideRows
from historian.exporting.selection import Form, Selection

ROWS_AT_ONCE = 50_000  # A row group of the file.


class ParquetMissingError(Exception):
    """The part that writes Parquet is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "Parquet files need pyarrow, which is not installed. "
            "Install it with: pip install 'groundwatch[parquet]' (or export as csv)."
        )


async def write_parquet(
    connection: AsyncConnection, selection: Selection, form: Form, path: Path
) -> None:
    """Write a whole Parquet file, a row group at a time."""
    try:
        import pyarrow as pa  # noqa: PLC0415 (an extra)
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise ParquetMissingError from error
    table = _Wide(pa, selection) if form == "wide" else _Long(pa, selection)
    waiting: list[Any] = []
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        async for scans in scans_in_order(connection, selection):
            waiting += table.rows.take(scans)
            if len(waiting) >= ROWS_AT_ONCE:
                writer.write_table(table.of(waiting))
                waiting = []
        if isinstance(table, _Wide):
            waiting += table.rows.finish()
        writer.write_table(table.of(waiting))


class _Wide:
    """A column a channel, and beside it one for its quality."""

    def __init__(self, pa: Any, selection: Selection) -> None:  # noqa: ANN401 (has no types)
        self.rows = WideRows(selection)
        self._pa = pa
        fields = [
            (
                pa.field(one.key, pa.float64(), metadata={"unit": selection.unit_of(one)}),
                pa.field(f"{one.key} quality", pa.int16()),
            )
            for one in selection.channels
        ]
        time = pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False)
        self.schema = pa.schema([time, *chain.from_iterable(fields)])

    def of(self, rows: Sequence[WideRow]) -> Any:  # noqa: ANN401
        columns: list[Any] = [[row.at for row in rows]]
        for n in range((len(self.schema) - 1) // 2):
            columns += [[row.numbers[n] for row in rows], [row.quality[n] for row in rows]]
        arrays = [
            self._pa.array(column, field.type)
            for column, field in zip(columns, self.schema, strict=True)
        ]
        return self._pa.Table.from_arrays(arrays, schema=self.schema)


class _Long:
    """A row a reading."""

    def __init__(self, pa: Any, selection: Selection) -> None:  # noqa: ANN401
        self.rows = LongRows(selection)
        self._pa = pa
        self._selection = selection
        word = pa.dictionary(pa.int32(), pa.string())
        self.schema = pa.schema(
            [
                pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
                pa.field("station", word),
                pa.field("channel", word),
                pa.field("value", pa.float64()),
                pa.field("unit", word),
                pa.field("quality", pa.int16()),
            ]
        )

    def of(self, rows: Sequence[LongRow]) -> Any:  # noqa: ANN401
        columns: list[list[Any]] = [
            [row.at for row in rows],
            [row.channel.station.id for row in rows],
            [row.channel.key for row in rows],
            [row.number for row in rows],
            [self._selection.unit_of(row.channel) for row in rows],
            [row.quality for row in rows],
        ]
        arrays = [
            self._pa.array(column, field.type)
            for column, field in zip(columns, self.schema, strict=True)
        ]
        return self._pa.Table.from_arrays(arrays, schema=self.schema)
