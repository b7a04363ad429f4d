"""Measurements that somebody asked for: an action until the edge has answered, then its record.

Unlike acknowledgements these stand in no journal, so they are never forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from historian.actions import EXPIRED, REJECT_EXPIRED

WAITING: Final = """
    select action_id, body ->> 'group' from action
    where site_id = %s and accepted is null and expires_at > clock_timestamp() and kind = 'measure'
    order by asked_at, action_id
"""
RECENT: Final = """
    select action_id, body ->> 'group', body ->> 'person', asked_at, accepted, reason
    from action where site_id = %s and kind = 'measure'
    order by asked_at desc, action_id limit %s
"""


@dataclass(frozen=True, slots=True)
class AskedMeasurement:
    """Who asked for which group, and what became of it."""

    action_id: UUID
    group: str
    person: str
    asked_at: datetime
    accepted: bool | None  # None: not answered yet.
    reason: str | None


async def waiting_measurements(conn: AsyncConnection[Any], site_id: int) -> list[tuple[UUID, str]]:
    """Find what is to be measured, as (action_id, group); reject what came too late."""
    await conn.execute(REJECT_EXPIRED, (EXPIRED, site_id))
    cursor = await conn.execute(WAITING, (site_id,))
    return [(action_id, group) for action_id, group in await cursor.fetchall()]


async def recent_measurements(
    conn: AsyncConnection[Any], site_id: int, count: int
) -> Sequence[AskedMeasurement]:
    """Read the newest ones, the newest first."""
    cursor = await conn.execute(RECENT, (site_id, count))
    return [AskedMeasurement(*row) for row in await cursor.fetchall()]
