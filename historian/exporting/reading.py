"""Stored scans in the order of time, over several groups at once, as they come from the server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import AsyncConnection

from historian.connection import statements_may_take
from historian.exporting.selection import Selection
from telemetry.clock import instant_at
from telemetry.quality import FIRST_BAD, Quality

SCANS = """
    select time, revision, group_id, {numbers}, quality from scan
    where site_id = %s and group_id = any(%s) and time >= %s and time < %s
    order by time, revision, group_id
"""
# Calculated scans have no raw numbers: their values stand in both places.
NUMBERS = {"value": "coalesce(value, raw)", "raw": "coalesce(raw, value)"}
PART_SCANS = 2_000
STATEMENT_TIMEOUT_S = 600.0  # Of a part; the first one may have to be sorted.
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class ExportedScan:
    """One scan: its instant, and number and quality of each exported channel of its group."""

    at: datetime
    revision: int
    group: int  # Index into the plan's groups.
    numbers: list[float]
    quality: list[int]


async def scans_in_order(
    connection: AsyncConnection, selection: Selection
) -> AsyncIterator[list[ExportedScan]]:
    """Yield what is selected, part by part; revisions of one instant follow each other."""
    plan_index = {group_id: group for group, group_id in selection.group_ids.items()}
    slots: dict[int, list[int]] = {}
    for one in selection.channels:
        slots.setdefault(one.group, []).append(one.slot)
    query = SCANS.format(numbers=NUMBERS[selection.numbers])
    arguments = [
        selection.site_id,
        list(plan_index),
        instant_at(selection.from_us),
        instant_at(selection.to_us),
    ]
    async with (
        connection.transaction(),
        statements_may_take(connection, STATEMENT_TIMEOUT_S),
        connection.cursor(name="export", binary=True) as cursor,
    ):
        await cursor.execute(query.encode(), arguments)
        while fetched := await cursor.fetchmany(PART_SCANS):
            scans = [
                _scan(time, revision, plan_index[group_id], numbers, quality, slots)
                for time, revision, group_id, numbers, quality in fetched
            ]
            yield [_shown(one) for one in scans] if selection.numbers == "value" else scans


def _shown(scan: ExportedScan) -> ExportedScan:
    """Leave out values that nothing may be concluded from; the raw numbers have them."""
    numbers = [
        NAN if quality >= FIRST_BAD else number
        for number, quality in zip(scan.numbers, scan.quality, strict=True)
    ]
    return replace(scan, numbers=numbers)


def _scan(
    time: datetime,
    revision: int,
    group: int,
    numbers: list[float],
    quality: list[int] | None,
    slots: dict[int, list[int]],
) -> ExportedScan:
    known = len(numbers)  # An older layout may have had fewer slots.
    wanted = slots[group]
    return ExportedScan(
        time,
        revision,
        group,
        [numbers[slot] if slot < known else NAN for slot in wanted],
        [
            int(Quality.NO_VALUE)
            if slot >= known
            else int(Quality.GOOD)
            if quality is None
            else quality[slot]
            for slot in wanted
        ],
    )
