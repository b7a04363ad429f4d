"""The live feed: read what is new, once for everybody, and wake whom it concerns."""

import asyncio
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from typing import Protocol

import psycopg
import psycopg_pool
import structlog
from psycopg_pool import AsyncConnectionPool

from alarms import journal
from alarms.journal import JournalEntry
from api.alarm_list import read_occurrences
from api.live_site import LiveEntry, LiveSite, live_entry
from api.metrics import Metrics
from api.newest import read_newest_scans, read_standing_levels
from api.restoration import restored_under
from api.site_directory import SiteDirectory, SiteRecord
from api.wakeups import Wakeups, wait_for
from historian import tokens
from telemetry.clock import Clock, real_monotonic_s

POLL_S = 0.8  # Wake-ups can get lost; nothing waits longer than a second for lack of one.
ENTRIES_PER_ROUND = 500
LOOK_EVERY_S = 0.25
TOKEN_CHECK_S = 20.0  # A revoked token ends its open lines within this time.

log = structlog.get_logger(__name__)


class Subscriber(Protocol):
    """A client as far as the feed knows it."""

    @property
    def site_id(self) -> int | None:
        """The site it watches."""

    @property
    def token_id(self) -> str:
        """The token it came with."""

    def wake(self, changed: Set[str]) -> None:
        """Be told that something is new; never waits."""

    def look(self, now_s: float) -> None:
        """Be told the time; never waits."""

    def end(self, code: int, reason: str) -> None:
        """Be told to close; never waits."""


class LiveFeed:
    """Everything that open live lines need to know."""

    def __init__(
        self,
        *,
        pool: AsyncConnectionPool,
        directory: SiteDirectory,
        wakeups: Wakeups,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._pool = pool
        self._directory = directory
        self._wakeups = wakeups
        self._clock = clock
        self._metrics = metrics
        self._sites: dict[int, LiveSite] = {}
        self._subscribers: set[Subscriber] = set()
        self._pushed_us: dict[int, dict[int, int]] = {}  # By site and number, not recorded yet.
        self._tokens_checked_s = real_monotonic_s()

    @property
    def subscriber_count(self) -> int:
        """How many lines are open."""
        return len(self._subscribers)

    def join(self, subscriber: Subscriber) -> None:
        """Take a subscriber in."""
        self._subscribers.add(subscriber)
        self._metrics.live_clients.set(len(self._subscribers))

    def leave(self, subscriber: Subscriber) -> None:
        """Let a subscriber go."""
        self._subscribers.discard(subscriber)
        self._metrics.live_clients.set(len(self._subscribers))

    async def site(self, record: SiteRecord) -> LiveSite:
        """Return what is known of a site, reading it first if nobody watched it before."""
        known = self._sites.get(record.site_id)
        if known is not None:
            return known
        async with self._pool.connection() as conn:
            head, head_hash = await journal.newest(conn, record.site_id)
            scans = await read_newest_scans(conn, {record.site_id: 0})
            levels = await read_standing_levels(conn, [record.site_id])
        site = self._sites.get(record.site_id)
        if site is None:
            site = LiveSite(record, head, head_hash)
            site.take_time(self._clock)
            site.take_levels(levels.get(record.site_id, {}), self._clock)
            site.take_scans(scans, self._clock)
            site.take_time(self._clock)
            self._sites[record.site_id] = site
        return site

    async def entries_after(self, site: LiveSite, cursor: int, limit: int) -> list[LiveEntry]:
        """Return entries above a cursor: kept ones, or for a client far behind, from the store."""
        kept = site.entries_after(cursor, limit)
        if kept is not None:
            return kept
        async with self._pool.connection() as conn:
            site_id = site.record.site_id
            entries = await journal.read_after(conn, site_id, cursor, limit)
            found = await _written(conn, {site_id: entries}, {site_id: site})
        return found[site_id]

    def pushed(self, site: LiveSite, entry: LiveEntry) -> None:
        """Note that an entry was handed to a websocket; the first time is recorded."""
        if entry.pushed:
            return
        entry.pushed = True
        if site.is_former:  # Its numbers mean other entries now, or none.
            return
        self._metrics.live_alarms_pushed.inc()
        of_site = self._pushed_us.setdefault(site.record.site_id, {})
        of_site.setdefault(entry.number, self._clock.now_us())

    async def run(self) -> None:
        """Read what is new whenever something was committed, until cancelled."""
        reached = True
        while True:
            woken = self._wakeups.next()
            try:
                with self._metrics.live_rounds.time():
                    more = await self.round()
                if not reached:
                    log.info("database reached again")
                reached = True
                if more:
                    continue
            except (psycopg.Error, psycopg_pool.PoolTimeout) as error:
                if reached:
                    log.warning("live lines stand still: database not reached", error=str(error))
                reached = False
                self._tell_time()
            await wait_for(woken, POLL_S)

    async def keep_time(self) -> None:
        """Tell every line the time, whatever the database does, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now_s = real_monotonic_s()
            for subscriber in self._subscribers:
                subscriber.look(now_s)

    async def finish(self) -> None:
        """Record what is left to record, if the database can be reached."""
        with suppress(psycopg.Error, psycopg_pool.PoolTimeout):
            await self._record_pushed()

    async def round(self) -> bool:
        """Read once what is new in all watched sites, wake whom it concerns; tell if more waits."""
        watched = {one.site_id for one in self._subscribers}
        self._sites = {key: site for key, site in self._sites.items() if key in watched}
        more = bool(self._sites) and await self._tell_news()
        # Alarms before book-keeping: where that fails, as on a full disk, they go on all the same.
        await self._record_pushed()
        await self._check_tokens()
        return more

    async def _tell_news(self) -> bool:
        changed: dict[int, set[str]] = {}
        try:
            await self._take_new_records()
            return await self._read_news(changed)
        finally:  # What was taken before the database went is told now: nobody reads it again.
            for site_id, site in self._sites.items():
                if aged := site.take_time(self._clock):
                    changed.setdefault(site_id, set()).update(aged)
            self._wake(changed)

    async def _read_news(self, changed: dict[int, set[str]]) -> bool:
        """One query each for readings and journal, over the union of what is watched."""
        async with self._pool.connection() as conn:
            self._drop(await restored_under(conn, self._sites))
            sites = dict(self._sites)
            # Readings first: an alarm says how fresh the readings are that it rests on.
            seen = {site_id: site.flush_id for site_id, site in sites.items()}
            scans = await read_newest_scans(conn, seen)
            for site_id in {scan.site_id for scan in scans}:
                of_site = [scan for scan in scans if scan.site_id == site_id]
                changed[site_id] = sites[site_id].take_scans(of_site, self._clock)
            heads = {site_id: site.head for site_id, site in sites.items()}
            entries = await journal.read_after_each(conn, heads, ENTRIES_PER_ROUND)
            if entries:
                written = await _written(conn, entries, sites)
                levels = await read_standing_levels(conn, entries)
                for site_id, new in written.items():
                    sites[site_id].take_entries(new)
                    relevelled = sites[site_id].take_levels(levels.get(site_id, {}), self._clock)
                    changed.setdefault(site_id, set()).update(relevelled)
        return any(len(of_site) == ENTRIES_PER_ROUND for of_site in entries.values())

    def _drop(self, restored: Iterable[int]) -> None:
        """Begin anew with sites whose database is another one, and have their lines do so."""
        for site_id in restored:
            self._sites.pop(site_id).is_former = True
            self._pushed_us.pop(site_id, None)
            log.warning("database restored under open live lines", site_id=site_id)
            for subscriber in self._subscribers:
                if subscriber.site_id == site_id:
                    subscriber.end(1013, "the database was restored; load anew, then come back")

    async def _take_new_records(self) -> None:
        for record in await self._directory.all():
            site = self._sites.get(record.site_id)
            if site is not None and site.record is not record:
                self._wake({record.site_id: site.take_record(record, self._clock)})

    async def _record_pushed(self) -> None:
        pending, self._pushed_us = self._pushed_us, {}
        try:
            while pending:
                site_id = next(iter(pending))
                async with self._pool.connection() as conn:
                    await journal.mark_pushed(conn, site_id, pending[site_id])
                del pending[site_id]
        finally:
            for site_id, numbers in pending.items():
                self._pushed_us[site_id] = {**self._pushed_us.get(site_id, {}), **numbers}

    async def _check_tokens(self) -> None:
        now_s = real_monotonic_s()
        if not self._subscribers or now_s - self._tokens_checked_s < TOKEN_CHECK_S:
            return
        self._tokens_checked_s = now_s
        asked = list(self._subscribers)  # Whoever joins meanwhile has just been verified.
        async with self._pool.connection() as conn:
            valid = await tokens.still_valid(conn, [one.token_id for one in asked])
        for subscriber in asked:
            if subscriber.token_id not in valid:
                subscriber.end(1008, "the token has expired or was revoked")

    def _tell_time(self) -> None:
        self._wake({key: site.take_time(self._clock) for key, site in self._sites.items()})

    def _wake(self, changed: dict[int, set[str]]) -> None:
        for subscriber in self._subscribers:
            if subscriber.site_id in changed:
                subscriber.wake(changed[subscriber.site_id])


async def _written(
    conn: psycopg.AsyncConnection,
    entries: Mapping[int, list[JournalEntry]],
    sites: Mapping[int, LiveSite],
) -> dict[int, list[LiveEntry]]:
    """Write the messages of journal entries, by site, each with its alarm as it stands now."""
    alarms = await read_occurrences(
        conn,
        {(site_id, entry.body["occurrence"]) for site_id, of in entries.items() for entry in of},
        {site_id: sites[site_id].record for site_id in entries},
        {site_id: sites[site_id].freshness for site_id in entries},
    )
    return {
        site_id: [
            live_entry(
                sites[site_id].record.key, entry, alarms.get((site_id, entry.body["occurrence"]))
            )
            for entry in of_site
        ]
        for site_id, of_site in entries.items()
    }
