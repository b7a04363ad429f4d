"""Forecasts of failure: what is answered about each channel now, and how an answer has moved."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.forecast_views import (
    ForecastHistoryView,
    ForecastsQuery,
    ForecastView,
    asks,
    forecast_view,
    inputs_view,
    inverse_velocity_view,
    moves_of,
    unasked_view,
    urgency,
)
from api.parts import PartsDep, SiteDep, channel_of, check_structure
from api.views import StructureQuery
from historian.forecasts import ForecastRow, current_forecasts, forecast_history
from telemetry.clock import instant_us

router = APIRouter(prefix="/api/v1/sites/{site}")


@router.get("/forecasts", summary="When channels are expected to fail, or why that is not known")
async def forecasts(
    record: SiteDep, query: Annotated[StructureQuery, Query()], parts: PartsDep
) -> list[ForecastView]:
    """Show the newest answer about every channel that is forecast, the soonest failure first."""
    check_structure(record, query.structure)
    async with parts.pool.connection() as conn:
        rows = await current_forecasts(conn, record.site_id)
    newest = {row.channel: row for row in rows}
    # What was said of a channel that is asked no more is history, and nothing about now.
    asked = [plan for plan in record.plan.channels if asks(plan)]
    views = [
        forecast_view(plan, newest[plan.key], parts.clock)
        if plan.key in newest
        else unasked_view(plan)
        for plan in asked
        if query.structure in {None, plan.structure.id}
    ]
    return sorted(views, key=urgency)


@router.get("/forecasts/{channel}", summary="The forecast of a channel, and how it has moved")
async def forecasts_of_channel(
    record: SiteDep, channel: str, query: Annotated[ForecastsQuery, Query()], parts: PartsDep
) -> ForecastHistoryView:
    """Show the answers from an instant up to, not including, another; the newest in full."""
    plan = channel_of(record, channel)
    from_us = None if query.from_ is None else instant_us(query.from_)
    to_us = None if query.to is None else instant_us(query.to)

    async def read(limit: int, *, with_bins: bool) -> list[ForecastRow]:
        return await forecast_history(
            conn,
            record.site_id,
            channel,
            from_us=from_us,
            to_us=to_us,
            limit=limit,
            with_bins=with_bins,
        )

    async with parts.pool.connection() as conn, conn.transaction():
        # One picture of one moment: the newest is the last of the moves.
        await conn.execute("set transaction isolation level repeatable read, read only")
        rows = await read(query.limit, with_bins=False)
        if query.inputs:
            rows[-1:] = await read(1, with_bins=True)
    newest = rows[-1] if rows else None
    return ForecastHistoryView(
        channel=channel,
        unit=plan.channel.unit,
        newest=None if newest is None else forecast_view(plan, newest, parts.clock),
        inverse_velocity=None if newest is None else inverse_velocity_view(newest),
        moves=moves_of(rows),
        inputs=inputs_view(newest) if newest is not None and query.inputs else None,
    )
