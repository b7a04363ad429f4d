"""Taking a site over: read its file, make it known, and recover where its last owner stopped."""

from pathlib import Path

import structlog
from psycopg import AsyncConnection

from historian.connection import connect
from historian.registry import (
    SiteIds,
    layouts_known,
    register_site,
)
from historian.writer import take_site
from ingest.desk import SiteDesk, open_desk
from telemetry.clock import Clock, real_monotonic_s
from telemetry.plan import SitePlan, plan_of
from telemetry.site import Site
from telemetry.site_file import read_and_keep

EDGES_KNOWN = """
    select distinct edge from stream where site_id = %s and kind = 'edge'
"""

log = structlog.get_logger()


async def open_site(dsn: str, path: Path, clock: Clock) -> SiteDesk:
    """Take a site over under what its file says now.

    Raises SiteFileError or RegistrationError when the file can't be used; nothing has changed then.
    """
    return await open_read_site(dsn, *read_and_keep(path), clock)


async def open_read_site(dsn: str, site: Site, document: str, clock: Clock) -> SiteDesk:
    """Take a site over whose file has been read."""
    plan = plan_of(site)
    async with await connect(dsn, name="opening", autocommit=True) as conn:
        async with conn.transaction(force_rollback=True):  # Refused before anything is taken over.
            await register_site(conn, plan, document, clock.now_us())
        ids = await register_site(conn, plan, document, clock.now_us())
        return await _desk_of(conn, plan, ids)


async def _desk_of(conn: AsyncConnection, plan: SitePlan, ids: SiteIds) -> SiteDesk:
    site_id, term = await take_site(conn, plan.site.site)
    cursor = await conn.execute(EDGES_KNOWN, [site_id])
    # One that has left the file is refused when it calls: nobody is to wait for it.
    edges = {
        (plan.site.site, edge)
        for (edge,) in await cursor.fetchall()
        if edge in plan.structures_by_edge
    }
    return open_desk(
        plan,
        ids,
        term=term,
        layouts=await layouts_known(conn, site_id),
        known_edges=edges,
        now_s=real_monotonic_s(),
    )
