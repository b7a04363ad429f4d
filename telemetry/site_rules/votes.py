"""Rules about voting: points that exist and have levels, names of their own, ticks that come."""

from collections.abc import Iterator

from telemetry.complaint import listed
from telemetry.quantities import QUANTITIES
from telemetry.site import Site, Structure
from telemetry.site_rules.places import ChannelPlace, Finding, Loc, channels_of, groups_of
from telemetry.votes import VOTED, channels_in, has_levels, points_of, positions_in
from telemetry.voting import LADDER_SOURCE, Item, Ladder, Voting


def vote_findings(site: Site) -> Iterator[Finding]:
    """Find votes that nobody could take part in, and names that would be given twice."""
    places = {one.channel.id: one for one in channels_of(site)}
    for one in places.values():
        if one.channel.quantity == VOTED:
            message = f"the quantity {VOTED} is that of votes, which have no channel in the file"
            allowed = "another quantity, such as state"
            yield Finding((*one.loc, "quantity"), message, allowed)
    taken = {one.channel.id: "a channel" for one in channels_of(site)}
    taken |= {place.group.id: "a group" for place in groups_of(site)}
    for n, structure in enumerate(site.structures):
        if structure.voting is None:
            continue
        loc: Loc = ("structures", n, "voting")
        yield from _name_findings(structure, structure.voting, loc, taken)
        yield from _ladder_findings(structure.voting.ladder, (*loc, "ladder"))
        for m, item in enumerate(structure.voting.items):
            yield from _point_findings(structure, item, (*loc, "items", m))
            yield from _neighbour_findings(structure, item, (*loc, "items", m), places)
        yield from _time_findings(structure, structure.voting, loc, places)


def _name_findings(
    structure: Structure, voting: Voting, loc: Loc, taken: dict[str, str]
) -> Iterator[Finding]:
    if structure.id in taken:
        message = (
            f"the structure {structure.id} is called like {taken[structure.id]}, "
            "so its votes can't be told apart from that"
        )
        yield Finding(loc, message, "an id that no channel and no group has")
    taken.setdefault(structure.id, "a structure with votes")
    slots: set[int] = set()
    for n, item in enumerate(voting.items):
        if item.id in taken:
            message = f"the item {item.id} is called like {taken[item.id]}"
            allowed = "an id that no channel, group or other item has"
            yield Finding((*loc, "items", n, "id"), message, allowed)
        taken.setdefault(item.id, "another item")
        if item.slot in slots:
            message = f"the slot {item.slot} is used a second time"
            yield Finding((*loc, "items", n, "slot"), message, "each slot once in a structure")
        slots.add(item.slot)


def _ladder_findings(ladder: Ladder, loc: Loc) -> Iterator[Finding]:
    template = Ladder()
    is_template = ladder.model_dump() == template.model_dump()
    if ladder.source == LADDER_SOURCE and not is_template:
        message = f"these numbers are not those of {LADDER_SOURCE}"
        yield Finding((*loc, "source"), message, "the document that they come from")


def _point_findings(structure: Structure, item: Item, loc: Loc) -> Iterator[Finding]:
    own = {one.id: one for one in channels_in(structure)}
    for n, key in enumerate(item.points):
        if key not in own:
            message = f"the structure {structure.id} has no channel {key}"
            yield Finding((*loc, "points", n), message, "a channel of this structure", key)
        elif not has_levels(own[key]):
            message = f"the channel {key} has no limit, so it has no level to vote with"
            yield Finding((*loc, "points", n), message, "a channel with limits, charts or states")
        elif key in item.points[:n]:
            message = f"the channel {key} votes twice in one item"
            yield Finding((*loc, "points", n), message, "each channel once")
    if item.quantity is not None and item.quantity not in QUANTITIES:
        message = f"the quantity {item.quantity} is unknown"
        yield Finding(
            (*loc, "quantity"), message, listed(sorted({o.quantity for o in own.values()}))
        )
    elif not points_of(structure, item):
        message = f"the item {item.id} has no points"
        allowed = "channels under points, or a quantity of which some channel here has limits"
        yield Finding(loc, message, allowed)


def _neighbour_findings(
    structure: Structure, item: Item, loc: Loc, places: dict[str, ChannelPlace]
) -> Iterator[Finding]:
    points = [key for key in points_of(structure, item) if key in places]
    if item.neighbours is None or not points:
        return
    if len(points) < item.neighbours.at_least:
        message = f"the item {item.id} has {len(points)} points, so none is ever confirmed"
        allowed = f"at most {len(points)}, or more points"
        yield Finding((*loc, "neighbours", "at_least"), message, allowed)
    elif not positions_in(structure).keys() & set(points):
        message = f"no point of the item {item.id} has a position, so nobody knows who is near"
        allowed = "instruments with a position: { east_m, north_m, elevation_m }"
        yield Finding((*loc, "neighbours"), message, allowed)


def _time_findings(
    structure: Structure, voting: Voting, loc: Loc, places: dict[str, ChannelPlace]
) -> Iterator[Finding]:
    periods = {
        key: places[key].place.group.period_s
        for item in voting.items
        for key in points_of(structure, item)
        if key in places
    }
    slowest = max(periods, key=lambda key: periods[key], default=None)
    if slowest is None:
        return
    longest_s = periods[slowest]
    if voting.every_s < longest_s:
        message = (
            f"a vote every {voting.every_s:g} s would wait for {slowest}, "
            f"which comes every {longest_s:g} s"
        )
        yield Finding((*loc, "every_s"), message, f"{longest_s:g} s or more")
    if voting.max_age_s < max(voting.every_s, longest_s):
        message = f"at {voting.max_age_s:g} s most points would be too old at most votes"
        allowed = f"{max(voting.every_s, longest_s):g} s or more"
        yield Finding((*loc, "max_age_s"), message, allowed)
