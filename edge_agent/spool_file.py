"""The file of a spool: what is in it, how it is opened, and how another takes its place."""

import os
import re
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from telemetry.planted import planted

CHECK_BYTES_MAX: Final = 256 << 20  # Checking a longer file would keep the edge from sampling.
COMPANIONS: Final = ("-wal", "-shm")  # What SQLite keeps beside a file in use.
ASIDE_KEPT: Final = 3  # Damaged and outdated files, for people to look at.
# A sector that cannot be read any more is damage too; other failures of the disk may pass.
READ_FAILURES: Final = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)

CREATE: Final = """
    create table if not exists stream (epoch text not null);
    create table if not exists block (
        seq integer primary key autoincrement,
        content blob not null,
        scans integer not null,
        readings integer not null,
        acknowledged integer not null default 0  -- microseconds since 1970; 0: not yet
    );
    create index if not exists block_acknowledged on block (acknowledged) where acknowledged > 0;
    create index if not exists block_waiting on block (seq) where acknowledged = 0;
    create index if not exists block_kept on block (seq) where acknowledged > 0;
    -- What the blocks take, and up to which number that is true: an older program does not keep it.
    create table if not exists size (bytes integer not null, last_seq integer not null);
    create table if not exists loss (  -- numbers that stand for what is gone, until acknowledged
        seq integer primary key,
        reason text not null
    );
"""
APPEND: Final = "insert into block (content, scans, readings) values (?, ?, ?)"
DELETE: Final = "delete from block where seq = ?"


class Transaction:
    """Commit at the end, or roll everything back."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Cursor:
        if planted("spool_in_memory") and self._database.in_transaction:
            return self._database.cursor()
        return self._database.execute("begin immediate")

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if planted("spool_in_memory"):
            return
        try:
            if kind is None:
                self._database.execute("commit")
        finally:  # SQLite may have rolled back by itself.
            if self._database.in_transaction:
                self._database.execute("rollback")


def open_file(path: Path) -> sqlite3.Connection:
    """Open a spool's file, made if it is not there; raise `sqlite3.DatabaseError` if it can't be.

    The two ways of failing are told apart by `is_damage`.
    """
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute("pragma journal_mode=wal")
        database.execute("pragma synchronous=full")
        _check(database, path.stat().st_size)
        database.executescript(CREATE)
        if database.execute("select epoch from stream").fetchone() is None:
            database.execute("insert into stream values (?)", (str(uuid4()),))
    except BaseException:
        database.close()
        raise
    return database


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Tell whether the file is no good any more; otherwise the disk may work again later."""
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) in READ_FAILURES
    return True


def draft_of(path: Path) -> Path:
    """Name the file in which a spool's successor is written."""
    return path.with_name(path.name + ".draft")


def take_place(path: Path, why: str) -> Path:
    """Put a finished draft in a file's place; return where the old one is kept for people.

    From the first renaming on the draft is the spool, whenever the power goes.
    """
    draft_of(path).rename(_ready(path))
    _make_durable(path.parent)
    return _put_in_place(path, why)


def remove_old(path: Path, newest: Path) -> list[Path]:
    """Remove files that were set aside long ago, but the newest few; return which.

    A disk that damages one file after the other must not fill up with them. What can't be
    removed stays, and is tried again the next time.
    """
    pattern = re.compile(re.escape(path.name) + r"\.(?:corrupt|outdated|replaced)-\d+")
    aside = [one for one in path.parent.iterdir() if pattern.fullmatch(one.name) and one != newest]
    # A renaming changes that time; when it was written to last may be long ago in an old copy.
    aside.sort(key=lambda one: one.stat().st_ctime_ns, reverse=True)
    removed: list[Path] = []
    for one in aside[ASIDE_KEPT - 1 :]:
        with suppress(OSError):
            for companion in COMPANIONS:
                one.with_name(one.name + companion).unlink(missing_ok=True)
            one.unlink()
            removed.append(one)
    return removed


def finish_taking_place(path: Path) -> None:
    """Do what a power cut has interrupted, and forget a draft that was never finished."""
    for suffix in ("", *COMPANIONS):
        draft = draft_of(path)
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    if _ready(path).exists():
        _put_in_place(path, "replaced")


def _ready(path: Path) -> Path:
    return path.with_name(path.name + ".ready")


def _put_in_place(path: Path, why: str) -> Path:
    aside = _free_name(path, why)
    # All three before the new one comes: SQLite would take an old companion for the new file's.
    for name in (*(path.name + companion for companion in COMPANIONS), path.name):
        one = path.with_name(name)
        if one.exists():
            one.rename(path.with_name(aside.name + name.removeprefix(path.name)))
            _make_durable(path.parent)
    _ready(path).rename(path)
    _make_durable(path.parent)
    return aside


def _free_name(path: Path, why: str) -> Path:
    """Name the next file to be set aside; a number is used once, as far as can be seen."""
    prefix = f"{path.name}.{why}-"
    names = [one.name.removeprefix(prefix) for one in path.parent.iterdir()]
    return path.with_name(f"{prefix}{max([0, *map(int, filter(str.isdecimal, names))]) + 1}")


def _check(database: sqlite3.Connection, size: int) -> None:
    """Raise `sqlite3.DatabaseError` when the file is damaged and short enough to see it soon."""
    if size <= CHECK_BYTES_MAX:
        (told,) = database.execute("pragma quick_check(1)").fetchone()
        if told != "ok":
            raise sqlite3.DatabaseError(told)


def _make_durable(folder: Path) -> None:
    """Have renamed files keep their names through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
