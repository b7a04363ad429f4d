"""Signs of life: that somebody looks after a site, by the real time of the database's machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

BEAT_EVERY_S = 3.0
YOUNG_S = 15.0  # A few beats may be late; a flush that takes longer is no longer work as usual.
# A site that nobody has looked after for so long has been given up, as by taking its file away.
GIVEN_UP_AFTER_S = 7 * 86_400.0

# Whoever lost a site to another ingest does not beat for it.
BEAT = """
    insert into heartbeat (site_id, beat_at)
    select site.site_id, clock_timestamp()
    from unnest(%s::integer[], %s::bigint[]) as owned (site_id, term)
    join site on site.site_id = owned.site_id and site.term = owned.term
    on conflict (site_id) do update set beat_at = excluded.beat_at
"""
AGES = """
    select key, extract(epoch from clock_timestamp() - beat_at)::double precision
    from site left join heartbeat using (site_id) order by key
"""


@dataclass(frozen=True, slots=True)
class SiteAge:
    """How long ago somebody last looked after a site; None: nobody ever has."""

    site: str
    age_s: float | None

    @property
    def is_attended(self) -> bool:
        """An ingest does its work for the site."""
        return self.age_s is not None and self.age_s <= YOUNG_S

    @property
    def is_given_up(self) -> bool:
        """Nobody means to look after the site any more."""
        return self.age_s is not None and self.age_s > GIVEN_UP_AFTER_S


async def beat(conn: AsyncConnection[Any], terms: Sequence[tuple[int, int]]) -> None:
    """Say that these sites, each with its owner's term, are looked after."""
    await conn.execute(BEAT, ([site_id for site_id, _ in terms], [term for _, term in terms]))


async def read_ages(conn: AsyncConnection[Any]) -> list[SiteAge]:
    """Read how long ago every site was last looked after."""
    return [SiteAge(*row) for row in await (await conn.execute(AGES)).fetchall()]
