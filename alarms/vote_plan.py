"""The votes of a site's structures as arrays: who votes where, and who is near whom."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alarms.trends.neighbours import Neighbourhoods, neighbourhoods
from telemetry.plan import ChannelPlan, GroupPlan, SitePlan
from telemetry.site import Position
from telemetry.votes import points_of, positions_in
from telemetry.voting import Item, Voting

VOTE_RULE = "vote"


@dataclass(frozen=True, slots=True, eq=False)
class ItemPlan:
    """One item, and the points that vote in it."""

    item: Item
    points: NDArray[np.int64]  # [member] places among the voting's points
    near: Neighbourhoods | None  # Among the members; None where nobody is asked.

    @property
    def window_us(self) -> int:
        """How long ago a level may have been left to confirm a neighbour's."""
        asked = self.item.neighbours
        return 0 if asked is None else round(asked.window_s * 1e6)


@dataclass(frozen=True, slots=True, eq=False)
class VotingPlan:
    """The voting of one structure."""

    group: GroupPlan  # The votes' own.
    voting: Voting
    items: tuple[ItemPlan, ...]
    points: tuple[str, ...]  # Each channel once, however many items it votes in.
    channel: NDArray[np.int64]  # [point] index into the plan's channels
    source: NDArray[np.int64]  # [point] the group it is read in
    slot: NDArray[np.int64]  # [point]

    @property
    def structure(self) -> str:
        """The structure's id."""
        return self.group.structure.id

    @property
    def voted(self) -> tuple[ChannelPlan, ...]:
        """The channels of the votes: the structure's own, then those of the items in order."""
        of_key = {channel.key: channel for channel in self.group.channels}
        return tuple(of_key[key] for key in (self.structure, *(one.item.id for one in self.items)))

    @property
    def max_age_us(self) -> int:
        """For how long a good reading is known."""
        return round(self.voting.max_age_s * 1e6)

    @property
    def window_us(self) -> int:
        """The longest window of any item."""
        return max(item.window_us for item in self.items)


def voting_plans(plan: SitePlan) -> tuple[VotingPlan, ...]:
    """Lay out the votes of all structures that have any."""
    return tuple(_voting_plan(plan, group) for group in plan.groups if group.voting)


def sources_of_votes(plan: SitePlan) -> dict[int, frozenset[int]]:
    """Name the groups whose scans the votes of each structure wait for."""
    return {
        group.index: frozenset(
            plan.channel_by_key[key].group
            for item in voting_of(group).items
            for key in points_of(group.structure, item)
        )
        for group in plan.groups
        if group.voting
    }


def voting_of(group: GroupPlan) -> Voting:
    """Return what the site file says about the votes of a group."""
    voting = group.structure.voting
    assert voting is not None, f"group {group.key} has votes, but its structure has none"
    return voting


def voted_keys(plan: SitePlan) -> set[str]:
    """Name the alarms that votes may have, as `<item or structure>/vote`."""
    return {
        f"{channel.key}/{VOTE_RULE}"
        for group in plan.groups
        if group.voting
        for channel in group.channels
    }


def _voting_plan(plan: SitePlan, group: GroupPlan) -> VotingPlan:
    voting = voting_of(group)
    members = [points_of(group.structure, item) for item in voting.items]
    points = tuple(sorted({key for keys in members for key in keys}))
    channels = [plan.channel_by_key[key] for key in points]
    place = {key: n for n, key in enumerate(points)}
    positions = positions_in(group.structure)
    return VotingPlan(
        group=group,
        voting=voting,
        items=tuple(
            _item_plan(item, sorted(keys), place, positions)
            for item, keys in zip(voting.items, members, strict=True)
        ),
        points=points,
        channel=np.array([one.index for one in channels], dtype=np.int64),
        source=np.array([one.group for one in channels], dtype=np.int64),
        slot=np.array([one.slot for one in channels], dtype=np.int64),
    )


def _item_plan(
    item: Item, keys: list[str], place: dict[str, int], positions: dict[str, Position]
) -> ItemPlan:
    near = None
    if item.neighbours is not None:
        near = neighbourhoods(
            _coordinates(positions.get(key) for key in keys),
            item.neighbours.radius_m,
            np.zeros(len(keys), dtype=np.int64),
        )
    return ItemPlan(item, np.array([place[key] for key in keys], dtype=np.int64), near)


def _coordinates(places: Iterable[Position | None]) -> NDArray[np.float64]:
    rows = [
        (np.nan,) * 3 if one is None else (one.east_m, one.north_m, one.elevation_m)
        for one in places
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)
