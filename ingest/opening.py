"""Taking a site over: read its file, make it known, and recover where its last owner stopped."""

from pathlib import Path

import structlog
from psycopg import AsyncConnection

from alarms.checkpoint import encode as encode_state
from historian.checkpoint import Checkpoint, write_checkpoint
from historian.connection import connect
from historian.registry import (
    SiteIds,
    layouts_known,
    newest_configurations,
    register_site,
)
from historian.writer import take_site
from ingest.desk import SiteDesk, open_desk
from ingest.recovery import recover
from telemetry.clock import Clock, real_monotonic_s
from telemetry.plan import SitePlan, plan_of
from telemetry.site_file import read_site_text

EDGES_KNOWN = """
    select distinct edge from stream where site_id = %s
"""

log = structlog.get_logger()


async def open_site(dsn: str, path: Path, clock: Clock) -> SiteDesk:
    """Take a site over under what its file says now.

    Raises SiteFileError or RegistrationError when the file can't be used; nothing has changed then.
    """
    document = path.read_text(encoding="utf-8")
    plan = plan_of(read_site_text(document, str(path)))
    async with await connect(dsn, name="opening", autocommit=True) as conn:
        async with conn.transaction(force_rollback=True):  # Refused before anything is taken over.
            await register_site(conn, plan, document, clock.now_us())
        before = await _configuration_in_force(conn, plan.site.site)
        if before is not None and before[1] != document:
            await _finish_old_configuration(conn, *before, clock)
        ids = await register_site(conn, plan, document, clock.now_us())
        return await _desk_of(conn, plan, ids)


async def _configuration_in_force(conn: AsyncConnection, site: str) -> tuple[str, str] | None:
    for _, key, _, document in await newest_configurations(conn):
        if key == site:
            return key, document
    return None


async def _finish_old_configuration(
    conn: AsyncConnection, site: str, document: str, clock: Clock
) -> None:
    """Replay what the old configuration judged under it, and keep the state for the new one.

    Otherwise the new limits would be applied to readings that were judged, and told, by the old.
    """
    plan = plan_of(read_site_text(document, f"the stored configuration of {site}"))
    ids = await register_site(conn, plan, document, clock.now_us())
    desk = await _desk_of(conn, plan, ids)
    await recover(conn, desk)
    state = encode_state(desk.engine, desk.state)
    checkpoint = Checkpoint(flush_id=desk.flush_id, version=ids.version, state=state)
    await write_checkpoint(conn, ids.site_id, checkpoint, clock.now_us())
    log.info("configuration changes", site=site, flush=desk.flush_id)


async def _desk_of(conn: AsyncConnection, plan: SitePlan, ids: SiteIds) -> SiteDesk:
    site_id, term = await take_site(conn, plan.site.site)
    cursor = await conn.execute(EDGES_KNOWN, [site_id])
    edges = {(plan.site.site, edge) for (edge,) in await cursor.fetchall()}
    return open_desk(
        plan,
        ids,
        term=term,
        layouts=await layouts_known(conn, site_id),
        known_edges=edges,
        now_s=real_monotonic_s(),
    )
