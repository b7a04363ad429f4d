"""Storing what a file says: block by block, beside whoever else writes for the site."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
from psycopg import AsyncConnection

from historian.imported_files import (
    begin_foreign_flush,
    finish_imported_file,
    open_imported_file,
    owe_calculation,
)
from historian.partition import ensure_partitions, week_of
from historian.registry import SiteIds
from historian.streams import record_delivered
from historian.writer import ScanOutcome, ScanWrite, write_scans
from ingest.history.copies import Copies
from ingest.history.reading import BLOCK_ROWS, FileFindings, FileReading, Span, Told
from telemetry.clock import Clock
from telemetry.conversion import GroupConverter
from telemetry.logger_files.mapping import FilePlan
from telemetry.logger_files.scans import FileScans, scans_of
from telemetry.plan import SitePlan
from telemetry.ranges import RangeSet

NAMESPACE = UUID("6f1d0a36-5c0e-4c38-9f1d-2d0c5b7a4e11")  # Ours; for the epochs of files.


@dataclass(slots=True, eq=False)
class GroupTally:
    """What a file held for one group."""

    scans: int = 0
    new: int = 0
    duplicates: int = 0
    merged: int = 0
    conflicts: int = 0
    known_before: int = 0  # In blocks that an earlier run of the same import has stored.
    first_us: int | None = None
    last_us: int | None = None

    def saw(self, scans: FileScans) -> None:
        """Count scans of the file."""
        self.scans += len(scans.at_us)
        if len(scans.at_us):
            first_us, last_us = int(scans.at_us.min()), int(scans.at_us.max())
            self.first_us = first_us if self.first_us is None else min(self.first_us, first_us)
            self.last_us = last_us if self.last_us is None else max(self.last_us, last_us)

    def stored(self, outcome: ScanOutcome) -> None:
        """Count what has become of them."""
        self.new += outcome.new
        self.duplicates += outcome.duplicates
        self.merged += outcome.merged
        self.conflicts += outcome.conflicts


@dataclass(frozen=True, slots=True, eq=False)
class FileTally:
    """What an import did with one file."""

    path: Path
    findings: FileFindings
    groups: dict[int, GroupTally] = field(default_factory=dict)  # By plan index.


class Storing:
    """Stores files of one site."""

    def __init__(
        self,
        conn: AsyncConnection,
        maker: AsyncConnection,
        plan: SitePlan,
        ids: SiteIds,
        clock: Clock,
    ) -> None:
        """Take two connections without transactions of their own: for storing, for making room."""
        self._conn = conn
        self._maker = maker
        self._ids = ids
        self._clock = clock
        self._converters = [GroupConverter(group) for group in plan.groups]
        self._weeks_us: set[int] = set()  # For which there is room.

    async def store(
        self, path: Path, plan: FilePlan, findings: FileFindings, span: Span, told: Told
    ) -> FileTally:
        """Store a file that has been looked through; a second time, only what is missing."""
        stream = await open_imported_file(
            self._conn,
            self._ids.site_id,
            epoch_of(plan, findings),
            name=path.name,
            sha256=findings.sha256,
            size=findings.size,
            now_us=self._clock.now_us(),
        )
        tally = FileTally(path, findings, {one.plan.index: GroupTally() for one in plan.groups})
        copies = {one.plan.index: Copies(findings.repeated_us) for one in plan.groups}
        delivered = RangeSet(stream.delivered)
        reading = FileReading(path, plan.form, plan.wanted, span)
        for seq, block in enumerate(reading.blocks(told)):
            of_groups = [scans_of(block, columns) for columns in plan.groups]
            writes = [
                self._write_of(one, copies[one.group], stream.stream_id, seq) for one in of_groups
            ]
            for one in of_groups:
                tally.groups[one.group].saw(one)
            if seq in delivered:
                for one in of_groups:
                    tally.groups[one.group].known_before += len(one.at_us)
            else:
                await self._flush(stream.stream_id, seq, of_groups, writes, tally)
        if reading.sha256.digest() != findings.sha256:
            raise FileChangedError(path)
        await finish_imported_file(self._conn, stream.stream_id, self._clock.now_us())
        return tally

    def _write_of(self, scans: FileScans, copies: Copies, stream_id: int, seq: int) -> ScanWrite:
        value, quality = self._converters[scans.group].convert(scans.raw, scans.quality)
        return ScanWrite(
            group_id=self._ids.group_ids[scans.group],
            stream_id=stream_id,
            seq=seq,
            time_us=scans.at_us,
            judged_us=scans.at_us,
            # Negative, so that no replay takes it for what an engine saw.
            ordinal=(-1 - np.arange(len(scans.at_us))).astype(np.int16),
            raw=scans.raw,
            value=value,
            quality=quality,
            copies=copies.count(scans.at_us, scans.raw),
        )

    async def _flush(
        self,
        stream_id: int,
        seq: int,
        of_groups: Sequence[FileScans],
        writes: Sequence[ScanWrite],
        tally: FileTally,
    ) -> None:
        """Store a block and note what follows from it, in one transaction."""
        weeks = {
            (write.group_id, int(week_us))
            for write in writes
            for week_us in np.unique(week_of(write.time_us))
        }
        await self._make_room({week_us for _, week_us in weeks})
        site_id = self._ids.site_id
        async with self._conn.transaction():
            flush_id = await begin_foreign_flush(self._conn, site_id)
            outcomes = [await write_scans(self._conn, site_id, flush_id, [one]) for one in writes]
            await record_delivered(self._conn, stream_id, [(seq, seq)])
            await owe_calculation(self._conn, site_id, flush_id, weeks)
        for scans, outcome in zip(of_groups, outcomes, strict=True):
            tally.groups[scans.group].stored(outcome)

    async def _make_room(self, weeks_us: set[int]) -> None:
        for week_us in sorted(weeks_us - self._weeks_us):
            await ensure_partitions(self._maker, range(week_us, week_us + 1))
            self._weeks_us.add(week_us)


class FileChangedError(Exception):
    """A file was changed between its two readings."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} has changed while it was imported. What was read is stored; import it again."
        )


def epoch_of(plan: FilePlan, findings: FileFindings) -> UUID:
    """Name the blocks of a file by what it holds and by how it is read."""
    groups = [[one.plan.key, one.plan.layout, one.slots] for one in plan.groups]
    form = json.dumps([plan.form.model_dump(mode="json"), groups, BLOCK_ROWS], sort_keys=True)
    return uuid5(NAMESPACE, f"{findings.sha256.hex()} {form}")
