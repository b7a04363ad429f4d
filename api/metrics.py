"""What the API counts, and what it tells Prometheus about the store when asked."""

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from psycopg import AsyncConnection

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


class Metrics:
    """Counters of one API process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "groundwatch_api_requests",
            "Answers, by route and status",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._refusals = Counter(
            "groundwatch_api_refusals",
            "Requests that were not let in, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.live_clients = Gauge(
            "groundwatch_live_clients", "Open live lines", registry=self.registry
        )
        self.live_clients_cut = Counter(
            "groundwatch_live_clients_cut",
            "Live lines that were cut, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.live_alarms_pushed = Counter(
            "groundwatch_live_alarms_pushed",
            "Journal entries handed to a live line for the first time",
            registry=self.registry,
        )
        self.live_rounds = Histogram(
            "groundwatch_live_round_seconds",
            "How long it takes to read what is new",
            registry=self.registry,
        )
        self.acknowledgements = Counter(
            "groundwatch_acknowledgements_asked",
            "Acknowledgements asked for, by what became of them",
            ["outcome"],
            registry=self.registry,
        )

    def refused(self, reason: str) -> None:
        """Count a request that was not let in."""
        self._refusals.labels(reason).inc()

    def answered(self, scope: MutableMapping[str, Any], status: int) -> None:
        """Count an answer under its route's pattern; strangers cannot invent new ones."""
        route = getattr(scope.get("route"), "path", "other")
        self._requests.labels(scope.get("method", "GET"), route, str(status)).inc()


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What the store says when Prometheus asks."""

    open_alarms: list[tuple[str, str, str, int]]
    quarantined: list[tuple[str, str, int]]
    untold: list[tuple[str, bool, int, float]]
    silent_groups: list[tuple[str, int]]


async def read_store_figures(conn: AsyncConnection[Any]) -> StoreFigures:
    """Count in the store what operators of the system should see."""
    rows = [
        await (await conn.execute(query)).fetchall()
        for query in (OPEN_ALARMS, QUARANTINED, UNTOLD, SILENT_GROUPS)
    ]
    return StoreFigures(*rows)


def exposition(metrics: Metrics, figures: StoreFigures | None) -> bytes:
    """Write everything in Prometheus' text format; without a database, what we know ourselves."""
    text = generate_latest(metrics.registry)
    if figures is not None:
        registry = CollectorRegistry()
        registry.register(_StoreCollector(figures))
        text += generate_latest(registry)
    return text


class _StoreCollector(Collector):
    def __init__(self, figures: StoreFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the store's figures as gauges."""
        alarms = GaugeMetricFamily(
            "groundwatch_open_alarms",
            "Alarms that are not normal",
            labels=["site", "kind", "state"],
        )
        for site, kind, state, count in self._figures.open_alarms:
            alarms.add_metric([site, kind, state], count)
        yield alarms

        quarantined = GaugeMetricFamily(
            "groundwatch_quarantined", "Blocks kept in quarantine", labels=["site", "reason"]
        )
        for site, reason, count in self._figures.quarantined:
            quarantined.add_metric([site, reason], count)
        yield quarantined

        untold = GaugeMetricFamily(
            "groundwatch_notifications_untold",
            "Messages not delivered yet, or given up",
            labels=["destination", "given_up"],
        )
        oldest = GaugeMetricFamily(
            "groundwatch_notifications_untold_oldest_seconds",
            "Age of the oldest message not delivered",
            labels=["destination", "given_up"],
        )
        for destination, given_up, count, age_s in self._figures.untold:
            labels = [destination, str(given_up).lower()]
            untold.add_metric(labels, count)
            oldest.add_metric(labels, age_s)
        yield untold
        yield oldest

        silent = GaugeMetricFamily(
            "groundwatch_silent_groups", "Scan groups that send nothing", labels=["site"]
        )
        for site, count in self._figures.silent_groups:
            silent.add_metric([site], count)
        yield silent
