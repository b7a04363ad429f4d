"""Rows that tests of journal, outbox and API stand on: a site, its plan, transitions."""

from typing import Any

from psycopg import AsyncConnection

from alarms.transition import AlarmKind, AlarmState, Change, Transition
from telemetry.site import Level

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
START_US = 1_751_328_000 * SECOND_US  # 2025-07-01T00:00:00Z


async def insert_site(connection: AsyncConnection, key: str = "north-mine") -> int:
    """A site that the store knows nothing else of."""
    cursor = await connection.execute(
        "insert into site (key, term) values (%s, 1) returning site_id", [key]
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def transition(
    change: Change,
    level: str,
    *,
    at_s: float,
    of: str = "crack-1",
    rule: str = "limit_high",
    structure: str | None = "east-slope",
    kind: AlarmKind = AlarmKind.PROCESS,
    state: AlarmState = AlarmState.UNACKNOWLEDGED,
    evidence: dict[str, Any] | None = None,
) -> Transition:
    """One step in the life of an alarm about a channel."""
    occurrence = f"{of}/{rule}/{START_US}"
    sampled_us = START_US + round(at_s * SECOND_US)
    facts = {"person": "Li Na", "comment": "seen"} if change is Change.ACKNOWLEDGE else {}
    return Transition(
        key=f"{occurrence}/{change}/{level}/{sampled_us}",
        occurrence=occurrence,
        change=change,
        kind=kind,
        structure=structure,
        channel=of,
        rule=rule,
        level=Level[level.upper()],
        previous_level=Level.NONE,
        state=state,
        sampled_us=sampled_us,
        evidence=facts if evidence is None else evidence,
    )
