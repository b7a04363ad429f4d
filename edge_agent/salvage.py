"""From a spool that is damaged, or an old copy, into a new one: what was not delivered.

Page by page SQLite still reads what is whole. Which blocks were waiting is told by an index of
their own; where that is damaged as well, by the table, number by number. What is gone gets a
number in the new stream, by which the centre learns of it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.spool_file import (
    APPEND,
    DELETE,
    Transaction,
    draft_of,
    finish_taking_place,
    open_file,
    remove_old,
    take_place,
)
from telemetry.frames import as_remark
from telemetry.wire import BLOCK_BYTES_MAX

# Numbers in a row that cannot be read, before the rest is given up: a second's work.
FAILURES_MAX: Final = 100_000

READ_WAITING = "select seq from block indexed by block_waiting where acknowledged = 0"
READ_DOWN = "select seq, acknowledged from block not indexed where seq < ? order by seq desc"
READ_BLOCK = "select content, scans, readings from block where seq = ?"
READ_LAST = ("select max(seq) from block", "select seq from sqlite_sequence where name = 'block'")
READ_LOSSES = "select reason from loss order by seq"
NOTE_LOSS = "insert into loss values (?, ?)"

Row = tuple[bytes, int, int]  # Content, scans, readings.


@dataclass(frozen=True, slots=True)
class Succession:
    """How one file took the place of another."""

    aside: Path  # Where the old one is.
    blocks: int  # Undelivered ones that are in the new one now.
    loss: str | None  # A sentence about those that are gone; None: all could be read.
    removed: tuple[Path, ...]  # Files set aside long ago, for which there is no room for ever.


def renew_file(path: Path, why: str) -> Succession:
    """Write what is left of a closed spool into a new file, and put that into its place."""
    finish_taking_place(path)
    with closing(open_file(draft_of(path))) as new:
        with closing(_open_to_read(path)) as old:
            blocks, loss = _carry_over(old, new)
        new.execute("pragma wal_checkpoint(truncate)")
    aside = take_place(path, why)
    return Succession(aside, blocks, loss, tuple(remove_old(path, newest=aside)))


def _open_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _carry_over(old: sqlite3.Connection, new: sqlite3.Connection) -> tuple[int, str | None]:
    salvage = Salvage(old)
    blocks = 0
    with Transaction(new) as cursor:
        for row in salvage.blocks():
            cursor.execute(APPEND, row)
            blocks += 1
        untold = salvage.losses()
        loss = salvage.loss
        for reason in [*untold, *([loss] if loss else [])]:
            # The number is given out like any other; the block under it is gone at once.
            cursor.execute(APPEND, (b"", 0, 0))
            seq = cursor.lastrowid
            cursor.execute(DELETE, (seq,))
            cursor.execute(NOTE_LOSS, (seq, reason))
    return blocks, loss


class Salvage:
    """The undelivered blocks of a file, as far as they can be read."""

    def __init__(self, old: sqlite3.Connection) -> None:
        self._old = old
        self._unreadable = 0
        self._is_count_known = True

    @property
    def loss(self) -> str | None:
        """What is gone, as a sentence; None when all could be read. Ask after all the rest."""
        if not self._is_count_known:
            return "the edge's spool was damaged; how many undelivered blocks are gone is unknown"
        if self._unreadable:
            return f"the edge's spool was damaged; undelivered blocks gone: {self._unreadable}"
        return None

    def blocks(self) -> Iterator[Row]:
        """Read one block after the other, in order."""
        for seq in self._waiting():
            row = self._read(seq)
            if row is None:
                self._unreadable += 1
            else:
                yield row

    def losses(self) -> list[str]:
        """Read of which losses the centre has not heard yet."""
        try:
            return [as_remark(reason) for (reason,) in self._old.execute(READ_LOSSES)]
        except sqlite3.DatabaseError:
            self._is_count_known = False
            return []

    def _read(self, seq: int) -> Row | None:
        try:
            row = self._old.execute(READ_BLOCK, (seq,)).fetchone()
        except sqlite3.DatabaseError:
            return None
        match row:
            case (bytes(content), int(scans), int(readings)) if len(content) <= BLOCK_BYTES_MAX:
                return content, scans, readings
            case _:  # Gone, or not what we ever wrote.
                return None

    def _waiting(self) -> Sequence[int]:
        try:
            return sorted({int(seq) for (seq,) in self._old.execute(READ_WAITING)})
        except (sqlite3.DatabaseError, ValueError, TypeError):
            self._is_count_known = False
            return sorted(self._waiting_by_table())

    def _waiting_by_table(self) -> list[int]:
        """Walk down from the last number, stepping over what cannot be read."""
        waiting: list[int] = []
        below = self._last() + 1
        failures = 0
        while below > 1 and failures < FAILURES_MAX:
            try:
                for seq, acknowledged in self._below(below):
                    below = seq
                    failures = 0
                    if acknowledged == 0:
                        waiting.append(seq)
                break
            except sqlite3.DatabaseError:
                below -= 1
                failures += 1
        return waiting

    def _below(self, below: int) -> Iterator[tuple[int, object]]:
        """Read numbers downwards; raise `sqlite3.DatabaseError` where that is not possible."""
        for seq, acknowledged in self._old.execute(READ_DOWN, (below,)):
            if not (isinstance(seq, int) and 0 < seq < below):
                raise sqlite3.DatabaseError("the rows of a damaged page are in disorder")
            below = seq
            yield seq, acknowledged

    def _last(self) -> int:
        """Find the greatest number, by the first of two places that tells it."""
        for query in READ_LAST:
            try:
                row = self._old.execute(query).fetchone()
            except sqlite3.DatabaseError:
                continue
            if row is not None and isinstance(row[0], int):
                return row[0]
        return 0
