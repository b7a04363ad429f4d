"""What gateways hand in: taken from the store into the inbox, and what became of it.

The store is the only way in, so that the API need not know who owns a site, and a submission
that a crash interrupts is found again by the next owner.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import AsyncConnection

from historian.repeated_scans import Fates
from historian.streams import open_stream
from historian.submissions import (
    Quarantined,
    SubmissionOutcome,
    decide,
    still_undecided,
    undecided,
)
from historian.writer import ScanOutcome
from ingest.desk import SiteDesk
from ingest.inbox import Arrival, Inbox, Stream, Submitted
from ingest.preparation import IMPLAUSIBLE_CLOCK, IMPLAUSIBLE_CLOCK_TOLD, GoodBlock, Prepared
from telemetry.clock import real_monotonic_s
from telemetry.ranges import RangeSet
from telemetry.wire import WireError, decode_block

TAKEN_AT_ONCE = 16  # Of up to 4 MiB; the others are taken with the next flush.
NO_SPOOL = UUID(int=0)  # The epoch of every gateway's stream: it counts what was handed in.


async def take_submissions(conn: AsyncConnection, desk: SiteDesk, inbox: Inbox) -> bool:
    """Put what waits in the store into the inbox; tell whether there may be more."""
    known = inbox.submitted(desk.key)
    async with conn.transaction():
        site_id = desk.ids.site_id
        found = await undecided(conn, site_id, but=known.keys(), most=TAKEN_AT_ONCE)
        for gateway in {one.gateway for one in found} - desk.gateways.keys():
            stored = await open_stream(conn, site_id, gateway, NO_SPOOL, "gateway")
            desk.gateways[gateway] = Stream(
                desk.key, gateway, NO_SPOOL, stored.stream_id, RangeSet(), is_gateways=True
            )
    for one in found:
        inbox.put(
            Arrival(
                stream=desk.gateways[one.gateway],
                event=Submitted(one.number, one.contents),
                received_us=one.received_us,
                heard_s=real_monotonic_s(),
            )
        )
    return len(found) == TAKEN_AT_ONCE


async def drop_decided(conn: AsyncConnection, desk: SiteDesk, inbox: Inbox) -> None:
    """After a recovery: take out of the inbox what turned out to be committed, or is withdrawn."""
    waiting = inbox.submitted(desk.key)
    if not waiting:
        return
    async with conn.transaction():
        still = await still_undecided(conn, desk.ids.site_id, waiting.keys())
    inbox.drop([one for number, one in waiting.items() if number not in still])


async def decide_submissions(
    conn: AsyncConnection, desk: SiteDesk, prepared: Prepared, stored: ScanOutcome, flush_id: int
) -> dict[int, SubmissionOutcome]:
    """Record what became of each submission, with what is stored of it."""
    outcomes = outcomes_of(prepared, stored)
    await decide(conn, desk.ids.site_id, outcomes, flush_id)
    return outcomes


def outcomes_of(prepared: Prepared, stored: ScanOutcome) -> dict[int, SubmissionOutcome]:
    """Count by submission what became of its scans."""
    if not any(one.stream.is_gateways for one in prepared.arrivals):
        return {}
    counts: defaultdict[int, _Counts] = defaultdict(_Counts)
    for arrival in prepared.arrivals:
        if isinstance(arrival.event, Submitted):
            counts[arrival.event.number].add(Fates(), 0)  # Also of one that is all in quarantine.
    for block, fates in _with_fates(prepared, stored):
        if block.arrival.stream.is_gateways:
            of_submission = counts[block.event.seq]
            of_submission.add(fates, block.judged.late_count)
            if wild := int(block.judged.wild.sum()):
                of_submission.quarantined.append(
                    Quarantined(wild, IMPLAUSIBLE_CLOCK, IMPLAUSIBLE_CLOCK_TOLD)
                )
    for refused in prepared.refused:
        if refused.arrival.stream.is_gateways:
            scans = _scans_in(refused.event.content)
            told = Quarantined(scans, refused.reason, refused.message)
            counts[refused.event.seq].quarantined.append(told)
    return {number: one.outcome() for number, one in counts.items()}


def _with_fates(prepared: Prepared, stored: ScanOutcome) -> Iterator[tuple[GoodBlock, Fates]]:
    """Put blocks beside the fates of their scans: one that is all wild has stored none."""
    fates = iter(stored.fates)
    for block in prepared.good:
        yield block, Fates() if block.judged.wild.all() else next(fates)


def _scans_in(content: bytes) -> int:
    try:
        return len(decode_block(content).sampled_us)
    except WireError:
        return 0


@dataclass(slots=True, eq=False)
class _Counts:
    fates: Fates = field(default_factory=Fates)
    late: int = 0
    quarantined: list[Quarantined] = field(default_factory=list)

    def add(self, fates: Fates, late: int) -> None:
        self.fates.new += fates.new
        self.fates.duplicates += fates.duplicates
        self.fates.merged += fates.merged
        self.fates.conflicts += fates.conflicts
        self.late += late

    def outcome(self) -> SubmissionOutcome:
        return SubmissionOutcome(
            stored=self.fates.new,
            duplicates=self.fates.duplicates,
            merged=self.fates.merged,
            conflicts=self.fates.conflicts,
            late=self.late,
            quarantined=tuple(self.quarantined),
        )
