"""The spool: every block the edge has taken, on disk before it is sent, until it may go.

One SQLite file in WAL mode with `synchronous=FULL`: what `append` returned from survives a
power cut. Numbers are never given out twice, not even after rows were deleted. The spool is
also the ledger that later judges what was lost.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

from edge_agent.salvage import Succession, renew_file
from edge_agent.spool_file import (
    APPEND,
    DELETE,
    Transaction,
    finish_taking_place,
    is_damage,
    open_file,
)
from telemetry.frames import as_remark
from telemetry.ranges import Range, RangeSet

KEPT_US: Final = 7 * 24 * 3600 * 1_000_000  # A restored centre can ask for a week again.
FREED_TO: Final = 0.9  # Of the cap, so that freeing is not needed at every append.

READ = "select content from block where seq = ?"
READ_LEDGER = "select seq, content from block order by seq"
READ_NEWEST = "select content from block order by seq desc limit ?"
READ_ANY_UNACKNOWLEDGED = "select 1 from block where acknowledged = 0 limit 1"
# From the two indexes that hold the number alone: the table itself may be a gigabyte.
READ_RANGES = tuple(
    f"""
    select min(seq), max(seq) from (
        select seq, seq - row_number() over (order by seq) as island
        from block indexed by {index} where {condition}
    ) group by island
    """  # noqa: S608
    for index, condition in (
        ("block_waiting", "acknowledged = 0"),
        ("block_kept", "acknowledged > 0"),
    )
)
ACKNOWLEDGE = "update block set acknowledged = ? where seq between ? and ? and acknowledged = 0"
ASK_AGAIN = "update block set acknowledged = 0 where seq between ? and ? and acknowledged > 0"
# SQLite uses the index of what is acknowledged only for its own condition, word by word; without
# it every acknowledgement would read through a week of blocks.
READ_OLD = """
    select seq, length(content) from block where acknowledged > 0 and acknowledged <= ?
    order by acknowledged, seq
"""
READ_OLDEST_ACKNOWLEDGED = """
    select seq, length(content) from block where acknowledged > 0 order by acknowledged, seq
"""
READ_OLDEST = "select seq, length(content) from block order by seq"
READ_BYTES = "select bytes from size where last_seq = ?"
COUNT_BYTES = "select coalesce(sum(length(content)), 0) from block"  # Looks at every block.
FORGET_BYTES = "delete from size"
NOTE_BYTES = "insert into size values (?, ?)"
READ_LOSSES = "select seq, reason from loss"
FORGET_LOSS = "delete from loss where seq between ? and ?"
READ_LAST_SEQ = "select coalesce(max(seq), 0) from sqlite_sequence where name = 'block'"


class SpoolError(Exception):
    """The spool cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class SpoolBlock:
    """A block to be kept."""

    content: bytes
    scans: int
    readings: int


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the blocks to be kept."""

    epoch: UUID  # Of the stream that they are in.
    seqs: list[int]
    dropped: list[Range]  # Given up without having been delivered, because the cap was reached.


@dataclass(slots=True, eq=False)
class _Freed:
    """Blocks that are deleted."""

    seqs: RangeSet = field(default_factory=RangeSet)
    bytes: int = 0

    def add(self, other: "_Freed") -> None:
        self.bytes += other.bytes
        for first, last in other.seqs:
            self.seqs.add(first, last)


class Spool:
    """The file of one edge; used by one thread at a time."""

    def __init__(self, path: Path, *, bytes_max: int) -> None:
        self.path = path
        self._bytes_max = bytes_max
        try:
            self._lock = _lock(path)
        except OSError as error:
            raise _unusable(path, error) from error
        self.succession: Succession | None = None  # When this file took the place of another.
        self.held = RangeSet()
        self.losses: dict[int, str] = {}  # Numbers that stand for what is gone, and why.
        self.next_seq = 1
        self._bytes = 0
        try:
            self._open_any()
        except (sqlite3.DatabaseError, OSError) as error:
            os.close(self._lock)
            raise _unusable(path, error) from error

    def append(self, blocks: Sequence[SpoolBlock], at_us: int) -> Appended:
        """Keep blocks in one durable transaction; return their numbers.

        Near the cap the oldest acknowledged blocks go first. When nothing is acknowledged the
        oldest go all the same: the newest tell more about what the ground does now.
        """
        try:
            return self._append(blocks, at_us)
        except sqlite3.OperationalError:
            # The disk may be full of other things: use our own delivered blocks' room again.
            more = sum(len(block.content) for block in blocks)
            if not self._free(READ_OLDEST_ACKNOWLEDGED, (), max(0, self._bytes - 2 * more)):
                raise
            return self._append(blocks, at_us)

    def read(self, seqs: Iterable[int], bytes_max: int) -> list[tuple[int, bytes]]:
        """Read blocks in order, as many as fit; a number that is gone is left out."""
        blocks: list[tuple[int, bytes]] = []
        for seq in seqs:
            row = self._database.execute(READ, (seq,)).fetchone()
            if row is None:
                continue
            if len(row[0]) > bytes_max:
                break
            bytes_max -= len(row[0])
            blocks.append((seq, row[0]))
        return blocks

    def acknowledge(self, ranges: Sequence[Range], at_us: int) -> None:
        """Note what the centre has committed, and free what has been kept long enough."""
        # A lost acknowledgement does no harm, so it need not wear the disk out.
        self._database.execute("pragma synchronous=normal")
        try:
            with self._transaction() as cursor:
                for first, last in ranges:
                    cursor.execute(ACKNOWLEDGE, (at_us, first, last))
                    cursor.execute(FORGET_LOSS, (first, last))
        finally:
            self._database.execute("pragma synchronous=full")
        for first, last in ranges:
            for seq in [one for one in self.losses if first <= one <= last]:
                del self.losses[seq]
        self._free(READ_OLD, (at_us - KEPT_US,), 0)

    def ask_again(self, ranges: Iterable[Range]) -> None:
        """Note that the centre lacks blocks it had acknowledged: it was restored."""
        with self._transaction() as cursor:
            cursor.executemany(ASK_AGAIN, list(ranges))

    def is_delivered(self) -> bool:
        """Tell whether the centre has committed everything."""
        return self._database.execute(READ_ANY_UNACKNOWLEDGED).fetchone() is None

    def newest(self, blocks: int) -> list[bytes]:
        """Read the contents of the newest blocks."""
        return [row[0] for row in self._database.execute(READ_NEWEST, (blocks,))]

    def begin_anew(self, why: Literal["corrupt", "outdated"]) -> Succession:
        """Begin a new stream, in a new file, with what was not delivered.

        That is so when the file is damaged, or an old copy: then its numbers may stand for other
        blocks at the centre. Until this has succeeded every other use of the spool fails.
        """
        self._database.close()
        self.succession = renew_file(self.path, why)
        self._open()
        return self.succession

    def close(self) -> None:
        """Close the file; what was appended is in it."""
        with suppress(sqlite3.Error):
            self._database.execute("pragma wal_checkpoint(truncate)")
        self._database.close()
        os.close(self._lock)

    def _open_any(self) -> None:
        """Open the file, or a new one with what is left of it."""
        finish_taking_place(self.path)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self.succession = renew_file(self.path, "corrupt")
            self._open()

    def _open(self) -> None:
        self._database = open_file(self.path)
        try:
            self._load()
        except BaseException:
            self._database.close()
            raise

    def _load(self) -> None:
        (epoch,) = self._database.execute("select epoch from stream").fetchone()
        try:
            self.epoch = UUID(str(epoch))
        except ValueError as error:  # SQLite's own check looks at no page's text.
            raise sqlite3.DatabaseError("the name of the stream is damaged") from error
        self.held = RangeSet(one for query in READ_RANGES for one in self._database.execute(query))
        losses = self._database.execute(READ_LOSSES)
        self.losses = {seq: as_remark(reason) for seq, reason in losses}
        self.next_seq = self._database.execute(READ_LAST_SEQ).fetchone()[0] + 1
        match self._database.execute(READ_BYTES, (self.next_seq - 1,)).fetchone():
            case (int(count),):
                self._bytes = count
            case _:
                self._bytes = self._database.execute(COUNT_BYTES).fetchone()[0]

    def _append(self, blocks: Sequence[SpoolBlock], at_us: int) -> Appended:
        """Make room and use it in one transaction: nothing goes for blocks that don't come."""
        more = sum(len(block.content) for block in blocks)
        with self._transaction() as cursor:
            freed, dropped = self._make_room(cursor, more, at_us)
            seqs = []
            for block in blocks:
                cursor.execute(APPEND, (block.content, block.scans, block.readings))
                assert cursor.lastrowid is not None
                seqs.append(cursor.lastrowid)
            now_bytes = self._bytes - freed.bytes + more
            next_seq = seqs[-1] + 1 if seqs else self.next_seq
            _note_bytes(cursor, now_bytes, next_seq)
        for first, last in freed.seqs:
            self.held.remove(first, last)
        for seq in seqs:
            self.held.add(seq)
        self._bytes, self.next_seq = now_bytes, next_seq
        return Appended(self.epoch, seqs, dropped.to_list())

    def _make_room(self, cursor: sqlite3.Cursor, more: int, at_us: int) -> tuple[_Freed, RangeSet]:
        """Delete what has to go near the cap; return it, and which of it was not delivered."""
        freed = _Freed()
        if self._bytes + more <= self._bytes_max:
            return freed, RangeSet()
        goal = max(0, int(self._bytes_max * FREED_TO) - more)
        for query, arguments in ((READ_OLD, (at_us - KEPT_US,)), (READ_OLDEST_ACKNOWLEDGED, ())):
            freed.add(_delete(cursor, query, arguments, self._bytes - freed.bytes - goal))
        undelivered = _delete(cursor, READ_OLDEST, (), self._bytes - freed.bytes - goal)
        freed.add(undelivered)
        return freed, undelivered.seqs

    def _free(self, query: str, arguments: tuple[int, ...], until_bytes: int) -> bool:
        """Delete delivered blocks in a transaction of their own; tell whether there were any."""
        with self._transaction() as cursor:
            freed = _delete(cursor, query, arguments, self._bytes - until_bytes)
            if freed.seqs:
                _note_bytes(cursor, self._bytes - freed.bytes, self.next_seq)
        for first, last in freed.seqs:
            self.held.remove(first, last)
        self._bytes -= freed.bytes
        return bool(freed.seqs)

    def _transaction(self) -> Transaction:
        return Transaction(self._database)


def read_ledger(path: Path) -> Iterator[tuple[int, bytes]]:
    """Read every block of a spool, also of one in use, in the order of the numbers."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        yield from database.execute(READ_LEDGER)


def _delete(
    cursor: sqlite3.Cursor, query: str, arguments: tuple[int, ...], least_bytes: int
) -> _Freed:
    """Delete blocks in the order of a query, until so many bytes are free or none is left."""
    freed = _Freed()
    with closing(cursor.connection.execute(query, arguments)) as rows:
        for seq, length in rows:
            if freed.bytes >= least_bytes:
                break
            freed.seqs.add(seq)
            freed.bytes += length
    for first, last in freed.seqs:
        cursor.executemany(DELETE, [(seq,) for seq in range(first, last + 1)])
    return freed


def _note_bytes(cursor: sqlite3.Cursor, count: int, next_seq: int) -> None:
    cursor.execute(FORGET_BYTES)
    cursor.execute(NOTE_BYTES, (count, next_seq - 1))


def _unusable(path: Path, error: Exception) -> SpoolError:
    return SpoolError(
        f"the spool {path} cannot be opened: {error}; give the edge agent a place "
        "that it may write to, with room on the disk"
    )


def _lock(path: Path) -> int:
    """Take the file for this process alone: two agents on one spool would share numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if not isinstance(error, BlockingIOError):
            raise
        raise SpoolError(
            f"the spool {path} is in use by another edge agent: stop that one, "
            "or give this one a spool of its own"
        ) from error
    return lock
