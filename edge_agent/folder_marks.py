"""How far each file of a watched folder has been read, remembered over restarts.

A file is known by its content and not by its name: by its first bytes, and by those before the
place up to which it was read. So one that grows or is renamed is gone on with, and one that has
been replaced, or cut, is read from its beginning. What then comes twice the centre knows already.
"""

import hashlib
import json
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import structlog

from telemetry.logger_files.reader import ReaderPosition

WINDOW_BYTES: Final = 4_096
BEGINNING: Final = ReaderPosition()
GONE_MAX: Final = 500  # Marks of a group's files that are there no more, for a while.

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where a file has been read, and by what it is known."""

    name: str
    position: ReaderPosition = BEGINNING
    header: tuple[str, ...] = ()
    head: str = ""  # Hash of the first bytes that have been read.
    tail: str = ""  # Hash of the last ones.

    def fits(self, file: BinaryIO, size: int) -> bool:
        """Tell whether a file is the one that was read up to here."""
        offset = self.position.offset
        if not 0 < offset <= size:
            return False
        return fingerprints(file, offset) == (self.head, self.tail)

    def moved(self, file: BinaryIO, position: ReaderPosition, header: tuple[str, ...]) -> "Mark":
        """Make the mark of a file that has been read further."""
        head, tail = fingerprints(file, position.offset)
        return replace(self, position=position, header=header, head=head, tail=tail)


def fingerprints(file: BinaryIO, offset: int) -> tuple[str, str]:
    """Hash the beginning of what has been read of a file, and the end."""
    length = min(offset, WINDOW_BYTES)
    return _hash_at(file, 0, length), _hash_at(file, offset - length, length)


@dataclass(slots=True, eq=False)
class Marks:
    """The marks of all groups of a bus, in a file of their own beside the spool."""

    path: Path
    by_group: dict[str, list[Mark]] = field(default_factory=dict)  # Oldest first.
    is_stored: bool = True  # Whether the file says the same.

    def load(self) -> None:
        """Read the file; one that is damaged is put aside, and everything is read anew."""
        try:
            found: object = json.loads(self.path.read_bytes())
            self.by_group = msgspec.convert(found, dict[str, list[Mark]])
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
            aside = self.path.with_suffix(".damaged")
            with suppress(OSError):
                self.path.replace(aside)
            log.error(  # noqa: TRY400
                "what was read of watched files is not known any more; they are read again",
                old=str(aside),
                reason=str(error),
            )

    def find(self, group: str, name: str, file: BinaryIO, size: int) -> Mark:
        """Find the mark of a file, whatever it is called now, or begin one."""
        marks = self.by_group.get(group, [])
        heads: dict[int, str] = {}  # By length: nearly every mark of another file differs there.
        for one in sorted(marks, key=lambda one: one.name != name):
            length = min(one.position.offset, WINDOW_BYTES)
            if length not in heads:
                heads[length] = _hash_at(file, 0, max(0, length))
            if one.head == heads[length] and one.fits(file, size):
                if one.name == name:
                    return one
                # Renamed, or copied: then both go on, each from its own mark.
                known = replace(one, name=name)
                self.put(group, known, known)
                return known
        return Mark(name)

    def put(self, group: str, old: Mark, new: Mark) -> None:
        """Put a mark in the place of another one."""
        marks = [one for one in self.by_group.get(group, []) if one is not old]
        self.by_group[group] = [*marks, new]
        self.is_stored = False

    def forget(self, group: str, present: Collection[str]) -> None:
        """Forget files that are gone, but for the last few: they may only have been moved.

        Of a file that is still there the mark is never forgotten, or it would be read again and
        again.
        """
        marks = self.by_group.get(group, [])
        gone = [one for one in marks if one.name not in present]
        forgotten = set(map(id, gone[:-GONE_MAX]))
        if forgotten:
            self.by_group[group] = [one for one in marks if id(one) not in forgotten]
            self.is_stored = False

    def store(self) -> None:
        """Write the file so that it is whole after a power cut, old or new."""
        text = json.dumps(
            {key: [asdict(one) for one in each] for key, each in self.by_group.items()}
        )
        unfinished = self.path.with_suffix(".part")
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.is_stored = True


def _hash_at(file: BinaryIO, begin: int, length: int) -> str:
    file.seek(begin)
    return hashlib.sha256(file.read(length)).hexdigest()
