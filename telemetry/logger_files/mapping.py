"""A mapping file: which columns of which files are which channels of which scan groups.

files:
  - pattern: "mvd116_*.tsv"
    delimiter: tab
    time: { columns: [0], zone: "-08:00" }
    groups:
      mvd116: { piezometer-pressure: 17, piezometer-temperature: 18 }
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import Discriminator, Field, StringConstraints, Tag

from telemetry.complaint import Complaint
from telemetry.logger_files.format import LoggerFormat, names_row_of
from telemetry.logger_files.header import Wanted
from telemetry.part import Key, Part, Sentence
from telemetry.part_file import PartFile, PartFileError, read_part_file
from telemetry.plan import GroupPlan, SitePlan
from telemetry.site import Channel
from telemetry.sources import Column


class ColumnInUnit(Part):
    """A column, and how its unit is spelled in the file."""

    column: Column
    unit: Sentence


def _kind_of(value: object) -> str:
    return "in_unit" if isinstance(value, dict | ColumnInUnit) else "column"


MappedColumn = Annotated[
    Annotated[Column, Tag("column")] | Annotated[ColumnInUnit, Tag("in_unit")],
    Discriminator(_kind_of),
]
Columns = Annotated[dict[Key, MappedColumn], Field(min_length=1, max_length=128)]


class MappedFile(LoggerFormat):
    """How some files are written, and what their columns are."""

    pattern: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "*"  # Of names.
    groups: Annotated[dict[Key, Columns], Field(min_length=1, max_length=64)]


class Mapping(Part):
    """A whole mapping file; the first entry whose pattern fits a file's name counts."""

    files: Annotated[list[MappedFile], Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True, eq=False)
class GroupColumns:
    """Where the channels of one group stand among the wanted columns of a file."""

    plan: GroupPlan
    slots: tuple[int, ...]
    columns: tuple[int, ...]  # Indices into the wanted columns, by slot.


@dataclass(frozen=True, slots=True, eq=False)
class FilePlan:
    """What is to be read of a file."""

    form: MappedFile
    wanted: tuple[Wanted, ...]
    groups: tuple[GroupColumns, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MappingPlan:
    """A mapping that fits its site."""

    entries: tuple[tuple[str, FilePlan], ...]  # With their patterns.

    def of_file(self, path: Path) -> FilePlan | None:
        """Find what is to be read of a file, by its name."""
        fitting = (plan for pattern, plan in self.entries if fnmatchcase(path.name, pattern))
        return next(fitting, None)


def read_mapping(path: Path, site: SitePlan) -> MappingPlan:
    """Read a mapping file for a site; raise `PartFileError` with everything that is wrong."""
    mapping, file = read_part_file(path, Mapping)
    complaints = [
        one
        for n, entry in enumerate(mapping.files)
        for one in _complaints(file, ("files", n), entry, site)
    ]
    if complaints:
        raise PartFileError(complaints)
    return MappingPlan(tuple((one.pattern, _plan(one, site)) for one in mapping.files))


def wanted_of(channel: Channel, column: Column | ColumnInUnit) -> Wanted:
    """Say which column is wanted for a channel; a raw number's unit is not the channel's."""
    if isinstance(column, ColumnInUnit):
        return Wanted(column.column, channel.id, column.unit)
    return Wanted(column, channel.id, channel.unit if channel.conversion is None else None)


def _complaints(
    file: PartFile, loc: tuple[str | int, ...], entry: MappedFile, site: SitePlan
) -> Iterator[Complaint]:
    for key, columns in entry.groups.items():
        here = (*loc, "groups", key)
        group = site.group_by_key.get(key)
        if group is None or group.calculated:
            said = "is calculated, not measured" if group else "is unknown"
            known = ", ".join(one.key for one in site.groups if not one.calculated)
            yield file.complaint(here, f"the scan group {key} {said}", known, at_key=True)
            continue
        known_channels = {one.key for one in group.channels}
        for channel, column in columns.items():
            place = (*here, channel)
            if channel not in known_channels:
                said = f"the scan group {key} has no channel {channel}"
                yield file.complaint(place, said, ", ".join(sorted(known_channels)), at_key=True)
            bare = column.column if isinstance(column, ColumnInUnit) else column
            if isinstance(bare, str) and names_row_of(entry) is None:
                said = "the column is named, but the file has no row of names"
                yield file.complaint(place, said, "names_row, or the column's number from 0")


def _plan(entry: MappedFile, site: SitePlan) -> FilePlan:
    wanted: list[Wanted] = []
    groups: list[GroupColumns] = []
    for key, columns in entry.groups.items():
        group = site.group_by_key[key]
        slots: list[int] = []
        begin = len(wanted)
        for one in group.channels:
            if one.key in columns:
                assert isinstance(one.channel, Channel)
                wanted.append(wanted_of(one.channel, columns[one.key]))
                slots.append(one.slot)
        places = tuple(range(begin, len(wanted)))
        groups.append(GroupColumns(group, tuple(slots), places))
    return FilePlan(entry, tuple(wanted), tuple(groups))
