"""Votes in the API's words: what is voted, the highest single level beside it, what is unknown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from api.alarm_list import level_word
from api.freshness import Freshness
from api.views import LevelWord, View
from historian.votes import StoredVote
from telemetry.clock import instant_at
from telemetry.site import Name, Structure
from telemetry.voting import Item, Voting

Verdict = Literal["confirmed", "alone", "cannot_tell"]
Doubt = Literal["silent", "bad", "warming_up"]


class LadderView(View):
    """How many of a level count as one of the next."""

    blue_to_yellow: int
    yellow_to_orange: int
    orange_to_red: int
    source: str


class NeighbourRuleView(View):
    """Who confirms whom: so many within a radius, itself included, and how long ago at most."""

    radius_m: float
    window_s: float
    at_least: int


class ConfirmedView(View):
    """Whether a point is alone with the level that it shows."""

    verdict: Verdict
    reached_by: int  # It and its neighbours that reach its level.
    of: int


class PointView(View):
    """A point that shows a level, or that nobody knows, as its vote was counted."""

    channel: str
    level: LevelWord
    doubt: Doubt | None  # Why nobody knows its level now; the last one was counted.
    neighbours: ConfirmedView | None  # Of points that show a level, where neighbours are asked.


class ItemView(View):
    """An item at the newest vote; levels are null where nobody has voted yet, or nobody knows."""

    item: str
    name: Name
    voted_level: LevelWord | None
    highest_level: LevelWord | None  # Of any single point.
    confirmed_level: LevelWord | None  # That enough neighbours reach.
    points: int
    unknown: int  # Of them.
    neighbours: NeighbourRuleView | None
    telling: list[PointView]  # The other points are known, and show no level.


class VoteView(View):
    """The newest vote of a structure."""

    structure: str
    voted_at: datetime | None
    freshness: Freshness
    voted_level: LevelWord | None
    highest_level: LevelWord | None  # Of any single point of any item.
    points: int
    unknown: int
    ladder: LadderView
    every_s: float
    items: list[ItemView]


def vote_view(
    structure: Structure, voting: Voting, stored: StoredVote | None, freshness: Freshness
) -> VoteView:
    """Show the newest vote of a structure, or that there was none yet."""
    document: Mapping[str, Any] = {} if stored is None else stored.document
    of_item = {one["item"]: one for one in document.get("items", ())}
    points = document.get("points", 0)
    unknown = document.get("unknown", 0)
    return VoteView(
        structure=structure.id,
        voted_at=None if stored is None else instant_at(stored.at_us),
        freshness=freshness,
        voted_level=_known(document.get("voted"), unknown, points),
        highest_level=_known(document.get("highest"), unknown, points),
        points=points,
        unknown=unknown,
        ladder=LadderView(**voting.ladder.model_dump()),
        every_s=voting.every_s,
        items=[_item_view(item, of_item.get(item.id, {})) for item in voting.items],
    )


def _item_view(item: Item, document: Mapping[str, Any]) -> ItemView:
    points = document.get("points", 0)
    unknown = document.get("unknown", 0)
    confirmed = document.get("confirmed")
    asked = item.neighbours
    return ItemView(
        item=item.id,
        name=item.name,
        voted_level=_known(document.get("voted"), unknown, points),
        highest_level=_known(document.get("highest"), unknown, points),
        confirmed_level=None if confirmed is None else level_word(confirmed),
        points=points,
        unknown=unknown,
        neighbours=None if asked is None else NeighbourRuleView(**asked.model_dump()),
        telling=[_point_view(one) for one in document.get("telling", ())],
    )


def _point_view(member: Mapping[str, Any]) -> PointView:
    said = member["neighbours"]
    return PointView(
        channel=member["channel"],
        level=level_word(member["level"]),
        doubt=member["doubt"],
        neighbours=None if said is None else ConfirmedView(**said),
    )


def _known(level: int | None, unknown: int, members: int) -> Any:  # noqa: ANN401 - as level_word
    """Say nothing of members that nobody knows, where none has shown a level."""
    if level is None or (level == 0 and unknown == members):
        return None
    return level_word(level)
