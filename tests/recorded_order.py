"""A site's journal made again from its recorded inputs, as plain entries to be compared."""

import json
from typing import Any

from alarms.backtest.feeding import in_recorded_order
from alarms.backtest.running import reading_snapshot
from alarms.chain import entry_body
from alarms.engine import SiteEngine
from alarms.replaying.eras import Era
from alarms.transition import AlarmKind, Transition
from historian.registry import group_ids_of, newest_configurations
from telemetry.plan import plan_of
from telemetry.site_file import read_site_text


async def replayed(dsn: str) -> list[Transition]:
    async with reading_snapshot(dsn) as connection:
        ((site_id, _, version, document),) = await newest_configurations(connection)
        plan = plan_of(read_site_text(document, "stored"))
        era = Era(version, plan, await group_ids_of(connection, site_id, plan), SiteEngine(plan))
        steps = in_recorded_order(connection, site_id, era)
        return [one async for told in steps for one in told.transitions]


def as_told(transitions: list[Transition]) -> list[dict[str, Any]]:
    return [json.loads(entry_body(one, 0, 0)) for one in transitions]


def of_the_ground(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {word: what for word, what in body.items() if word not in {"number", "stored_us"}}
        for body in bodies
        if body["kind"] == AlarmKind.PROCESS
    ]
