"""PostgreSQL's binary COPY format, packed by NumPy: whole columns in, bytes out.

A row is the number of its fields, then each field as its length and its bytes, most significant
first; a NULL is the length -1 and no bytes. Rows whose arrays have equal numbers of slots and
whose NULLs stand in the same columns are all equally long: such rows are one structured array,
which NumPy fills column by column. Rows are packed kind by kind, so their order may change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
HEADER = SIGNATURE + b"\0\0\0\0" + b"\0\0\0\0"  # No flags, no extension.
TRAILER = b"\xff\xff"
POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts.

Kind = Literal["int2", "int4", "int8", "timestamptz", "float8[]", "int2[]"]

SCALARS = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "timestamptz": ">i8"}
# Numpy's code and PostgreSQL's number (pg_type.oid) of an array's elements.
ELEMENTS = {"float8[]": (">f8", 701), "int2[]": (">i2", 21)}


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column of the rows to be copied; timestamps are microseconds since 1970."""

    kind: Kind
    data: NDArray[Any] | None  # [row] or, for arrays, [row, slot]; None: NULL everywhere
    null: NDArray[np.bool_] | None = None  # [row] where NULL stands instead of data


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows whose arrays have the same numbers of slots, column by column."""

    columns: Sequence[Column]
    count: int


def encode(parts: Iterable[Rows]) -> bytes:
    """Pack rows for COPY … FROM STDIN (FORMAT BINARY); each part may have slots of its own."""
    packed = [piece for part in parts for piece in _encode_part(part.columns, part.count)]
    return b"".join([HEADER, *packed, TRAILER])


def _encode_part(columns: Sequence[Column], row_count: int) -> list[bytes]:
    if row_count == 0:
        return []
    patterns = _null_patterns(columns, row_count)
    first = int(patterns[0])
    if (patterns == first).all():  # Nearly always: take the columns as they are.
        return [_pack(columns, first, None, row_count)]
    parts = []
    for pattern in np.unique(patterns):
        rows = np.flatnonzero(patterns == pattern)
        parts.append(_pack(columns, int(pattern), rows, len(rows)))
    return parts


def _null_patterns(columns: Sequence[Column], row_count: int) -> NDArray[np.int64]:
    """Name each row's NULLs by a number whose n-th bit is column n."""
    patterns = np.zeros(row_count, np.int64)
    for n, column in enumerate(columns):
        if column.data is None:
            patterns |= 1 << n
        elif column.null is not None:
            patterns |= column.null.astype(np.int64) << n
    return patterns


def _pack(
    columns: Sequence[Column], pattern: int, rows: NDArray[np.intp] | None, row_count: int
) -> bytes:
    """Pack rows that have the same NULLs; `rows` chooses them, None takes all."""
    shape = tuple(
        (column.kind, 0 if column.data is None or column.data.ndim == 1 else column.data.shape[1])
        for column in columns
    )
    blank = _blank_row(shape, pattern)
    packed = np.repeat(blank, row_count)
    for n, column in enumerate(columns):
        if pattern >> n & 1:
            continue
        assert column.data is not None
        data = column.data if rows is None else column.data[rows]
        if column.kind in ELEMENTS:
            packed[f"data{n}"]["element"] = data
        elif column.kind == "timestamptz":
            packed[f"data{n}"] = data - POSTGRES_EPOCH_US
        else:
            packed[f"data{n}"] = data
    return packed.tobytes()


@lru_cache(maxsize=512)
def _blank_row(shape: tuple[tuple[Kind, int], ...], pattern: int) -> NDArray[Any]:
    """Make one row that has everything but the data: counts, lengths, array headers."""
    fields: list[tuple[Any, ...]] = [("count", ">i2")]
    fixed: dict[str, int] = {"count": len(shape)}
    for n, (kind, slots) in enumerate(shape):
        fields.append((f"length{n}", ">i4"))
        if pattern >> n & 1:
            fixed[f"length{n}"] = -1
        elif kind in ELEMENTS:
            code, element_type = ELEMENTS[kind]
            heads = {"dimensions": 1, "nulls": 0, "type": element_type, "size": slots, "lower": 1}
            fields.extend((f"{name}{n}", ">i4") for name in heads)
            fixed |= {f"{name}{n}": number for name, number in heads.items()}
            element = np.dtype([("size", ">i4"), ("element", code)])
            fields.append((f"data{n}", element, (slots,)))
            fixed[f"length{n}"] = 4 * len(heads) + slots * element.itemsize
        else:
            fields.append((f"data{n}", SCALARS[kind]))
            fixed[f"length{n}"] = np.dtype(SCALARS[kind]).itemsize
    blank = np.zeros(1, np.dtype(fields))
    for name, number in fixed.items():
        blank[name] = number
    for n, (kind, _) in enumerate(shape):
        if kind in ELEMENTS and not pattern >> n & 1:
            blank[f"data{n}"]["size"] = np.dtype(ELEMENTS[kind][0]).itemsize
    blank.flags.writeable = False
    return blank
