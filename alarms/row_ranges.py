"""Rows of a table: as a slice where they stand side by side, which copies nothing, or by number."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def as_slice(rows: Rows) -> Rows | slice:
    """Say rows as a slice, if they are one.

    >>> as_slice(np.array([3, 4, 5])), as_slice(np.array([3, 5])).tolist()
    (slice(3, 6, None), [3, 5])
    """
    if len(rows) and bool(np.all(np.diff(rows) == 1)):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def shifted(rows: Rows | slice, by: int) -> Rows | slice:
    """Move all rows up or down."""
    return slice(rows.start + by, rows.stop + by) if isinstance(rows, slice) else rows + by


def taken(column: NDArray[Any], rows: Rows | slice) -> NDArray[Any]:
    """Take some rows of a column: a view of a slice, a copy of numbered ones."""
    return column[rows] if isinstance(rows, slice) else column.take(rows)


def rows_of(rows: Rows | slice) -> Rows:
    """Say rows by number."""
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
