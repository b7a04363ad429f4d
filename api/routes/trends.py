"""What the slow rules of a site say now: trends, forecasts' rules, drift."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from alarms.slow.evidence import unit_of
from alarms.slow.rules import SlowRule, compile_slow_rules
from api.errors import ApiError
from api.parts import PartsDep, SiteDep
from api.trend_views import TrendsView, TrendView
from historian.beliefs import TrendRow, read_trends
from telemetry.clock import instant_at
from telemetry.plan import SitePlan
from telemetry.site import Level

router = APIRouter(prefix="/api/v1/sites/{site}")


class TrendsQuery(BaseModel):
    """Which trends to show."""

    model_config = ConfigDict(extra="forbid")

    channel: str | None = None


@router.get("/trends", summary="What slow rules say now")
async def trends(
    record: SiteDep, query: Annotated[TrendsQuery, Query()], parts: PartsDep
) -> TrendsView:
    """Show each slow rule with its newest figure; null where nothing can be said yet."""
    plan = record.plan
    if query.channel is not None and query.channel not in plan.channel_by_key:
        message = f"Site {record.key} has no channel '{query.channel}'."
        raise ApiError(404, "unknown_channel", message)
    async with parts.pool.connection() as conn:
        rows = {(one.channel, one.rule): one for one in await read_trends(conn, record.site_id)}
    rules = [(plan.channels[rule.channel].key, rule) for rule in compile_slow_rules(plan).rules]
    return TrendsView(
        trends=[
            _view(plan, channel, rule, rows.get((channel, rule.key)))
            for channel, rule in rules
            if query.channel in {None, channel}
        ]
    )


def _view(plan: SitePlan, channel: str, rule: SlowRule, row: TrendRow | None) -> TrendView:
    trend: Any = rule.trend
    names = [level.name.lower() for level in Level if level is not Level.NONE]
    return TrendView(
        channel=channel,
        rule=rule.key,
        method=rule.method,
        direction=getattr(trend, "direction", "high"),
        levels={
            name: bound for name, bound in zip(names, rule.levels, strict=True) if bound is not None
        },
        deadband=getattr(trend, "deadband", 0.0),
        unit=unit_of(plan, rule),
        window_s=getattr(trend, "window_s", None),
        bin_s=trend.width_s,
        source=trend.source,
        asked_at=None if row is None else instant_at(row.asked_us),
        figure=None if row is None else row.figure,
        level=0 if row is None else row.level,
    )
