"""Walking through a site with the place of everything, so that findings can name it."""

from collections.abc import Iterator
from dataclasses import dataclass

from telemetry.site import (
    CalculatedChannel,
    CalculatedGroup,
    Channel,
    EventSource,
    ScanGroup,
    Site,
    Station,
)

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a site breaks: where, in what way, and what would be right."""

    loc: Loc
    message: str
    allowed: str
    refers_to: str | None = None  # The id that was looked for and not found.
    missing: str | None = None  # The key that was looked for at the place and not found.


@dataclass(frozen=True, slots=True, eq=False)
class GroupPlace:
    """A group, and where it stands."""

    loc: Loc
    station: Station
    group: ScanGroup | CalculatedGroup

    def channels(self) -> "Iterator[ChannelPlace]":
        """The group's channels, in the order of the file."""
        channels: list[Channel | CalculatedChannel] = [*self.group.channels]
        for n, channel in enumerate(channels):
            yield ChannelPlace((*self.loc, "channels", n), self, channel)


@dataclass(frozen=True, slots=True, eq=False)
class ChannelPlace:
    """A channel, and where it stands."""

    loc: Loc
    place: GroupPlace
    channel: Channel | CalculatedChannel


def stations_of(site: Site) -> Iterator[tuple[Loc, Station]]:
    """All stations, in the order of the file."""
    for n, structure in enumerate(site.structures):
        for m, station in enumerate(structure.stations):
            yield ("structures", n, "stations", m), station


def groups_of(site: Site) -> Iterator[GroupPlace]:
    """All groups, measured and calculated, in the order of the file."""
    for loc, station in stations_of(site):
        for n, scan_group in enumerate(station.scan_groups):
            yield GroupPlace((*loc, "scan_groups", n), station, scan_group)
        for n, calculated in enumerate(station.calculated_groups):
            yield GroupPlace((*loc, "calculated_groups", n), station, calculated)


def channels_of(site: Site) -> Iterator[ChannelPlace]:
    """All channels, measured and calculated, in the order of the file."""
    for place in groups_of(site):
        yield from place.channels()


def event_sources_of(site: Site) -> Iterator[tuple[Loc, EventSource]]:
    """All sources of events, in the order of the file."""
    for loc, station in stations_of(site):
        for n, source in enumerate(station.event_sources):
            yield (*loc, "event_sources", n), source
