"""Readings as a file: CSV in pieces, for any span that somebody wants to keep."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import tzinfo
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, Field
from starlette.types import Receive, Scope, Send

from api.errors import DATABASE_ERRORS, ApiError, database_away
from api.parts import Parts, PartsDep, SiteDep
from api.site_directory import SiteRecord
from api.views import Input
from historian.connection import connect
from historian.exporting.command import zone_of
from historian.exporting.csv_text import csv_pieces
from historian.exporting.selection import Selection, SelectionError, select_channels
from telemetry.clock import instant_us

# Each holds a connection of its own for minutes; pages and alarms come first.
EXPORTS_AT_ONCE_MAX: Final = 2
NAMES_MAX: Final = 1_000

router = APIRouter(prefix="/api/v1")


class ExportQuery(Input):
    """What is exported; without channels and groups, all of them."""

    from_: Annotated[AwareDatetime, Field(alias="from")]
    to: AwareDatetime
    channel: Annotated[list[str], Field(max_length=NAMES_MAX, default_factory=list)]
    group: Annotated[list[str], Field(max_length=NAMES_MAX, default_factory=list)]
    form: Literal["wide", "long"] = "wide"
    numbers: Literal["value", "raw"] = "value"
    time_zone: Annotated[str, Field(max_length=80)] = "UTC"


class _Export(StreamingResponse):
    """An answer that lets go of what it holds, also when nobody waits for it any more."""

    held: AsyncExitStack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.held.aclose()


@router.get(
    "/sites/{site}/export",
    summary="Readings over a span as a CSV file",
    response_class=StreamingResponse,
)
async def export(
    record: SiteDep, query: Annotated[ExportQuery, Query()], parts: PartsDep
) -> StreamingResponse:
    """Send the file while it is read; an answer that breaks off has failed."""
    try:
        zone = zone_of(query.time_zone)
        selection = _selection(record, query)
    except SelectionError as error:
        raise ApiError(422, "invalid", str(error)) from error
    running = parts.exports
    if len(running) >= EXPORTS_AT_ONCE_MAX:
        message = f"{EXPORTS_AT_ONCE_MAX} exports are running; try again when one has ended."
        raise ApiError(429, "busy", message)
    held = AsyncExitStack()
    running.add(held)
    held.callback(running.discard, held)
    pieces = await _opened(parts, held, selection, query, zone)
    answer = _Export(pieces, media_type="text/csv; charset=utf-8")
    answer.headers["content-disposition"] = f'attachment; filename="{record.key}.csv"'
    answer.held = held
    return answer


def _selection(record: SiteRecord, query: ExportQuery) -> Selection:
    from_us, to_us = instant_us(query.from_), instant_us(query.to)
    if from_us >= to_us:
        raise SelectionError("The span is empty: 'from' must lie before 'to'.")
    channels = select_channels(record.plan, channels=query.channel, groups=query.group)
    group_ids = {one.group: record.group_ids[one.group] for one in channels}
    return Selection(record.site_id, channels, group_ids, from_us, to_us, query.numbers)


async def _opened(
    parts: Parts, held: AsyncExitStack, selection: Selection, query: ExportQuery, zone: tzinfo
) -> AsyncIterator[str]:
    """Connect before the answer begins, because then it can still say that it can't be given."""
    try:
        conn = await connect(parts.settings.dsn, name="export", autocommit=True)
    except DATABASE_ERRORS as error:
        await held.aclose()
        raise database_away() from error
    await held.enter_async_context(conn)
    return csv_pieces(conn, selection, query.form, zone)
