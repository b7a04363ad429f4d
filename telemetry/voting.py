"""The site file's words for voting: which points make an item, and what their levels add up to.

An item (预警项) is what a standard asks to be judged as one: the phreatic line, the surface
displacement. Points of an item vote by a ladder, and so do the items of a structure.
"""

from typing import Annotated, Final

from pydantic import Field

from telemetry.part import Key, Name, Part, Positive, Sentence

LADDER_SOURCE: Final = "GB 39496-2020, 5.5"
ITEMS_MAX: Final = 60
SLOTS: Final = 128  # Slot 0 is the structure's own.

Count = Annotated[int, Field(ge=2, le=1000)]


class Ladder(Part):
    """How many of a level count as one of the next; a template, to be edited like any limit."""

    blue_to_yellow: Count = 4
    yellow_to_orange: Count = 3
    orange_to_red: Count = 2
    source: Sentence = LADDER_SOURCE


class Neighbours(Part):
    """A point is confirmed when so many within a radius, itself included, reach its level."""

    radius_m: Positive
    window_s: Positive  # A level that was left no longer ago than this still counts.
    at_least: Annotated[int, Field(ge=2, le=100)] = 2


class Item(Part):
    """Points of one kind that are judged together."""

    id: Key
    name: Name
    slot: Annotated[int, Field(ge=1, lt=SLOTS)]  # Where its level is stored, for ever.
    points: list[Key] = Field(default_factory=list)  # Channels of the structure.
    quantity: Key | None = None  # All channels of this quantity that have levels, beside those.
    neighbours: Neighbours | None = None


class Voting(Part):
    """How the items of a structure are voted on, and how often."""

    every_s: Positive  # In event time.
    max_age_s: Positive  # A point without a good reading for longer is not known.
    ladder: Ladder = Ladder()
    items: Annotated[list[Item], Field(min_length=1, max_length=ITEMS_MAX)]
