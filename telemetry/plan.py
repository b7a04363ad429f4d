"""A site as flat lists: every group and channel by a dense index, in a stable order.

The site file is a tree that people write; detectors, wire and store want arrays. A plan is
made once per configuration version and never changes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from telemetry.event import ToldKind
from telemetry.site import (
    CalculatedChannel,
    CalculatedGroup,
    Channel,
    EventSource,
    Instrument,
    ScanGroup,
    Site,
    Station,
    Structure,
)
from telemetry.sounders import Sounder
from telemetry.votes import VotedChannel, VotingGroup, place_of_votes, voting_group

AnyChannel = Channel | CalculatedChannel | VotedChannel
AnyGroup = ScanGroup | CalculatedGroup | VotingGroup


@dataclass(frozen=True, slots=True, eq=False)
class ChannelPlan:
    """One channel, and where it hangs."""

    index: int  # Dense over the site, in the order of `SitePlan.channels`.
    group: int  # Index into `SitePlan.groups`.
    slot: int
    channel: AnyChannel
    instrument: Instrument | None
    station: Station
    structure: Structure

    @property
    def key(self) -> str:
        """The channel's id in the site file."""
        return self.channel.id

    @property
    def calculated(self) -> bool:
        """Whether the channel is computed from others, or voted by them."""
        return not isinstance(self.channel, Channel)


@dataclass(frozen=True, slots=True, eq=False)
class GroupPlan:
    """One scan group, calculated group, or the votes of a structure."""

    index: int
    group: AnyGroup
    station: Station
    structure: Structure
    edge: str | None  # None for a calculated group.
    slot_count: int  # Highest slot + 1; a slot without a channel stays NaN.
    layout: int  # Names what the slots are; changes when a slot's meaning does.
    channels: tuple[ChannelPlan, ...]  # By slot, ascending.

    @property
    def key(self) -> str:
        """The group's id in the site file."""
        return self.group.id

    @property
    def calculated(self) -> bool:
        """Whether the group's scans are computed at the centre."""
        return not isinstance(self.group, ScanGroup)

    @property
    def voting(self) -> bool:
        """Whether these are the votes of a structure."""
        return isinstance(self.group, VotingGroup)

    @property
    def period_us(self) -> int:
        """Microseconds between scans."""
        return round(self.group.period_s * 1_000_000)


@dataclass(frozen=True, slots=True, eq=False)
class EventSourcePlan:
    """One source of events, and where it hangs."""

    source: EventSource
    station: Station
    structure: Structure
    edge: str

    @property
    def key(self) -> str:
        """The source's id in the site file."""
        return self.source.id

    @property
    def kind(self) -> ToldKind:
        """What kind of events it tells of."""
        return self.source.kind


@dataclass(frozen=True, slots=True, eq=False)
class SounderPlan:
    """One sounder, and who drives it; what becomes of it is told as events."""

    sounder: Sounder
    structure: Structure  # The first of those that it is for.
    edge: str

    @property
    def key(self) -> str:
        """The sounder's id in the site file."""
        return self.sounder.id

    @property
    def kind(self) -> ToldKind:
        """What kind of events are told of it."""
        return "sounding"


@dataclass(frozen=True, eq=False)
class SitePlan:
    """Everything about a site, flat."""

    site: Site
    groups: tuple[GroupPlan, ...]
    channels: tuple[ChannelPlan, ...]
    event_sources: tuple[EventSourcePlan, ...] = ()
    sounders: tuple[SounderPlan, ...] = ()

    @cached_property
    def structures_by_edge(self) -> dict[str, set[str]]:
        """Edges that are given something to read, and which structures it is of."""
        found: dict[str, set[str]] = {}
        plans: tuple[GroupPlan | EventSourcePlan, ...] = (*self.groups, *self.event_sources)
        for one in plans:
            if one.edge is not None:
                found.setdefault(one.edge, set()).add(one.structure.id)
        return found

    def structure_of_edge(self, edge: str) -> str | None:
        """The structure of all that an edge reads, if it is one."""
        structures = self.structures_by_edge.get(edge, set())
        return next(iter(structures)) if len(structures) == 1 else None

    @cached_property
    def event_source_by_key(self) -> dict[str, EventSourcePlan]:
        """Sources of events by their id."""
        return {one.key: one for one in self.event_sources}

    def event_sources_of_edge(self, edge: str) -> tuple[EventSourcePlan, ...]:
        """Sources of events that an edge listens to."""
        return tuple(one for one in self.event_sources if one.edge == edge)

    @cached_property
    def teller_by_key(self) -> dict[str, EventSourcePlan | SounderPlan]:
        """Whatever events are told of, by its id: sources of events, and sounders."""
        tellers: tuple[EventSourcePlan | SounderPlan, ...] = (*self.event_sources, *self.sounders)
        return {one.key: one for one in tellers}

    @cached_property
    def group_by_key(self) -> dict[str, GroupPlan]:
        """Groups by their id."""
        return {group.key: group for group in self.groups}

    @cached_property
    def channel_by_key(self) -> dict[str, ChannelPlan]:
        """Channels by their id."""
        return {channel.key: channel for channel in self.channels}

    def groups_of_edge(self, edge: str) -> tuple[GroupPlan, ...]:
        """Scan groups that an edge reads."""
        return tuple(group for group in self.groups if group.edge == edge)


def plan_of(site: Site) -> SitePlan:
    """Lay a checked site out flat, in the file's order: measured groups, calculated ones, votes."""
    edge_of_bus = {bus.id: bus.edge for bus in site.buses}
    groups: list[GroupPlan] = []
    channels: list[ChannelPlan] = []
    for structure, station, group in _groups_in_order(site):
        edge = edge_of_bus[group.bus] if isinstance(group, ScanGroup) else None
        instruments = {instrument.id: instrument for instrument in station.instruments}
        in_group: list[AnyChannel] = list(group.channels)
        of_group = [
            ChannelPlan(
                index=len(channels) + n,
                group=len(groups),
                slot=channel.slot,
                channel=channel,
                instrument=instruments.get(channel.instrument)
                if isinstance(channel, Channel)
                else None,
                station=station,
                structure=structure,
            )
            for n, channel in enumerate(sorted(in_group, key=lambda one: one.slot))
        ]
        channels.extend(of_group)
        groups.append(
            GroupPlan(
                index=len(groups),
                group=group,
                station=station,
                structure=structure,
                edge=edge,
                slot_count=of_group[-1].slot + 1,
                layout=layout_of(group),
                channels=tuple(of_group),
            )
        )
    event_sources, sounders = _event_sources(site, edge_of_bus), _sounders(site, edge_of_bus)
    return SitePlan(site, tuple(groups), tuple(channels), event_sources, sounders)


def _sounders(site: Site, edge_of_bus: Mapping[str, str]) -> tuple[SounderPlan, ...]:
    structures = {one.id: one for one in site.structures}
    return tuple(
        SounderPlan(one, structures[one.structures[0]], edge_of_bus[one.bus])
        for one in site.sounders
    )


def _event_sources(site: Site, edge_of_bus: Mapping[str, str]) -> tuple[EventSourcePlan, ...]:
    return tuple(
        EventSourcePlan(source, station, structure, edge_of_bus[source.bus])
        for structure in site.structures
        for station in structure.stations
        for source in station.event_sources
    )


def layout_of(group: AnyGroup) -> int:
    """Name a group's layout by a hash of what each slot is: channel and the number read for it.

    Two site files agree about a layout exactly when they mean the same by every slot, so
    nobody has to count versions by hand. The result fits a signed 64-bit integer.
    """
    channels: list[AnyChannel] = list(group.channels)
    lines = [
        f"{channel.slot} {channel.id} {_number_read(channel)}"
        for channel in sorted(channels, key=lambda one: one.slot)
    ]
    digest = hashlib.sha256("\n".join(lines).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _number_read(channel: AnyChannel) -> str:
    if isinstance(channel, VotedChannel):
        return "voted"
    if isinstance(channel, CalculatedChannel):
        return "calculated"
    register = channel.register_
    if channel.column is not None:
        return f"column {channel.column!r}"
    if register is None:
        return f"field {channel.field}"
    read = f"{register.type} {register.byte_order} {register.scale!r} {register.offset!r}"
    # Only what is said is added, so that files of before these keys keep their layouts.
    if register.bit is not None:
        read += f" bit {register.bit}"
    if register.length is not None:
        read += f" length {register.length} texts {sorted((register.texts or {}).items())!r}"
    if register.no_value:
        read += f" no value {sorted({float(code) for code in register.no_value})!r}"
    return read


def _groups_in_order(
    site: Site,
) -> Iterator[tuple[Structure, Station, AnyGroup]]:
    stations = [
        (structure, station) for structure in site.structures for station in structure.stations
    ]
    for structure, station in stations:
        for group in station.scan_groups:
            yield structure, station, group
    for structure, station in stations:
        for calculated in station.calculated_groups:
            yield structure, station, calculated
    for structure in site.structures:
        votes = voting_group(structure)
        if votes is not None:
            yield structure, place_of_votes(structure), votes
