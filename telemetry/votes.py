"""What a structure's voting looks like in a plan: a group whose channels are levels.

Votes are taken at ticks of event time and stored like the scans of a calculated group, so that
they have a history, a newest value and a recorded order as these do.
"""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from telemetry.part import Key, Name, Part, Positive
from telemetry.site import (
    CalculatedChannel,
    Channel,
    ChannelBase,
    Position,
    State,
    Station,
    Structure,
)
from telemetry.voting import Item

VOTED: Final = "voted_level"
STRUCTURE_SLOT: Final = 0
VOTES: Final = Name(en="Votes", zh="综合判定")
LEVELS: Final = {
    0: State(name=Name(en="None", zh="无")),
    1: State(name=Name(en="Blue", zh="蓝色")),
    2: State(name=Name(en="Yellow", zh="黄色")),
    3: State(name=Name(en="Orange", zh="橙色")),
    4: State(name=Name(en="Red", zh="红色")),
}


class VotedChannel(ChannelBase):
    """The voted level of an item, or of the structure."""


class VotingGroup(Part):
    """The votes of one structure, which are taken together."""

    id: Key
    period_s: Positive
    channels: Annotated[list[VotedChannel], Field(min_length=1)]


def voting_group(structure: Structure) -> VotingGroup | None:
    """Make the group that a structure's voting stands for; it is called like the structure."""
    voting = structure.voting
    if voting is None:
        return None
    channels = [_voted(structure.id, structure.name, STRUCTURE_SLOT)]
    channels += [_voted(item.id, item.name, item.slot) for item in voting.items]
    return VotingGroup(id=structure.id, period_s=voting.every_s, channels=channels)


def place_of_votes(structure: Structure) -> Station:
    """Votes hang at no station; lists of stations show them under one of their own."""
    return Station(id=structure.id, name=VOTES)


def points_of(structure: Structure, item: Item) -> list[str]:
    """List the points of an item: those that it names, and those of its quantity with levels."""
    of_quantity = [
        channel.id
        for channel in channels_in(structure)
        if channel.quantity == item.quantity and has_levels(channel)
    ]
    return list(dict.fromkeys([*item.points, *of_quantity]))


def channels_in(structure: Structure) -> Iterator[Channel | CalculatedChannel]:
    """All channels of a structure, measured and calculated, in the order of the file."""
    for station in structure.stations:
        for group in station.scan_groups:
            yield from group.channels
        for calculated in station.calculated_groups:
            yield from calculated.channels


def positions_in(structure: Structure) -> dict[str, Position]:
    """Find where channels are: a calculated one is where all its placed inputs are together."""
    place_of = {
        instrument.id: instrument.position
        for station in structure.stations
        for instrument in station.instruments
    }
    found: dict[str, Position] = {}
    for channel in channels_in(structure):
        if isinstance(channel, Channel):
            place = place_of.get(channel.instrument)
            if place is not None:
                found[channel.id] = place
        else:
            places = [found[key] for key in channel.inputs.values() if key in found]
            if places and all(place == places[0] for place in places):
                found[channel.id] = places[0]
    return found


def has_levels(channel: ChannelBase) -> bool:
    """Tell whether anything could ever raise a process alarm of a channel."""
    states = channel.states or {}
    return bool(
        channel.limits
        or channel.rate_limits
        or channel.charts
        or channel.trends
        or any(state.level is not None for state in states.values())
    )


def _voted(key: str, name: Name, slot: int) -> VotedChannel:
    return VotedChannel(
        id=key, name=name, quantity=VOTED, unit="state", slot=slot, resolution=1.0, states=LEVELS
    )
