"""Events of a site: what happened when and where, as the newest revision of each says."""

import base64
import binascii
import math
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from alarms.seismic.following import event_rules
from api.alarm_list import level_word
from api.errors import ApiError
from api.event_views import (
    EventAnswerView,
    EventPlaceView,
    EventSourceView,
    EventsQuery,
    EventsView,
    EventView,
)
from api.parts import PartsDep, SiteDep
from api.site_directory import SiteRecord
from historian.event_reading import EventPlaceInList, StoredEvent, newest_events
from historian.event_watch import EventWatchRow, read_event_watch
from telemetry.clock import instant_at, instant_us

DEFAULT_SPAN_US = 7 * 24 * 3600 * 1_000_000
EARLIEST_US = instant_us(datetime.min.replace(tzinfo=UTC))

router = APIRouter(prefix="/api/v1/sites/{site}")


@router.get("/events", summary="Discrete happenings over a span, the newest first")
async def events(
    record: SiteDep, query: Annotated[EventsQuery, Query()], parts: PartsDep
) -> EventsView:
    """Show events from an instant up to, not including, another; page by page."""
    to_us = parts.clock.now_us() + 1 if query.to is None else instant_us(query.to)
    default_us = max(EARLIEST_US, to_us - DEFAULT_SPAN_US)
    from_us = default_us if query.from_ is None else instant_us(query.from_)
    if from_us >= to_us:
        raise ApiError(422, "invalid", "The span is empty: 'from' must lie before 'to'.")
    before = None if query.cursor is None else _place_of(query.cursor)
    async with parts.pool.connection() as conn:
        found = await newest_events(
            conn,
            record.site_id,
            instant_at(from_us),
            instant_at(to_us),
            kind=query.kind,
            source=query.source,
            before=before,
            limit=query.limit + 1,
        )
        watch = await read_event_watch(conn, record.site_id)
    shown = found[: query.limit]
    return EventsView(
        sources=_sources(record),
        answers=[] if watch is None else _answers(record, watch),
        events=[_view(one) for one in shown],
        cursor=_cursor_after(shown[-1]) if len(found) > query.limit else None,
    )


def _sources(record: SiteRecord) -> list[EventSourceView]:
    return [
        EventSourceView(
            source=one.key, kind=one.source.kind, name=one.source.name, structure=one.structure.id
        )
        for one in record.plan.event_sources
    ]


def _answers(record: SiteRecord, watch: EventWatchRow) -> list[EventAnswerView]:
    """What the detectors of the file in force have said last."""
    shown = []
    for one in record.plan.event_sources:
        state = watch.state.get(one.key, {})
        rules = {key for key, _ in event_rules(one)}
        at_us = (state.get("tick") or 0) * round(one.source.judge_every_s * 1_000_000)
        for said in state.get("answers", ()):
            if said["rule"] in rules:
                level = level_word(said["level"])
                about = {**said, "level": level, "source": one.key}
                shown.append(EventAnswerView(**about, at=instant_at(at_us) if at_us else None))
    return shown


def _view(one: StoredEvent) -> EventView:
    place = None
    if one.place is not None:
        east, north, elevation = (None if math.isnan(axis) else axis for axis in one.place)
        place = EventPlaceView(east_m=east, north_m=north, elevation_m=elevation)
    return EventView(
        event=one.event_id,
        source=one.source,
        kind=one.kind,
        revision=one.revision,
        at=instant_at(one.at_us),
        place=place,
        attributes=one.attributes,
        received_at=instant_at(one.received_us),
    )


def _cursor_after(one: StoredEvent) -> str:
    return base64.urlsafe_b64encode(f"{one.at_us}/{one.event_id}".encode()).decode()


def _place_of(cursor: str) -> EventPlaceInList:
    try:
        at_us, _, event_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("/")
        place = EventPlaceInList(int(at_us), event_id)
        instant_at(place.at_us)
    except (binascii.Error, UnicodeError, ValueError, OverflowError) as error:
        raise _unknown_cursor() from error
    if "\0" in event_id:
        raise _unknown_cursor()
    return place


def _unknown_cursor() -> ApiError:
    return ApiError(422, "invalid", "The cursor is none that this route gave; begin without one.")
