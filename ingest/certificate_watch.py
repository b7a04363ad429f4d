"""Looks every minute which certificates end soon, and lets the flush record what is to be told.

Certificates go by the machine's time, never by a scenario's; what is told is stamped by the
site's clock, like everything in its journal.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from alarms.transition import (
    AUTHORITY_CERTIFICATE,
    CENTRE_CERTIFICATE,
    EDGE_CERTIFICATE,
    LASTING_RULES,
)
from historian.identities import (
    EdgeCertificate,
    ServerCertificate,
    edge_certificates,
    server_certificates,
)
from ingest.certificate_marks import Standing, Watched, due
from ingest.desk import SiteDesk
from ingest.encryption import Encryption
from ingest.own_certificates import note_own_certificates
from telemetry.clock import Clock, MachineClock
from telemetry.tls import ServerIdentity

LOOK_EVERY_S = 60.0

STANDING = """
    select channel, rule, structure, evidence ->> 'serial', (evidence ->> 'mark_days')::integer
    from alarm
    where site_id = %s and rule = any(%s) and state in ('unacknowledged', 'acknowledged')
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class CertificateWatch:
    """The certificates that matter to the sites of one ingest process."""

    pool: AsyncConnectionPool
    desks: Sequence[SiteDesk]
    clock: Clock
    encryption: Encryption
    identity: ServerIdentity | None
    place: str  # Where our line is.

    async def run(self) -> None:
        """Look again and again; what can't be looked at now is looked at a minute later."""
        while True:
            try:
                await self.look(MachineClock().now_us())
            except psycopg.Error as error:
                log.warning("certificates can't be looked at now", error=str(error).strip())
            await asyncio.sleep(LOOK_EVERY_S)

    async def note_own(self) -> None:
        """Write down what our own line goes by."""
        await note_own_certificates(self.pool, self.encryption, self.identity, self.place)

    async def look(self, now_us: int) -> None:
        """Hand over to each site's flush what is to be told at an instant of the machine's time."""
        await self.note_own()
        async with self.pool.connection() as conn:
            edges, servers = await edge_certificates(conn), await server_certificates(conn)
            for desk in self.desks:
                if any(one.rule in LASTING_RULES for one in desk.notices):
                    continue  # The last look has not been recorded yet.
                desk.notices += due(
                    [*_of_edges(desk, edges), *self._of_centre(servers)],
                    await _standing(conn, desk.ids.site_id),
                    now_us=now_us,
                    at_us=self.clock.now_us(),
                )

    def _of_centre(self, servers: Sequence[ServerCertificate]) -> list[Watched]:
        """Choose what this line goes by, and pages; one certificate for both is told of once."""
        found: dict[str, Watched] = {}
        for one in sorted(servers, key=lambda one: one.role != "line"):
            if one.role != "page" and one.place != self.place:
                continue  # Another ingest's: it tells its own sites.
            rule = AUTHORITY_CERTIFICATE if one.role == "authority" else CENTRE_CERTIFICATE
            found.setdefault(one.serial, Watched(one.place, rule, None, one.serial, one.ends_us))
        return list(found.values())


def _of_edges(desk: SiteDesk, edges: Sequence[EdgeCertificate]) -> list[Watched]:
    found = []
    for one in edges:
        if one.site != desk.key or one.edge not in desk.plan.structures_by_edge:
            continue
        structure = desk.plan.structure_of_edge(one.edge)
        found.append(Watched(one.edge, EDGE_CERTIFICATE, structure, one.serial, one.ends_us))
    return found


async def _standing(conn: AsyncConnection, site_id: int) -> list[Standing]:
    cursor = await conn.execute(STANDING, (site_id, sorted(LASTING_RULES)))
    return [Standing(*row) for row in await cursor.fetchall()]
