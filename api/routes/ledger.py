"""The ledger of a site's day: what its edges took, what is stored, and what is missing."""

import datetime as dt
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.ledger_views import LedgerView
from api.parts import PartsDep, SiteDep
from historian.daily_statement import as_tree, day_of, state
from historian.ledger import read_day
from telemetry.clock import instant_at

FIRST_DAY, LAST_DAY = dt.date(1970, 1, 2), dt.date(9999, 12, 29)  # In any time zone.

router = APIRouter(prefix="/api/v1/sites/{site}")


class LedgerQuery(BaseModel):
    """Which day of the site, in its time zone; left out, today."""

    model_config = ConfigDict(extra="forbid")

    day: Annotated[dt.date, Field(ge=FIRST_DAY, le=LAST_DAY)] | None = None


@router.get("/ledger", summary="A day's ledger: taken, stored, missing")
async def ledger(
    record: SiteDep, query: Annotated[LedgerQuery, Query()], parts: PartsDep
) -> LedgerView:
    """Show what edges say they took on a day, and what the store holds of it."""
    site = record.plan.site
    now_us = parts.clock.now_us()
    asked = query.day or instant_at(now_us).astimezone(ZoneInfo(site.time_zone)).date()
    day = day_of(record.key, asked, site.time_zone)
    async with parts.long_pool.connection() as conn:
        records = await read_day(conn, record.site_id, day.from_us, day.to_us)
    said = state(day, records, record.plan.structures_by_edge, now_us)
    return LedgerView.model_validate(as_tree(said))
