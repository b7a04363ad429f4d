"""What goes in and out of the API about events."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from api.views import (
    PAGE_ENTRIES_DEFAULT,
    PAGE_ENTRIES_MAX,
    STORABLE,
    Input,
    Instant,
    LevelWord,
    ShortText,
    View,
)
from telemetry.event import EventKind, ToldKind
from telemetry.site import Name

# Base64 of an instant and an event's id, which may be 128 characters of four bytes.
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=800), STORABLE]


class EventsQuery(Input):
    """Which events, and where to go on."""

    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    kind: ToldKind | None = None  # Left out: what happened to the ground, not to sounders.
    source: ShortText | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_ENTRIES_MAX)] = PAGE_ENTRIES_DEFAULT
    cursor: Cursor | None = None  # Of the page before.


class EventPlaceView(View):
    """Where an event was, in metres of the site's own coordinates; null where nobody knows."""

    east_m: float | None
    north_m: float | None
    elevation_m: float | None


class EventView(View):
    """An event as its newest revision says."""

    event: str  # source/id
    source: str
    kind: str
    revision: int  # 0: as it was told first.
    at: datetime
    place: EventPlaceView | None
    attributes: dict[str, float | str]
    received_at: datetime


class EventSourceView(View):
    """Who tells of events."""

    source: str
    kind: EventKind
    name: Name | None
    structure: str


class EventAnswerView(View):
    """What a detector of a source has answered at the last tick of event time."""

    source: str
    rule: str
    # judged, warming_up, too_few, silent: without a figure nothing is known.
    answer: str
    level: LevelWord
    figure: float | None
    figures: dict[str, float | str | bool]
    at: datetime | None


class EventsView(View):
    """Events, the newest first; the cursor goes on to older ones, null when there are none."""

    sources: list[EventSourceView]
    answers: list[EventAnswerView]
    events: list[EventView]
    cursor: str | None
