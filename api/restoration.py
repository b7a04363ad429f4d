"""Whether the database was restored from a backup while somebody watched."""

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection

from api.live_site import LiveSite

# A restored journal may have grown past our head by now, so the entry itself is compared, not
# only its number. Without new alarms the number of the newest flush still tells.
RESTORED = """
    select known.site_id
    from unnest(%s::integer[], %s::bigint[], %s::bytea[], %s::bigint[])
        as known (site_id, number, hash, flush_id)
    left join site using (site_id)
    left join journal on journal.site_id = known.site_id and journal.number = known.number
    where site.flush_id is null or site.flush_id < known.flush_id
       or known.number > 0 and journal.hash is distinct from known.hash
"""


async def restored_under(conn: AsyncConnection[Any], sites: Mapping[int, LiveSite]) -> list[int]:
    """Tell of which sites we have read what the database does not know."""
    known = (
        list(sites),
        [site.head for site in sites.values()],
        [site.head_hash for site in sites.values()],
        [site.flush_id for site in sites.values()],
    )
    return [site_id for (site_id,) in await (await conn.execute(RESTORED, known)).fetchall()]
