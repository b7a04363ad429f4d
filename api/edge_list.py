"""The edges of a site: who may come, who is there, and what came last."""

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from api.site_directory import SiteRecord
from api.views import EdgeView

# Who holds lines writes every 20 s which of them are open.
HEARD_WITHIN_S = 60

EDGES = """
    select wanted.edge,
           coalesce(line.left_at is null and line.heard_at
               > clock_timestamp() - make_interval(secs => %(heard_within_s)s), false) as connected,
           line.connected_at, line.left_at, line.address,
           coalesce(used.token_id, newest.token_id) as token_id,
           coalesce(newest.valid, 0) as valid_tokens,
           enrolled.at as enrolled_at, enrolled.who as enrolled_from,
           certificate.serial as certificate_serial, certificate.ends_at as certificate_ends_at,
           last_block.at as last_block_at
    from unnest(%(edges)s::text[]) as wanted (edge)
    left join edge_line as line on line.site = %(site)s and line.edge = wanted.edge
    left join lateral (
        select (array_agg(token_id order by created_at desc))[1] as token_id, count(*) as valid
        from token where scope = 'edge' and site = %(site)s and edge = wanted.edge
            and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())
    ) as newest on true
    left join token as used on used.token_id = line.token_id and used.revoked_at is null
    left join lateral (
        select at, who from identity_record
        where site = %(site)s and edge = wanted.edge and what = 'enrolled'
        order by number desc limit 1
    ) as enrolled on true
    left join lateral (
        select serial, ends_at from edge_certificate
        where site = %(site)s and edge = wanted.edge and revoked_at is null
        order by greatest(issued_at, seen_at) desc limit 1
    ) as certificate on true
    left join lateral (
        select max(coalesce(newest_block.received_at, latest.received_at)) as at
        from stream
        left join lateral (
            select received_at from block where block.stream_id = stream.stream_id
            order by seq desc limit 1
        ) as newest_block on true
        left join lateral (
            select max(received_at) as received_at from latest
            where latest.site_id = stream.site_id and latest.stream_id = stream.stream_id
        ) as latest on true
        where stream.site_id = %(site_id)s and stream.edge = wanted.edge
    ) as last_block on true
    order by wanted.edge
"""
OTHER_EDGES = """
    select distinct edge from token
    where scope = 'edge' and site = %s and edge is not null and revoked_at is null
"""


async def read_edges(conn: AsyncConnection[Any], record: SiteRecord) -> list[EdgeView]:
    """List the edges of the site file, and others that still have a valid token."""
    edges = set(record.plan.structures_by_edge)
    edges |= {edge for (edge,) in await (await conn.execute(OTHER_EDGES, [record.key])).fetchall()}
    about = {
        "edges": sorted(edges),
        "site": record.key,
        "site_id": record.site_id,
        "heard_within_s": HEARD_WITHIN_S,
    }
    async with conn.cursor(row_factory=class_row(EdgeView)) as cursor:
        await cursor.execute(EDGES, about)
        return await cursor.fetchall()
