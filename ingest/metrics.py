"""What ingest counts, for Prometheus; read at /metrics on the edges' port."""

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

LINES_OPEN = Gauge("groundwatch_edge_lines_open", "Edges connected now.")
LINES_REFUSED = Counter("groundwatch_edge_lines_refused", "Lines refused, by reason.", ["reason"])
BROKER_CONNECTED = Gauge(
    "groundwatch_broker_connected", "Whether the broker is connected, by what for.", ["purpose"]
)
BROKER_MESSAGES_REFUSED = Counter(
    "groundwatch_broker_messages_refused", "Messages of a broker not taken, by reason.", ["reason"]
)
HANDSHAKES_FAILED = Counter(
    "groundwatch_edge_handshakes_failed", "Secured lines that were not made, by reason.", ["reason"]
)
ENROLMENTS = Counter(
    "groundwatch_enrolments", "Edges that asked to be enrolled, by what became of it.", ["outcome"]
)
SCANS_STORED = Counter("groundwatch_scans_stored", "Scans committed.", ["site"])
READINGS_STORED = Counter("groundwatch_readings_stored", "Measured readings in new rows.", ["site"])
DUPLICATES = Counter("groundwatch_scans_duplicated", "Scans that were stored already.", ["site"])
LATE = Counter(
    "groundwatch_scans_late",
    "Scans that came without order and after a newer one: stored, not judged as now.",
    ["site"],
)
CONFLICTS = Counter("groundwatch_scans_conflicting", "Scans unlike a stored one.", ["site"])
EVENTS = Counter(
    "groundwatch_events", "Events that came, by whether they were stored.", ["site", "outcome"]
)
BLOCKS_QUARANTINED = Counter(
    "groundwatch_blocks_quarantined", "Blocks put into quarantine, by reason.", ["site", "reason"]
)
SUBMISSIONS = Counter("groundwatch_submissions", "Submissions of gateways decided.", ["site"])
TRANSITIONS = Counter(
    "groundwatch_transitions", "Alarm transitions recorded.", ["site", "kind", "change"]
)
FLUSHES = Counter("groundwatch_flushes", "Flushes, by outcome.", ["outcome"])
STORAGE_FAILED = Gauge(
    "groundwatch_storage_failed",
    "1 from a flush of a site that failed until one is committed, else 0.",
    ["site"],
)
FLUSH_SECONDS = Histogram(
    "groundwatch_flush_seconds",
    "Real seconds a flush took, from the first look at the inbox to the acknowledgements.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
BELIEFS = Counter(
    "groundwatch_beliefs", "Changes of belief that the slow tier has laid down.", ["site"]
)
SLOW_TIER_BEHIND = Gauge(
    "groundwatch_slow_tier_behind_flushes", "Flushes that the slow tier has not seen yet.", ["site"]
)
SLOW_TIER_FAILED = Counter(
    "groundwatch_slow_tier_failures", "Times that a slow method, or the slow tier, has failed."
)
INBOX_ARRIVALS = Gauge("groundwatch_inbox_arrivals", "Arrivals that wait for a flush.")


def page() -> bytes:
    """Write the metrics as Prometheus reads them."""
    return generate_latest()
