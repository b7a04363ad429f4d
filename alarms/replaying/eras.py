"""The versions of a site's file under which its inputs were recorded, ready to be judged by.

What an old file judged is replayed by the old file, or history would be told anew: a limit that
was set yesterday is no reason for an alarm a month ago.
"""

from dataclasses import dataclass, replace

import structlog
from psycopg import AsyncConnection

from alarms.checkpoint import decode, encode
from alarms.engine import EngineState, SiteEngine
from historian.registry import group_ids_of, read_configuration
from telemetry.plan import SitePlan, plan_of
from telemetry.site_file import SiteFileError, read_site_text

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class Era:
    """The time of one version of the site's file."""

    version: int | None  # None: nothing is recorded of it.
    plan: SitePlan
    group_ids: tuple[int, ...]  # By plan index.
    engine: SiteEngine


async def open_era(conn: AsyncConnection, site_id: int, version: int, newest: Era) -> Era:
    """Make a version of the file ready; one that can't be read any more gives way to the newest."""
    if version == newest.version:
        return newest
    site = newest.plan.site.site
    document = await read_configuration(conn, site_id, version)
    assert document is not None, f"version {version} of site {site} was recorded, and is gone"
    try:
        plan = plan_of(read_site_text(document, f"version {version} of site {site}"))
    except SiteFileError as error:
        log.error(  # noqa: TRY400
            "a recorded site file can't be read; the newest judges in its place",
            site=site,
            version=version,
            error=str(error),
        )
        return replace(newest, version=version)
    return Era(version, plan, await group_ids_of(conn, site_id, plan), SiteEngine(plan))


def carried_over(state: EngineState, before: Era, after: Era) -> EngineState:
    """Let a state go on under another version, as a checkpoint does."""
    if before.engine is after.engine:
        return state
    return decode(after.engine, encode(before.engine, state))
