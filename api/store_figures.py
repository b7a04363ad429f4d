"""What the store holds, as Prometheus is told when it asks."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from psycopg import AsyncConnection

from historian.heartbeat import SiteAge, read_ages
from telemetry.clock import real_monotonic_s

OPEN_ALARMS = """
    select site.key, kind, state, count(*) from alarm join site using (site_id)
    where state <> 'normal' group by 1, 2, 3
"""
QUARANTINED = """
    select site.key, reason, count(*) from quarantine join site using (site_id) group by 1, 2
"""
UNTOLD = """
    select destination, given_up_at is not null, count(*),
           coalesce(max(extract(epoch from clock_timestamp() - enqueued_at)), 0)::double precision
    from outbox where delivered_at is null group by 1, 2
"""
SILENT_GROUPS = """
    select site.key, count(*) filter (where silent) from latest join site using (site_id) group by 1
"""
CERTIFICATE_ENDS = """
    select role, site, name, extract(epoch from ends_at - clock_timestamp())::double precision
    from (
        select role, '' as site, place as name, ends_at from server_certificate
        where seen_at > clock_timestamp() - interval '1 day'
        union all
        (select distinct on (site, edge) 'edge', site, edge, ends_at from edge_certificate
         where revoked_at is null
         order by site, edge, greatest(issued_at, seen_at) desc)
    ) as known
"""
RECOUNT_S = 15.0  # Prometheus' usual interval; the count looks at every row there is.


class QuarantineCount:
    """The blocks in quarantine by site and reason, counted once in a while only.

    Nothing leaves the quarantine by itself, so the count takes longer and longer; however
    often somebody asks, the database does not count more often than this.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, int]] = []
        self._counted_s: float | None = None

    async def rows(self, conn: AsyncConnection[Any], now_s: float) -> list[tuple[str, str, int]]:
        """Return site, reason and count, at most `RECOUNT_S` old."""
        if self._counted_s is None or now_s - self._counted_s >= RECOUNT_S:
            self._rows = await (await conn.execute(QUARANTINED)).fetchall()
            self._counted_s = now_s
        return self._rows


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What the store says when Prometheus asks."""

    open_alarms: list[tuple[str, str, str, int]]
    quarantined: list[tuple[str, str, int]]
    untold: list[tuple[str, bool, int, float]]
    silent_groups: list[tuple[str, int]]
    certificate_ends_s: list[tuple[str, str, str, float]]  # Role, site, edge or place.
    attended: list[SiteAge]


async def read_store_figures(
    conn: AsyncConnection[Any], quarantine: QuarantineCount
) -> StoreFigures:
    """Count in the store what operators of the system should see."""
    return StoreFigures(
        open_alarms=await (await conn.execute(OPEN_ALARMS)).fetchall(),
        quarantined=await quarantine.rows(conn, real_monotonic_s()),
        untold=await (await conn.execute(UNTOLD)).fetchall(),
        silent_groups=await (await conn.execute(SILENT_GROUPS)).fetchall(),
        certificate_ends_s=await (await conn.execute(CERTIFICATE_ENDS)).fetchall(),
        attended=await read_ages(conn),
    )


def store_exposition(figures: StoreFigures) -> bytes:
    """Write the store's figures in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_StoreCollector(figures))
    return generate_latest(registry)


class _StoreCollector(Collector):
    def __init__(self, figures: StoreFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the store's figures as gauges."""
        yield _gauge(
            "groundwatch_open_alarms",
            "Alarms that are not normal",
            ["site", "kind", "state"],
            {(site, kind, state): count for site, kind, state, count in self._figures.open_alarms},
        )
        yield _gauge(
            "groundwatch_quarantined",
            "Blocks kept in quarantine",
            ["site", "reason"],
            {(site, reason): count for site, reason, count in self._figures.quarantined},
        )
        yield from _untold(self._figures)
        yield _gauge(
            "groundwatch_silent_groups",
            "Scan groups that send nothing",
            ["site"],
            {(site,): count for site, count in self._figures.silent_groups},
        )
        yield _gauge(
            "groundwatch_certificate_expires_in_seconds",
            "Until a certificate ends: the line's, the page's, the authority's, an edge's",
            ["role", "site", "name"],
            {(role, site, name): s for role, site, name, s in self._figures.certificate_ends_s},
        )
        yield _gauge(
            "groundwatch_site_attended_age_seconds",
            "How long ago an ingest last did its work for a site; nothing if none ever has",
            ["site"],
            {(one.site,): one.age_s for one in self._figures.attended if one.age_s is not None},
        )


def _untold(figures: StoreFigures) -> Iterable[GaugeMetricFamily]:
    labels = ["destination", "given_up"]
    rows = [
        ((destination, str(given_up).lower()), count, age_s)
        for destination, given_up, count, age_s in figures.untold
    ]
    yield _gauge(
        "groundwatch_notifications_untold",
        "Messages not delivered yet, or given up",
        labels,
        {key: count for key, count, _ in rows},
    )
    yield _gauge(
        "groundwatch_notifications_untold_oldest_seconds",
        "Age of the oldest message not delivered",
        labels,
        {key: age_s for key, _, age_s in rows},
    )


def _gauge(
    name: str, says: str, labels: list[str], values: dict[tuple[str, ...], float]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, says, labels=labels)
    for key, value in values.items():
        gauge.add_metric(key, value)
    return gauge
