"""The flush: every tenth of a second at most, one transaction for all sites that have news.

Whatever goes wrong in it, the way back is the same as after a crash: the state is thrown away and
recovered from the database, arrivals that turn out to be committed are acknowledged, the rest is
tried again. A flush that fails for its content is cut in half until the one block that can't be
stored stands alone; when it fails once more it goes to quarantine, and everything else is stored.
"""

import asyncio
from collections.abc import Sequence

import psycopg
import structlog
from psycopg import AsyncConnection

from alarms.outbox import Destination
from historian.actions import ActionWithdrawnError
from historian.connection import connect
from historian.partition import ensure_partitions
from historian.writer import OwnershipLostError
from ingest import metrics
from ingest.desk import SiteDesk
from ingest.flush import Written, write_flush
from ingest.inbox import Arrival, Inbox
from ingest.preparation import CONDEMNED, IMPLAUSIBLE_CLOCK, Prepared, prepare
from ingest.recovery import recover
from ingest.repetitions import look_up_repetitions
from ingest.silence import has_settled
from telemetry.clock import Clock, SharedClock, real_monotonic_s
from telemetry.frames import rejection
from telemetry.uplink import BlockReceived

FLUSH_EVERY_S = 0.1
LOOK_AROUND_EVERY_S = 0.25  # For silences and excused ticks, when nothing arrives.
ARRIVALS_MAX = 2_000
ARRIVAL_BYTES_MAX = 8 << 20
RECONNECT_S = (0.2, 0.5, 1.0, 2.0)

TELL_LISTENERS = "select pg_notify('groundwatch', 'flush')"

log = structlog.get_logger()


class Pipeline:
    """Carries arrivals from the inbox into the database, and acknowledgements back."""

    def __init__(
        self,
        dsn: str,
        desks: Sequence[SiteDesk],
        inbox: Inbox,
        clock: Clock,
        destinations: Sequence[Destination],
    ) -> None:
        self._dsn = dsn
        self._desks = sorted(desks, key=lambda desk: desk.ids.site_id)
        self._inbox = inbox
        self._clock = clock
        self._destinations = destinations
        self._started_s = real_monotonic_s()
        self._arrivals_max = ARRIVALS_MAX
        self._suspect: Arrival | None = None  # Failed alone.
        self._condemned: Arrival | None = None  # Failed alone twice.
        self._weeks_us: set[int] = set()  # That are known to have room in the store.
        self._asked = asyncio.Event()  # An operator wants something.

    def wake_for_action(self) -> None:
        """An action waits in the database."""
        self._asked.set()
        self._inbox.filled.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Flush until told to stop, then once more; a lost database is waited for."""
        attempt = 0
        while True:
            last = stop.is_set()
            try:
                async with (
                    await connect(self._dsn, name="ingest") as conn,
                    await connect(self._dsn, name="partitions", autocommit=True) as maker,
                ):
                    await self._recover_all(conn)
                    attempt = 0
                    await self._flush_until(conn, maker, stop)
                    return
            except OwnershipLostError:
                raise
            except psycopg.OperationalError as error:
                metrics.FLUSHES.labels("database_away").inc()
                log.warning("database is away", error=str(error).strip())
                if last:
                    return
            await _pause(stop, RECONNECT_S[min(attempt, len(RECONNECT_S) - 1)])
            attempt += 1
            self._await_edges_again()

    def _await_edges_again(self) -> None:
        """Wait for all edges as after a start: without a database they may have hung up."""
        self._started_s = real_monotonic_s()
        for desk in self._desks:
            desk.known_edges |= {(desk.key, edge) for edge, _ in desk.streams}

    async def _flush_until(
        self, conn: AsyncConnection, maker: AsyncConnection, stop: asyncio.Event
    ) -> None:
        while not stop.is_set():
            began_s = real_monotonic_s()
            await self._flush_or_recover(conn, maker)
            await self._wait(stop, began_s)
        while len(self._inbox):
            await self._flush_or_recover(conn, maker)
        await self._flush_or_recover(conn, maker, last=True)

    async def _wait(self, stop: asyncio.Event, began_s: float) -> None:
        """Wait for arrivals, but flush no more often than need be, and look around at times."""
        await _pause(stop, max(0.0, FLUSH_EVERY_S - (real_monotonic_s() - began_s)))
        try:
            async with asyncio.timeout(LOOK_AROUND_EVERY_S):
                await self._inbox.filled.wait()
        except TimeoutError:
            return

    async def _flush_or_recover(
        self, conn: AsyncConnection, maker: AsyncConnection, *, last: bool = False
    ) -> None:
        arrivals = self._inbox.first(self._arrivals_max, ARRIVAL_BYTES_MAX)
        try:
            await self._flush(conn, maker, arrivals, last=last)
        except (psycopg.OperationalError, OwnershipLostError):
            raise  # The connection is gone, or the site is another's.
        except ActionWithdrawnError:
            await self._recover_all(conn)
        except Exception as error:
            metrics.FLUSHES.labels("failed").inc()
            log.exception("a flush failed", error=repr(error), arrivals=len(arrivals))
            await self._recover_all(conn)
            self._narrow_down(arrivals)
        else:
            self._suspect = self._condemned = None
            self._arrivals_max = min(ARRIVALS_MAX, self._arrivals_max * 2)

    def _narrow_down(self, arrivals: Sequence[Arrival]) -> None:
        """Halve the next flush, until the one arrival that can't be stored is known."""
        self._arrivals_max = max(1, len(arrivals) // 2)
        if len(arrivals) != 1:
            return
        (alone,) = arrivals
        if self._suspect is not alone:
            self._suspect = alone
        elif isinstance(alone.event, BlockReceived):
            self._condemned = alone
        else:  # There are no bytes to keep; whoever says such things is not listened to.
            self._inbox.drop(1)
            alone.stream.give_up(alone.ranges, CONDEMNED)

    async def _flush(
        self,
        conn: AsyncConnection,
        maker: AsyncConnection,
        arrivals: Sequence[Arrival],
        *,
        last: bool = False,  # So that a newer program need not judge again what this one has.
    ) -> None:
        began_s = real_monotonic_s()
        asked = self._asked.is_set()
        self._asked.clear()
        busy = [
            (desk, one)
            for desk in self._desks
            if not (one := await self._prepare(conn, desk, arrivals)).empty
            or asked
            or (last and desk.flush_id > desk.checkpoint_flush_id)
        ]
        if not busy:
            self._inbox.filled.clear()
            return
        for _, one in busy:
            await self._make_room(maker, one.weeks_us - self._weeks_us)
        written = await self._write(conn, busy, last=last)
        self._inbox.drop(len(arrivals))
        if self._asked.is_set():  # While we flushed; or it would wait for the next look.
            self._inbox.filled.set()
        elif not len(self._inbox):
            self._inbox.filled.clear()
        for (desk, one), result in zip(busy, written, strict=True):
            _settle(desk, one, result)
        metrics.FLUSHES.labels("committed").inc()
        metrics.FLUSH_SECONDS.observe(real_monotonic_s() - began_s)
        metrics.INBOX_ARRIVALS.set(len(self._inbox))

    async def _write(
        self, conn: AsyncConnection, busy: Sequence[tuple[SiteDesk, Prepared]], *, last: bool
    ) -> list[Written]:
        async with conn.transaction():
            written = [
                await write_flush(
                    conn,
                    desk,
                    one,
                    now_us=self._clock.now_us(),
                    destinations=self._destinations,
                    checkpoint=last,
                )
                for desk, one in busy
            ]
            await conn.execute(TELL_LISTENERS)
        return written

    async def _make_room(self, maker: AsyncConnection, weeks_us: set[int]) -> None:
        for week_us in sorted(weeks_us):
            await ensure_partitions(maker, range(week_us, week_us + 1))
            self._weeks_us.add(week_us)

    async def _prepare(
        self, conn: AsyncConnection, desk: SiteDesk, arrivals: Sequence[Arrival]
    ) -> Prepared:
        await look_up_repetitions(conn, desk, arrivals)
        # What still waits in the inbox is not silent: time has passed only as far as we look.
        now_s = min(real_monotonic_s(), self._inbox.waiting_since_s(len(arrivals)) or float("inf"))
        if isinstance(self._clock, SharedClock) and not self._clock.began:
            desk.hearing.restart(now_s)  # Before a scenario begins nobody is silent.
        return prepare(
            desk,
            [one for one in arrivals if one.stream.site == desk.key],
            now_us=self._clock.now_us(),
            now_s=now_s,
            rate=self._clock.rate,
            settled=has_settled(
                started_s=self._started_s,
                now_s=now_s,
                known=desk.known_edges,
                back=desk.edges_back,
            ),
            condemned=self._condemned,
        )

    async def _recover_all(self, conn: AsyncConnection) -> None:
        """Make every site's state anew from the database; then look for what operators want."""
        self._weeks_us.clear()
        for desk in self._desks:
            async with conn.transaction():
                await recover(conn, desk)
        self._inbox.drop_delivered()
        self.wake_for_action()


def _settle(desk: SiteDesk, prepared: Prepared, written: Written) -> None:
    """After the commit: acknowledge, and count."""
    desk.committed(written.flush_id, prepared.readings, checkpoint=written.checkpoint)
    desk.complaints = prepared.complaints
    for block in prepared.refused:
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
    wild = sum(bool(block.judged.wild.any()) for block in prepared.good)
    metrics.BLOCKS_QUARANTINED.labels(desk.key, IMPLAUSIBLE_CLOCK).inc(wild)
    by_stream: dict[int, list[Arrival]] = {}
    for arrival in prepared.arrivals:
        by_stream.setdefault(arrival.stream.stream_id, []).append(arrival)
    for of_stream in by_stream.values():
        of_stream[0].stream.settle([one for arrival in of_stream for one in arrival.ranges])
    metrics.SCANS_STORED.labels(desk.key).inc(written.scans.new)
    metrics.READINGS_STORED.labels(desk.key).inc(prepared.readings)
    metrics.DUPLICATES.labels(desk.key).inc(written.scans.duplicates)
    metrics.CONFLICTS.labels(desk.key).inc(written.scans.conflicts)
    for _, transition in written.numbered:
        metrics.TRANSITIONS.labels(desk.key, transition.kind, transition.change).inc()


async def _pause(stop: asyncio.Event, real_s: float) -> None:
    try:
        async with asyncio.timeout(real_s):
            await stop.wait()
    except TimeoutError:
        return
