"""The history of a channel: never more points than asked for, extremes among them."""

import math
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from api.errors import ApiError
from api.parts import PartsDep, SiteDep, channel_of
from api.views import HistoryQuery, HistoryView
from historian.reader import history as read_history
from telemetry.clock import instant_at, instant_us

DEFAULT_SPAN_US = 24 * 3600 * 1_000_000
EARLIEST_US = instant_us(datetime.min.replace(tzinfo=UTC))

router = APIRouter(prefix="/api/v1")


@router.get("/sites/{site}/channels/{channel}/history", summary="Readings of a channel over a span")
async def history(
    record: SiteDep, channel: str, query: Annotated[HistoryQuery, Query()], parts: PartsDep
) -> HistoryView:
    """Show a channel's readings from an instant up to, not including, another."""
    plan = channel_of(record, channel)
    to_us = parts.clock.now_us() if query.to is None else instant_us(query.to)
    default_us = max(EARLIEST_US, to_us - DEFAULT_SPAN_US)
    from_us = default_us if query.from_ is None else instant_us(query.from_)
    if from_us >= to_us:
        raise ApiError(422, "invalid", "The span is empty: 'from' must lie before 'to'.")
    async with parts.long_pool.connection() as conn:
        series = await read_history(
            conn,
            record.site_id,
            record.group_ids[plan.group],
            plan.slot,
            from_us,
            to_us,
            query.points,
        )
    return HistoryView.model_validate(
        {
            "channel": channel,
            "unit": plan.channel.unit,
            "from": instant_at(from_us),
            "to": instant_at(to_us),
            "time_us": series.time_us.tolist(),
            "value": [one if math.isfinite(one) else None for one in series.value.tolist()],
            "quality": series.quality.tolist(),
        }
    )
