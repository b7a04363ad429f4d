"""Measuring now: ask the edge that reads a scan group for a scan beside its schedule."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from alarms.transition import Decision
from api.errors import ApiError
from api.parts import Parts, PartsDep, SiteDep
from api.views import Input, View
from api.wakeups import wait_for
from historian import actions
from historian.measurements import AskedMeasurement, recent_measurements
from telemetry.clock import real_monotonic_s
from telemetry.part import Key, Sentence
from telemetry.site import ScanGroup

ANSWER_S = 10.0  # A serial line with many units takes its time.
LOOK_AGAIN_S = 0.5

router = APIRouter(prefix="/api/v1/sites/{site}")


class MeasurementInput(Input):
    """What is to be measured, and who wants to know."""

    group: Key
    person: Sentence


class MeasurementView(View):
    """A measurement that somebody asked for."""

    measurement: UUID
    group: str
    person: str
    asked_at: datetime
    done: bool | None  # None: not answered yet.
    remark: str | None  # What the edge, or the centre, says about it.


@router.post("/measurements", summary="Measure now", responses={409: {}, 503: {}, 404: {}})
async def measure(record: SiteDep, asked: MeasurementInput, parts: PartsDep) -> MeasurementView:
    """Ask the edge, and answer with what it says; the scan itself comes as every other does."""
    plan = record.plan.group_by_key.get(asked.group)
    if plan is None or not isinstance(plan.group, ScanGroup) or plan.group.device_id is None:
        raise ApiError(
            404, "unknown_group", f"Site {record.key} polls no scan group '{asked.group}'."
        )
    async with parts.pool.connection() as conn:
        action_id = await actions.ask_measurement(
            conn,
            site_id=record.site_id,
            group=asked.group,
            person=asked.person,
            asked_us=parts.clock.now_us(),
            lifetime_s=ANSWER_S,
        )
    decision = await _answer(parts, action_id)
    if decision is None or decision.reason == actions.EXPIRED:
        raise ApiError(
            503, "unanswered", f"The edge did not answer within {ANSWER_S:g} s; try again."
        )
    if not decision.accepted:
        raise ApiError(409, "not_measured", decision.reason)
    async with parts.pool.connection() as conn:
        recent = await recent_measurements(conn, record.site_id, 100)
    return next(_view(one) for one in recent if one.action_id == action_id)


@router.get("/measurements", summary="What was asked to be measured, the newest first")
async def measurements(
    record: SiteDep, parts: PartsDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[MeasurementView]:
    """Show who asked for what, and what became of it; nothing of this is ever forgotten."""
    async with parts.pool.connection() as conn:
        return [_view(one) for one in await recent_measurements(conn, record.site_id, limit)]


async def _answer(parts: Parts, action_id: UUID) -> Decision | None:
    """Wait for what the edge says; what comes later than this does not count."""
    deadline_s = real_monotonic_s() + ANSWER_S
    while True:
        woken = parts.wakeups.next()
        async with parts.pool.connection() as conn:
            decision = await actions.decision_on(conn, action_id)
            remaining_s = deadline_s - real_monotonic_s()
            if decision is None and remaining_s <= 0:
                await actions.withdraw(conn, action_id)
                return await actions.decision_on(conn, action_id)
        if decision is not None:
            return decision
        await wait_for(woken, min(remaining_s, LOOK_AGAIN_S))


def _view(one: AskedMeasurement) -> MeasurementView:
    return MeasurementView(
        measurement=one.action_id,
        group=one.group,
        person=one.person,
        asked_at=one.asked_at,
        done=one.accepted,
        remark=one.reason or None,
    )
