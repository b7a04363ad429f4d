"""After the commit of a flush: acknowledge, tell refusals, and count."""

import structlog

from ingest import metrics
from ingest.announcing import note_announced
from ingest.desk import SiteDesk
from ingest.flush import Written
from ingest.inbox import Arrival
from ingest.preparation import IMPLAUSIBLE_CLOCK, Prepared
from telemetry.frames import rejection

log = structlog.get_logger()


def settle(desk: SiteDesk, prepared: Prepared, written: Written) -> None:
    """Note that a site's part of a flush is committed, and say so to whom it concerns."""
    note_announced(written.announced)
    desk.committed(written.flush_id, prepared.readings, checkpoint=written.checkpoint)
    desk.complaints = prepared.complaints
    desk.beliefs_taken = written.beliefs_taken
    desk.notices = [one for one in desk.notices if one not in prepared.notices]
    for block in written.refused:
        metrics.BLOCKS_QUARANTINED.labels(desk.key, block.reason).inc()
        log.warning(
            "block put into quarantine",
            site=desk.key,
            edge=block.arrival.stream.edge,
            seq=block.event.seq,
            reason=block.reason,
            message=block.message,
        )
        if block.arrival.stream.line is not None:
            block.arrival.stream.line.tell(rejection(block.event.seq, block.reason, block.message))
    wild = len(prepared.with_wild)
    metrics.BLOCKS_QUARANTINED.labels(desk.key, IMPLAUSIBLE_CLOCK).inc(wild)
    metrics.EVENTS.labels(desk.key, "new").inc(written.events.new)
    metrics.EVENTS.labels(desk.key, "revised").inc(written.events.revised)
    metrics.EVENTS.labels(desk.key, "repeated").inc(written.events.repeated)
    by_stream: dict[int, list[Arrival]] = {}
    for arrival in prepared.arrivals:
        by_stream.setdefault(arrival.stream.stream_id, []).append(arrival)
    for of_stream in by_stream.values():
        of_stream[0].stream.settle([one for arrival in of_stream for one in arrival.ranges])
    _count_scans(desk.key, written)
    metrics.LATE.labels(desk.key).inc(sum(one.judged.late_count for one in prepared.good))
    for number, outcome in written.outcomes.items():
        awaited = desk.awaited.pop(number, None)
        if awaited is not None and not awaited.done():
            awaited.set_result(outcome)
    metrics.SUBMISSIONS.labels(desk.key).inc(len(written.outcomes))
    for _, transition in written.numbered:
        metrics.TRANSITIONS.labels(desk.key, transition.kind, transition.change).inc()


def _count_scans(site: str, written: Written) -> None:
    metrics.SCANS_STORED.labels(site).inc(written.scans.new)
    metrics.READINGS_STORED.labels(site).inc(written.readings)
    metrics.DUPLICATES.labels(site).inc(written.scans.duplicates)
    metrics.CONFLICTS.labels(site).inc(written.scans.conflicts)
