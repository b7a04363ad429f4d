"""Scans that come again: what is a duplicate, what completes a stored scan, what contradicts it.

A scan is known by its group and instant. Two scans of one key are compared slot by slot on the
numbers that were measured, because these alone came from outside: conversions change with a
calibration, and judging does not make two measurements different.

- Every number that came is stored already: a *duplicate*.
- Nothing differs, but numbers came where none was stored: they are *merged* into the row.
- A number differs from the stored one: a *conflict*. Nothing is overwritten; the scan is
  stored beside the other as the next revision, its differing slots marked.

A file in which an instant stands twice has measured twice: its equal scans are kept as revisions
too, and only as many of them are duplicates as are stored.

Pure: `historian.writer` fetches what is stored and carries the decision out.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from historian.scan_rows import ScanWrite
from telemetry.clock import instant_at
from telemetry.quality import Quality, is_bad

REVISION_LAST = 32_767  # The column is an int2, and a number beyond it would come out negative.

Key = tuple[int, int]  # A group's number and an instant in microseconds.


class TooManyRevisionsError(Exception):
    """So many scans of one instant contradict each other that no other one can be numbered."""


@dataclass(frozen=True, slots=True, eq=False)
class ScanRow:
    """One scan as it is, or will be, stored."""

    group_id: int
    time_us: int
    revision: int
    raw: NDArray[np.float64] | None  # [slot]
    value: NDArray[np.float64]  # [slot]
    quality: NDArray[np.int16]  # [slot]

    @property
    def measured(self) -> NDArray[np.float64]:
        """What tells two scans apart."""
        return self.value if self.raw is None else self.raw

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return len(self.value)

    def widened(self, slots: int) -> "ScanRow":
        """Add slots in which nothing was read, for a comparison with a newer layout."""
        more = slots - self.slots
        if more == 0:
            return self
        nothing = np.full(more, np.nan)
        no_value = np.full(more, Quality.NO_VALUE, np.int16)
        return replace(
            self,
            raw=None if self.raw is None else np.concatenate([self.raw, nothing]),
            value=np.concatenate([self.value, nothing]),
            quality=np.concatenate([self.quality, no_value]),
        )


@dataclass(slots=True)
class Fates:
    """How many scans of one write met which fate."""

    new: int = 0
    duplicates: int = 0
    merged: int = 0
    conflicts: int = 0


class FatesCounted:
    """Adds up the fates of the scans of several writes."""

    __slots__ = ()
    fates: Sequence[Fates]

    @property
    def new(self) -> int:
        """Stored; none was there."""
        return sum(one.new for one in self.fates)

    @property
    def duplicates(self) -> int:
        """Stored already, nothing differs."""
        return sum(one.duplicates for one in self.fates)

    @property
    def merged(self) -> int:
        """Slots that were missing in the stored scan have been filled in."""
        return sum(one.merged for one in self.fates)

    @property
    def conflicts(self) -> int:
        """Something differs: stored beside it, as its next revision."""
        return sum(one.conflicts for one in self.fates)


@dataclass(slots=True, eq=False)
class Repeats(FatesCounted):
    """What is to be done about the scans of a flush some of which are stored already."""

    writes: list[tuple[int, ScanWrite]] = field(default_factory=list)  # With their revisions.
    merged_rows: list[ScanRow] = field(default_factory=list)  # To replace stored rows.
    unstored: list[ScanWrite] = field(default_factory=list)
    fates: list[Fates] = field(default_factory=list)  # As the writes.


def decide(stored: Iterable[ScanRow], writes: Sequence[ScanWrite]) -> Repeats:
    """Decide scan by scan, in order, what is new, known, to be merged or in conflict."""
    known: defaultdict[Key, list[ScanRow]] = defaultdict(list)
    for row in stored:
        known[row.group_id, row.time_us].append(row)
    repeats = Repeats()
    merged: dict[tuple[int, int, int], ScanRow] = {}
    for write in writes:
        counts = Fates()
        repeats.fates.append(counts)
        places: defaultdict[int, list[int]] = defaultdict(list)  # Revision, or -1: not stored.
        marked: dict[int, NDArray[np.int16]] = {}  # Qualities of those in conflict.
        for n in range(len(write)):
            row = _row_of(write, n)
            revisions = known[row.group_id, row.time_us]
            copies = 0 if write.copies is None else int(write.copies[n])
            if not revisions:
                counts.new += 1
                revisions.append(row)
                places[0].append(n)
            elif sum(_holds(one, row) for one in revisions) > copies:
                counts.duplicates += 1
                places[-1].append(n)
            elif not copies and (at := _first_agreeing(revisions, row)) is not None:
                counts.merged += 1
                revisions[at] = _merge(revisions[at], row)
                merged[row.group_id, row.time_us, revisions[at].revision] = revisions[at]
                places[-1].append(n)
            else:
                counts.new += bool(copies)
                counts.conflicts += not copies
                revisions.append(_in_conflict(revisions, row))
                marked[n] = revisions[-1].quality
                places[revisions[-1].revision].append(n)
        _record(repeats, write, places, marked)
    repeats.merged_rows = list(merged.values())
    return repeats


def _record(
    repeats: Repeats,
    write: ScanWrite,
    places: dict[int, list[int]],
    marked: dict[int, NDArray[np.int16]],
) -> None:
    for revision, rows in sorted(places.items()):
        chosen = write.rows(np.array(rows, np.intp))
        if revision >= 0:
            for place, n in enumerate(rows):
                if n in marked:
                    chosen.quality[place] = marked[n]
            repeats.writes.append((revision, chosen))
        elif write.stream_id is not None:  # Calculated scans are not replayed but made again.
            repeats.unstored.append(chosen)


def _row_of(write: ScanWrite, n: int) -> ScanRow:
    return ScanRow(
        group_id=write.group_id,
        time_us=int(write.time_us[n]),
        revision=0,
        raw=None if write.raw is None else write.raw[n],
        value=write.value[n],
        quality=write.quality[n],
    )


def _in_conflict(revisions: Sequence[ScanRow], row: ScanRow) -> ScanRow:
    """Make the next revision of a scan; what is bad in it stays bad, and says why."""
    differing = _differing(revisions[0], row)
    revision = revisions[-1].revision + 1
    if revision > REVISION_LAST:
        raise TooManyRevisionsError(
            f"group number {row.group_id} has {revision} scans that are all of "
            f"{instant_at(row.time_us)}: the clock of their source stands still; set it"
        )
    return replace(
        row,
        revision=revision,
        quality=np.where(differing & ~is_bad(row.quality), np.int16(Quality.CONFLICT), row.quality),
    )


def _differing(stored: ScanRow, row: ScanRow) -> NDArray[np.bool_]:
    """Tell in which of the row's slots both have a number, and not the same."""
    common = min(stored.slots, row.slots)
    one, other = stored.measured[:common], row.measured[:common]
    differing = np.zeros(row.slots, np.bool_)
    differing[:common] = ~np.isnan(one) & ~np.isnan(other) & (one != other)
    return differing


def _holds(stored: ScanRow, row: ScanRow) -> bool:
    """Tell whether every number that came is stored already."""
    came = ~np.isnan(row.measured)
    there = stored.widened(max(stored.slots, row.slots)).measured[: row.slots]
    return bool((there[came] == row.measured[came]).all())


def _first_agreeing(revisions: Sequence[ScanRow], row: ScanRow) -> int | None:
    for at, stored in enumerate(revisions):
        if not _differing(stored, row).any():
            return at
    return None


def _merge(stored: ScanRow, row: ScanRow) -> ScanRow:
    """Fill in what was missing."""
    slots = max(stored.slots, row.slots)
    stored, row = stored.widened(slots), row.widened(slots)
    fills = np.isnan(stored.measured) & ~np.isnan(row.measured)
    raw = None
    if stored.raw is not None:
        raw = np.where(fills, row.measured, stored.raw)
    return replace(
        stored,
        raw=raw,
        value=np.where(fills, row.value, stored.value),
        quality=np.where(fills, row.quality, stored.quality),
    )
