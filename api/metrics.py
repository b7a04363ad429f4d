"""What one API process counts itself."""

from collections.abc import MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


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
        self._count_live_lines()
        self.acknowledgements = Counter(
            "groundwatch_acknowledgements_asked",
            "Acknowledgements asked for, by what became of them",
            ["outcome"],
            registry=self.registry,
        )

        self.submissions = Counter(
            "groundwatch_submissions_received",
            "Readings that gateways have sent, by what became of the request",
            ["outcome"],
            registry=self.registry,
        )

    def _count_live_lines(self) -> None:
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

    def refused(self, reason: str) -> None:
        """Count a request that was not let in."""
        self._refusals.labels(reason).inc()

    def answered(self, scope: MutableMapping[str, Any], status: int) -> None:
        """Count an answer under its route's pattern; strangers cannot invent new ones."""
        route = getattr(scope.get("route"), "path", "other")
        method = scope.get("method", "GET")
        # A method may be any word, and each new label would be kept for ever.
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
