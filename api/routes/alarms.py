"""Alarms and their journal: see what is wrong, and answer for it."""

from typing import Annotated
from uuid import UUID

import psycopg
from fastapi import APIRouter, Query

from alarms import journal
from alarms.transition import Decision
from api.alarm_list import read_alarms, read_occurrences
from api.errors import ApiError
from api.live_site import entry_view
from api.newest import freshness_by_subject, read_newest_scans
from api.parts import Parts, PartsDep, SiteDep, check_structure
from api.site_directory import SiteRecord
from api.views import (
    AcknowledgementInput,
    AlarmsQuery,
    AlarmsView,
    AlarmView,
    JournalQuery,
    JournalView,
    OccurrenceQuery,
    VerificationView,
)
from api.wakeups import wait_for
from historian import actions
from telemetry.clock import real_monotonic_s

DECISION_S = 1.0  # Whoever asked hears yes or no by then, or that it will never count.
DECISION_POLL_S = 0.1

router = APIRouter(prefix="/api/v1/sites/{site}")


@router.get("/alarms", summary="Alarms as they stand")
async def alarms(
    record: SiteDep, query: Annotated[AlarmsQuery, Query()], parts: PartsDep
) -> AlarmsView:
    """Show alarms, open ones first, and the cursor that the live line goes on from."""
    check_structure(record, query.structure)
    async with parts.pool.connection() as conn, conn.transaction():
        # One picture of one moment, or an alarm could fall between list and cursor.
        await conn.execute("set transaction isolation level repeatable read, read only")
        scans = await read_newest_scans(conn, {record.site_id: 0})
        freshness = freshness_by_subject(
            record, {scan.group_id: scan for scan in scans}, parts.clock
        )
        number = await journal.newest_number(conn, record.site_id)
        found, total = await read_alarms(conn, record, query, freshness)
    return AlarmsView(alarms=found, total=total, cursor={record.key: number})


@router.get("/alarm", summary="One alarm")
async def alarm(
    record: SiteDep, query: Annotated[OccurrenceQuery, Query()], parts: PartsDep
) -> AlarmView:
    """Show an alarm as it stands."""
    return await _read_alarm(parts, record, query.occurrence)


@router.post(
    "/acknowledgements",
    summary="Take responsibility for an alarm",
    responses={404: {}, 409: {}, 503: {}},
)
async def acknowledge(record: SiteDep, asked: AcknowledgementInput, parts: PartsDep) -> AlarmView:
    """Ask the ingest that owns the site, and answer with what it decided."""
    await _read_alarm(parts, record, asked.occurrence)
    async with parts.pool.connection() as conn:
        action_id = await actions.ask(
            conn,
            site_id=record.site_id,
            occurrence=asked.occurrence,
            person=asked.person,
            comment=asked.comment,
            asked_us=parts.clock.now_us(),
            lifetime_s=DECISION_S,
            seen_number=asked.number,
        )
    decision = await _decision(parts, action_id)
    if decision is None or (not decision.accepted and decision.reason == actions.EXPIRED):
        parts.metrics.acknowledgements.labels("undecided").inc()
        raise ApiError(
            503,
            "undecided",
            f"The service that judges {record.key} did not answer within {DECISION_S:g} s. "
            "Nothing was acknowledged; try again.",
        )
    if not decision.accepted:
        parts.metrics.acknowledgements.labels("rejected").inc()
        raise ApiError(409, "rejected", decision.reason)
    parts.metrics.acknowledgements.labels("accepted").inc()
    return await _read_alarm(parts, record, asked.occurrence)


@router.get("/journal", summary="Every transition, in order")
async def entries(
    record: SiteDep, query: Annotated[JournalQuery, Query()], parts: PartsDep
) -> JournalView:
    """Show journal entries above a number."""
    async with parts.pool.connection() as conn:
        found = await journal.read_after(conn, record.site_id, query.after, query.limit)
    return JournalView(
        entries=[entry_view(entry) for entry in found],
        cursor=found[-1].number if found else query.after,
    )


@router.get("/journal/verification", summary="Whether the journal is as it was written")
async def verification(record: SiteDep, parts: PartsDep) -> VerificationView:
    """Compute the journal's chain again."""
    async with parts.long_pool.connection() as conn:
        found = await journal.verify_journal(conn, record.site_id)
    return VerificationView(
        intact=found.broken_at is None, entries=found.entries, broken_at=found.broken_at
    )


async def _decision(parts: Parts, action_id: UUID) -> Decision | None:
    """Wait for a decision; when none comes in time, make sure that none can come later."""
    deadline_s = real_monotonic_s() + DECISION_S
    while True:
        woken = parts.wakeups.next()
        async with parts.pool.connection() as conn:
            decision = await actions.decision_on(conn, action_id)
        remaining_s = deadline_s - real_monotonic_s()
        if decision is not None or remaining_s <= 0:
            break
        await wait_for(woken, min(remaining_s, DECISION_POLL_S))
    if decision is not None:
        return decision
    async with parts.pool.connection() as conn:
        try:
            await actions.withdraw(conn, action_id)
        except psycopg.errors.LockNotAvailable as error:
            raise ApiError(
                503,
                "being_decided",
                "The acknowledgement is just being decided, and that takes long. "
                "Look at the alarm before asking again.",
            ) from error
        return await actions.decision_on(conn, action_id)


async def _read_alarm(parts: Parts, record: SiteRecord, occurrence: str) -> AlarmView:
    async with parts.pool.connection() as conn:
        scans = await read_newest_scans(conn, {record.site_id: 0})
        freshness = freshness_by_subject(
            record, {scan.group_id: scan for scan in scans}, parts.clock
        )
        found = await read_occurrences(
            conn,
            [(record.site_id, occurrence)],
            {record.site_id: record},
            {record.site_id: freshness},
        )
    view = found.get((record.site_id, occurrence))
    if view is None:
        raise ApiError(404, "unknown_alarm", f"Site {record.key} has no alarm '{occurrence}'.")
    return view
