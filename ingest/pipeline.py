"""The flush: every tenth of a second at most, one transaction for all sites that have news.

Whatever goes wrong in it, the way back is the same as after a crash: the state is thrown away and
recovered from the database, arrivals that turn out to be committed are acknowledged, the rest is
tried again. After a failure each site is flushed apart, so that the faults of one hold up no
other; `ingest.narrowing` finds the one block that can't be stored, which goes to quarantine.
"""

import asyncio
from collections.abc import Sequence

import psycopg
import structlog
from psycopg import AsyncConnection

from alarms.outbox import Destination
from historian.actions import ActionWithdrawnError
from historian.connection import STATEMENT_TIMEOUT_S, connect, hung_up_after
from historian.writer import OwnershipLostError
from ingest import metrics, releases
from ingest.desk import SiteDesk
from ingest.flush import Written, write_flush
from ingest.heartbeat import beating
from ingest.inbox import Arrival, Inbox
from ingest.judging import BlockRefusedError
from ingest.narrowing import ARRIVALS_MAX, Narrowing, is_away, is_stores_own
from ingest.preparation import CONDEMNED, Prepared, prepare
from ingest.recovery import recover
from ingest.repetitions import look_up_repetitions
from ingest.room import Room
from ingest.settlement import settle
from ingest.submissions import drop_decided, take_submissions
from ingest.upkeep import kept_up
from telemetry.clock import Clock, SharedClock, real_monotonic_s
from telemetry.failpoints import passing
from telemetry.planted import planted

FLUSH_EVERY_S = 0.1
LOOK_AROUND_EVERY_S = 0.25  # For silences and excused ticks, when nothing arrives.
ARRIVAL_BYTES_MAX = 8 << 20
# The server ends a statement that takes too long, if it still can; this is for one that can't.
FLUSH_WITHIN_S = STATEMENT_TIMEOUT_S + 15.0
# For one step of a recovery, which reads a stretch of flushes by three statements at most.
RECOVERY_STEP_WITHIN_S = 3 * STATEMENT_TIMEOUT_S + 15.0
FINISH_WITHIN_S = 10.0  # Once told to stop; what is left is not acknowledged, and sent again.
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
        # Looked at when somebody asks: while flushes fail, nobody would tell.
        metrics.INBOX_ARRIVALS.set_function(lambda: len(inbox))
        self._clock = clock
        self._destinations = destinations
        self._waiting_since_s = real_monotonic_s()
        self._narrowings = {desk.key: Narrowing() for desk in self._desks}
        self._apart = False  # The next time each site is flushed by itself.
        self._is_last = (
            False  # It leaves checkpoints, so that a newer program need not judge again.
        )
        self._room = Room(clock)
        self._asked = asyncio.Event()  # An operator wants something.
        self._handed_in = asyncio.Event()  # A gateway has handed something in.

    def wake_for_action(self) -> None:
        """An action waits in the database."""
        self._asked.set()
        self._inbox.filled.set()

    def wake_for_submission(self) -> None:
        """A submission waits in the database."""
        self._handed_in.set()
        self._inbox.filled.set()

    def wake_for_belief(self) -> None:
        """The slow tier has laid something down."""
        self._inbox.filled.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Flush until told to stop, then once more; a lost database is waited for."""
        async with kept_up(self._dsn, self._desks, self._clock), beating(self._dsn, self._desks):
            await self._run(stop)

    async def _run(self, stop: asyncio.Event) -> None:
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
            except psycopg.OperationalError as error:
                metrics.FLUSHES.labels("database_away").inc()
                log.warning("database is away", error=str(error).strip())
                if last:
                    return
            self._await_edges_again()
            await _pause(stop, RECONNECT_S[min(attempt, len(RECONNECT_S) - 1)])
            attempt += 1

    def _await_edges_again(self) -> None:
        self._waiting_since_s = real_monotonic_s()
        for desk in self._desks:
            metrics.STORAGE_FAILED.labels(desk.key).set(1)
            desk.await_edges_again()

    async def _flush_until(
        self, conn: AsyncConnection, maker: AsyncConnection, stop: asyncio.Event
    ) -> None:
        while not stop.is_set():
            began_s = real_monotonic_s()
            await self._flush_or_recover(conn, maker)
            await self._wait(stop, began_s)
        ends_s = real_monotonic_s() + FINISH_WITHIN_S
        while self._has_more() and real_monotonic_s() < ends_s:
            await self._flush_or_recover(conn, maker)
        self._is_last = True
        await self._flush_or_recover(conn, maker)

    async def _wait(self, stop: asyncio.Event, began_s: float) -> None:
        """Wait for arrivals, but flush no more often than need be, and look around at times."""
        await _pause(stop, max(0.0, FLUSH_EVERY_S - (real_monotonic_s() - began_s)))
        try:
            async with asyncio.timeout(LOOK_AROUND_EVERY_S):
                await self._inbox.filled.wait()
        except TimeoutError:
            return

    def _due(self) -> list[SiteDesk]:
        now_s = real_monotonic_s()
        return [desk for desk in self._desks if self._narrowings[desk.key].retry_s <= now_s]

    def _has_more(self) -> bool:
        return self._inbox.count_of([desk.key for desk in self._due()]) > 0

    async def _flush_or_recover(self, conn: AsyncConnection, maker: AsyncConnection) -> None:
        """Flush every site that is due: those that do well together, the others one by one."""
        self._inbox.filled.clear()
        asked = self._asked.is_set()
        self._asked.clear()
        handed_in = self._handed_in.is_set()
        self._handed_in.clear()
        due = self._due()
        narrow = [one for one in due if self._apart or self._narrowings[one.key].stands_apart]
        self._apart = False
        well = [desk for desk in due if desk not in narrow]
        for desks in [*([well] if well else []), *([one] for one in narrow)]:
            await self._flush_these(conn, maker, desks, asked=asked, handed_in=handed_in)
        for desk in due if asked else ():
            await self._release_kept(conn, maker, desk)
        if self._asked.is_set() or self._handed_in.is_set() or self._has_more():
            self._inbox.filled.set()

    async def _flush_these(
        self,
        conn: AsyncConnection,
        maker: AsyncConnection,
        desks: list[SiteDesk],
        *,
        asked: bool,
        handed_in: bool,
    ) -> None:
        lost = [desk for desk in desks if self._narrowings[desk.key].must_recover]
        if lost and not await self._recover(conn, lost):
            return
        arrivals: list[Arrival] = []
        began_s = real_monotonic_s()
        try:
            with hung_up_after(conn, FLUSH_WITHIN_S), hung_up_after(maker, FLUSH_WITHIN_S):
                if handed_in:
                    await self._take_submissions(conn, desks)
                arrivals = self._choose(desks)
                flushed = await self._flush(conn, maker, desks, arrivals, asked=asked)
        except ActionWithdrawnError:
            await self._recover(conn, desks)
        except Exception as error:
            if real_monotonic_s() - began_s >= FLUSH_WITHIN_S:
                self._halve(desks, arrivals)
            if isinstance(error, OwnershipLostError) or is_away(error, conn, maker):
                raise
            metrics.FLUSHES.labels("failed").inc()
            log.exception("a flush failed", error=repr(error), arrivals=len(arrivals))
            await self._recover(conn, desks)
            self._note_failure(desks, arrivals, error)
        else:
            for desk in flushed:
                self._note_success(desk)
            for desk in desks:
                desk.well_s = real_monotonic_s()

    async def _release_kept(
        self, conn: AsyncConnection, maker: AsyncConnection, desk: SiteDesk
    ) -> None:
        """Store what is wanted out of quarantine, block by block; what fails stays there."""
        with hung_up_after(conn, FLUSH_WITHIN_S):
            wanted = await releases.wanted(conn, desk)
        for release in wanted:
            if self._narrowings[desk.key].must_recover:
                return  # Whoever has asked is told that nobody has answered.
            try:
                with hung_up_after(conn, FLUSH_WITHIN_S), hung_up_after(maker, FLUSH_WITHIN_S):
                    await releases.carry_out(
                        conn,
                        maker,
                        desk,
                        release,
                        room=self._room,
                        now_us=self._clock.now_us(),
                        destinations=self._destinations,
                    )
            except BlockRefusedError as error:
                await self._refuse(conn, release, error.message)
            except ActionWithdrawnError:
                await self._recover(conn, [desk])
            except Exception as error:
                if isinstance(error, OwnershipLostError) or is_away(error, conn, maker):
                    raise
                log.exception("a release failed", number=release.number, error=repr(error))
                await self._recover(conn, [desk])
                reason = f"storing it failed: {releases.in_short(error)}"
                await self._refuse(conn, release, reason)

    async def _refuse(self, conn: AsyncConnection, release: releases.Release, reason: str) -> None:
        with hung_up_after(conn, FLUSH_WITHIN_S):
            await releases.refuse(conn, release, reason)

    async def _take_submissions(self, conn: AsyncConnection, desks: Sequence[SiteDesk]) -> None:
        for desk in desks:
            if await take_submissions(conn, desk, self._inbox):
                self.wake_for_submission()

    def _choose(self, desks: Sequence[SiteDesk]) -> list[Arrival]:
        count = min(self._narrowings[desk.key].arrivals_max for desk in desks)
        if not count:
            return []
        return self._inbox.first(count, ARRIVAL_BYTES_MAX, [desk.key for desk in desks])

    def _halve(self, desks: Sequence[SiteDesk], arrivals: Sequence[Arrival]) -> None:
        """Take less of each site next time: the database may not manage so much in time."""
        for desk in desks:
            count = sum(one.stream.site == desk.key for one in arrivals)
            self._narrowings[desk.key].halve(count or ARRIVALS_MAX)

    def _note_failure(
        self, desks: Sequence[SiteDesk], arrivals: Sequence[Arrival], error: Exception
    ) -> None:
        for desk in desks:
            metrics.STORAGE_FAILED.labels(desk.key).set(1)
        if len(desks) > 1:  # Whose fault it was is seen when each is flushed by itself.
            self._apart = True
            return
        blameless = is_stores_own(error) or self._room.is_lacking
        self._narrowings[desks[0].key].failed(arrivals, real_monotonic_s(), blameless=blameless)

    def _note_success(self, desk: SiteDesk) -> None:
        metrics.STORAGE_FAILED.labels(desk.key).set(0)
        narrowing = self._narrowings[desk.key]
        narrowing.stored()
        culprit = narrowing.condemned
        if culprit is not None and not culprit.blocks:
            # There are no bytes to keep; whoever says such things is not listened to.
            self._inbox.drop([culprit])
            culprit.stream.give_up(culprit.ranges, CONDEMNED)
            narrowing.condemned = None

    async def _flush(
        self,
        conn: AsyncConnection,
        maker: AsyncConnection,
        desks: Sequence[SiteDesk],
        arrivals: Sequence[Arrival],
        *,
        asked: bool,
    ) -> list[SiteDesk]:
        """Store what is new; return the sites of which something was."""
        began_s = real_monotonic_s()
        busy = [
            (desk, one)
            for desk in desks
            if not (one := await self._prepare(conn, desk, arrivals)).empty
            or asked
            or desk.beliefs_wait
            or self._narrowings[desk.key].must_flush
            or (self._is_last and desk.flush_id > desk.checkpoint_flush_id)
        ]
        if not busy:
            return []
        await self._room.make(maker, {week for _, one in busy for week in one.weeks_us})
        if planted("acknowledge_before_commit"):
            for arrival in arrivals:
                arrival.stream.settle(arrival.ranges)
        written = await self._write(conn, busy)
        passing("ingest_after_commit")
        self._inbox.drop(arrivals)
        passing("ingest_before_acknowledgement")
        for (desk, one), result in zip(busy, written, strict=True):
            settle(desk, one, result)
        metrics.FLUSHES.labels("committed").inc()
        metrics.FLUSH_SECONDS.observe(real_monotonic_s() - began_s)
        return [desk for desk, _ in busy]

    async def _write(
        self, conn: AsyncConnection, busy: Sequence[tuple[SiteDesk, Prepared]]
    ) -> list[Written]:
        async with conn.transaction():
            written = [
                await write_flush(
                    conn,
                    desk,
                    one,
                    now_us=self._clock.now_us(),
                    destinations=self._destinations,
                    checkpoint=self._is_last,
                )
                for desk, one in busy
            ]
            await conn.execute(TELL_LISTENERS)
            passing("ingest_before_commit")
        return written

    async def _prepare(
        self, conn: AsyncConnection, desk: SiteDesk, arrivals: Sequence[Arrival]
    ) -> Prepared:
        await look_up_repetitions(conn, desk, arrivals)
        of_site = [one for one in arrivals if one.stream.site == desk.key]
        # What still waits in the inbox is not silent: time has passed only as far as we look.
        waiting_s = self._inbox.waiting_since_s(desk.key, len(of_site))
        now_s = min(real_monotonic_s(), float("inf") if waiting_s is None else waiting_s)
        if isinstance(self._clock, SharedClock) and not self._clock.began:
            desk.hearing.restart(now_s)  # Before a scenario begins nobody is silent.
        return prepare(
            desk,
            of_site,
            now_us=self._clock.now_us(),
            now_s=now_s,
            rate=self._clock.rate,
            settled=desk.settle(waiting_since_s=self._waiting_since_s, now_s=now_s),
            condemned=self._narrowings[desk.key].condemned,
        )

    async def _recover_all(self, conn: AsyncConnection) -> None:
        """Make every site's state anew from the database; then look for what operators want."""
        await self._recover(conn, self._desks)

    async def _recover(self, conn: AsyncConnection, desks: Sequence[SiteDesk]) -> bool:
        """Recover some sites; tell whether all could be. One that can't holds up no other."""
        self._room.forget()
        whole = True
        for desk in desks:
            narrowing = self._narrowings[desk.key]
            try:
                # A replay may take long, but not stand still: the server may have frozen.
                with hung_up_after(conn, RECOVERY_STEP_WITHIN_S) as patience:
                    async with conn.transaction():
                        await recover(conn, desk, patience.renew)
                    patience.renew()
                    await drop_decided(conn, desk, self._inbox)
            except Exception as error:
                if is_away(error, conn):
                    raise
                log.exception("a site can't be recovered", site=desk.key, error=repr(error))
                metrics.STORAGE_FAILED.labels(desk.key).set(1)
                narrowing.must_recover, whole = True, False
                narrowing.pause(real_monotonic_s())
            else:
                narrowing.must_recover = False
                self._inbox.drop_delivered(desk.key)
        self.wake_for_action()
        self.wake_for_submission()
        return whole


async def _pause(stop: asyncio.Event, real_s: float) -> None:
    try:
        async with asyncio.timeout(real_s):
            await stop.wait()
    except TimeoutError:
        return
