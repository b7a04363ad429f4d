"""Blocks: how many channels are computed at once, so that memory stays bounded."""

from collections.abc import Iterator
from typing import Final

# 8 MiB of numbers in each array that is made on the way: near to a core's cache.
CELLS_AT_ONCE: Final = 1 << 20


def blocks(rows: int, cells_per_row: int, cells_at_once: int = CELLS_AT_ONCE) -> Iterator[slice]:
    """Cut rows into blocks; one that is empty where there are none, so that results have shape.

    >>> list(blocks(5, 10, 20))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    step = max(cells_at_once // max(cells_per_row, 1), 1)
    for begin in range(0, max(rows, 1), step):
        yield slice(begin, begin + step)
