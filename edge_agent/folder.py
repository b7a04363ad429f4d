"""A watched folder: logger files that grow, rotate, are replaced, or are copied in.

A file is read a piece at a time. The place up to which it was read moves on once the spool has the
scans of the piece, so a crash loses none; what it makes come twice the centre recognises. The
files themselves are only ever read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from carriers.waiting import happens_within
from edge_agent.folder_marks import Mark, Marks
from edge_agent.source import Keep, TakenScan
from telemetry.clock import Clock, real_monotonic_s
from telemetry.complaint import Complaint
from telemetry.logger_files.format import FileOfGroup
from telemetry.logger_files.header import Wanted
from telemetry.logger_files.mapping import GroupColumns, wanted_of
from telemetry.logger_files.reader import (
    LINE_BYTES_MAX,
    LoggerReader,
    UnreadableFileError,
)
from telemetry.logger_files.scans import FileScans, scans_of
from telemetry.plan import GroupPlan
from telemetry.site import Bus, Channel, ScanGroup

PIECE_BYTES: Final = 1 << 16  # Some thousand rows are on their way at most.
FILES_MAX: Final = 5_000  # Of a group; how far each was read must be remembered.
STORE_APART_S: Final = 1.0  # What is read meanwhile comes again after a crash.
LAST_PIECE_WITHIN_S: Final = 5.0
COMPLAINTS_TOLD_MAX: Final = 3  # Of a file that can't be read at all.

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class WatchedGroup:
    """A scan group, and what is wanted of its files."""

    plan: GroupPlan
    form: FileOfGroup
    wanted: tuple[Wanted, ...]
    columns: GroupColumns

    @classmethod
    def of(cls, plan: GroupPlan) -> "WatchedGroup":
        """Lay a group out."""
        assert isinstance(plan.group, ScanGroup)
        assert plan.group.file is not None
        wanted: list[Wanted] = []
        for one in plan.channels:
            assert isinstance(one.channel, Channel)
            assert one.channel.column is not None
            wanted.append(wanted_of(one.channel, one.channel.column))
        slots = tuple(one.slot for one in plan.channels)
        columns = GroupColumns(plan, slots, tuple(range(len(slots))))
        return cls(plan, plan.group.file, tuple(wanted), columns)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What a piece of a file held."""

    old: Mark
    new: Mark
    scans: FileScans
    complaints: list[Complaint]
    bad_lines: int
    is_last: bool  # There is no more of the file for now.


class FolderWatching:
    """Takes scans from the files of one folder."""

    def __init__(
        self, bus: Bus, groups: Sequence[GroupPlan], *, keep: Keep, marks_file: Path
    ) -> None:
        assert bus.folder is not None
        self._bus = bus
        self._folder = Path(bus.folder.path)
        self._look_every_s = bus.folder.look_every_s
        self._groups = [WatchedGroup.of(group) for group in groups]
        self._keep = keep
        self._marks = Marks(marks_file)
        self._stored_s = -STORE_APART_S
        self._failing: dict[str, str] = {}  # By file, why it can't be read.

    @property
    def source_id(self) -> str:
        """The id of the bus."""
        return self._bus.id

    async def warm_up(self) -> None:
        """Remember how far the files have been read."""
        await asyncio.to_thread(self._marks.load)

    def close(self) -> None:
        """Hang up: between looks nothing is held open."""

    async def run(
        self,
        clock: Clock,
        stop: asyncio.Event,
        *,
        begin_us: int,  # noqa: ARG002 (files hold what was before)
        newest_us: Mapping[str, int],  # noqa: ARG002 (their marks say how far they were read)
    ) -> None:
        """Look into the folder again and again until told to stop."""
        while not stop.is_set():
            for group in self._groups:
                await self._look(group, clock, stop)
            await happens_within(stop, self._look_every_s)

    async def _look(self, group: WatchedGroup, clock: Clock, stop: asyncio.Event) -> None:
        try:
            paths = await asyncio.to_thread(self._files, group.form.pattern)
        except OSError as error:
            self._note_failure(str(self._folder), f"the folder cannot be read: {error.strerror}")
            return
        self._note_success(str(self._folder))
        wanted = str(self._folder / group.form.pattern)
        if len(paths) > FILES_MAX:
            self._note_failure(
                wanted,
                f"there are more than {FILES_MAX} files, the older ones are passed over: "
                "move away what was read",
            )
            paths = paths[-FILES_MAX:]
        else:
            self._note_success(wanted)
        self._marks.forget(group.plan.key, {path.name for path in paths})
        for path in paths:
            while not stop.is_set():
                try:
                    piece = await asyncio.to_thread(self._read, group, path)
                except FileNotFoundError:
                    break  # Rotated away just now.
                except UnreadableFileError as error:
                    self._note_failure(str(path), _in_short(error.complaints))
                    break
                except OSError as error:
                    self._note_failure(str(path), str(error))
                    break
                self._note_success(str(path))
                if (
                    piece is None
                    or not await self._take(group, piece, clock, stop)
                    or piece.is_last
                ):
                    break
        await self._store_marks()

    def _files(self, pattern: str) -> list[Path]:
        """List the files that belong to a group, those that were written longest ago first."""
        found = [
            (one.stat().st_mtime_ns, one) for one in self._folder.glob(pattern) if one.is_file()
        ]
        return [path for _, path in sorted(found)]

    def _read(self, group: WatchedGroup, path: Path) -> Piece | None:
        """Read the next piece of a file; None where it has nothing new that is whole."""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            mark = self._marks.find(group.plan.key, path.name, file, size)
            if size == mark.position.offset:
                return None
            file.seek(mark.position.offset)
            data = file.read(PIECE_BYTES)
            while b"\n" not in data and len(data) <= LINE_BYTES_MAX:
                more = file.read(PIECE_BYTES)
                if not more:
                    return None  # Half a line waits for its end.
                data += more
            reader = LoggerReader(
                str(path),
                group.form,
                group.wanted,
                header=mark.header,
                position=mark.position,
            )
            rows = reader.feed(data)
            new = mark.moved(file, reader.position, tuple(reader.header))
        scans = scans_of(rows, group.columns)
        is_last = mark.position.offset + len(data) >= size
        return Piece(mark, new, scans, reader.complaints, reader.bad_lines, is_last)

    async def _take(
        self, group: WatchedGroup, piece: Piece, clock: Clock, stop: asyncio.Event
    ) -> bool:
        """Hand a piece's scans on, and move the mark once they are safe; tell whether they are."""
        for complaint in piece.complaints:
            log.warning("a line of a watched file is left out", line=str(complaint))
        if piece.bad_lines > len(piece.complaints):
            log.warning("and more lines of it", bad_lines=piece.bad_lines)
        missing = len(piece.scans.at_us)
        safe = asyncio.Event()

        def kept() -> None:
            nonlocal missing
            missing -= 1
            if not missing:
                safe.set()

        monotonic_us = clock.monotonic_us()
        for n, at_us in enumerate(piece.scans.at_us.tolist()):
            self._keep(
                TakenScan(
                    plan=group.plan,
                    sampled_us=at_us,
                    monotonic_us=monotonic_us,
                    raw=piece.scans.raw[n],
                    quality=piece.scans.quality[n],
                    in_order=False,
                    kept=kept,
                )
            )
        if missing and not await _safe_or_stopped(safe, stop):
            return False
        self._marks.put(group.plan.key, piece.old, piece.new)
        if real_monotonic_s() - self._stored_s >= STORE_APART_S:
            await self._store_marks()
        return True

    async def _store_marks(self) -> None:
        if self._marks.is_stored:
            return
        self._stored_s = real_monotonic_s()
        try:
            await asyncio.to_thread(self._marks.store)
        except OSError as error:
            self._note_failure(str(self._marks.path), f"cannot be written: {error.strerror}")
        else:
            self._note_success(str(self._marks.path))

    def _note_failure(self, file: str, reason: str) -> None:
        """Say that a file can't be read: when it begins, and when the reason changes."""
        if self._failing.get(file) != reason:
            self._failing[file] = reason
            log.error("a watched file can't be read; it is tried again", file=file, reason=reason)

    def _note_success(self, file: str) -> None:
        if self._failing.pop(file, None) is not None:
            log.info("a watched file can be read again", file=file)


def _in_short(complaints: Sequence[Complaint]) -> str:
    told = "; ".join(map(str, complaints[:COMPLAINTS_TOLD_MAX]))
    more = len(complaints) - COMPLAINTS_TOLD_MAX
    return f"{told}; and {more} more" if more > 0 else told


async def _safe_or_stopped(safe: asyncio.Event, stop: asyncio.Event) -> bool:
    """Wait until the spool has everything, or we are told to stop and a little time has passed.

    However long the disk refuses: what somebody waits for is not given up, so to hand it over
    once more would only fill the memory.
    """
    waiting = [asyncio.create_task(one.wait()) for one in (safe, stop)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
    return safe.is_set() or await happens_within(safe, LAST_PIECE_WITHIN_S)
