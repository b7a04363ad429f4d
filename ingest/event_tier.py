"""The event tier: follows the flushes, and lays down what detectors of events come to believe.

Like the slow tier for scans (decision record 0017): a task and transactions of its own, a cursor in
`flush_id`, and beliefs that the next flush takes as inputs. Where it stands is written in the
transaction that lays beliefs down; the events themselves are read from their table.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog
from psycopg import AsyncConnection

from alarms.replaying.catalogues import catalogue_of
from alarms.seismic.following import Followed, advance, answers_of, followed_of, looks_from_us
from alarms.seismic.judging import begin_watch
from alarms.transition import Belief
from historian.beliefs import owns, write_beliefs
from historian.connection import hung_up_after
from historian.event_reading import (
    StoredEvent,
    earliest_events,
    events_as_of,
    recorded_events,
    times_of_flushes,
)
from historian.event_watch import EventWatchRow, read_event_watch, write_event_watch
from ingest import metrics
from ingest.desk import SiteDesk
from ingest.following import follow
from telemetry.clock import Clock
from telemetry.plan import EventSourcePlan

ANSWER_WITHIN_S: Final = 120.0
FLUSHES_AT_ONCE: Final = 500

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Follower:
    """One site, and how far its sources have been followed."""

    desk: SiteDesk
    sources: tuple[EventSourcePlan, ...]
    followed: dict[str, Followed]
    flush_id: int
    newest_us: int


class EventTier:
    """Follows the sites of one ingest process that have detectors of events."""

    def __init__(
        self, dsn: str, desks: Sequence[SiteDesk], clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._dsn = dsn
        self._clock = clock
        self._wake = wake
        self._desks = [
            desk for desk in desks if any(one.source.detectors for one in desk.plan.event_sources)
        ]
        self._followers: dict[str, _Follower] = {}

    async def run(self) -> None:
        """Follow until cancelled, if any site has detectors of events."""
        if self._desks:
            await follow(self._dsn, "event tier", begin=self._followers.clear, look=self.look)

    async def look(self, conn: AsyncConnection) -> None:
        """Judge what the flushes have stored since the last look."""
        for desk in self._desks:
            if desk.well_s is None:  # It is recovered first.
                continue
            if desk.key not in self._followers:
                self._followers[desk.key] = await self._open(conn, desk)
            one = self._followers[desk.key]
            while one.flush_id < desk.flush_id:
                await self._catch_up(conn, one, min(desk.flush_id, one.flush_id + FLUSHES_AT_ONCE))

    async def _open(self, conn: AsyncConnection, desk: SiteDesk) -> _Follower:
        """Go on from what was written down; at first, from now on: the past has been."""
        site_id = desk.ids.site_id
        sources = tuple(one for one in desk.plan.event_sources if one.source.detectors)
        with hung_up_after(conn, ANSWER_WITHIN_S):
            row = await read_event_watch(conn, site_id)
            flush_id = desk.flush_id if row is None else row.flush_id
            newest_us = int(desk.state.newest_us.max(initial=-1)) if row is None else -1
            first_us = await earliest_events(conn, site_id, flush_id)
            followed: dict[str, Followed] = {}
            for one in sources:
                known = None if row is None else row.state.get(one.key)
                document = known or _begun(one, first_us.get(one.key), newest_us)
                from_us = _from_us(one, document["tick"], first_us.get(one.key))
                stored = await events_as_of(conn, site_id, from_us, flush_id)
                events = catalogue_of([event for event in stored if event.source == one.key])
                followed[one.key] = followed_of(document, events)
        follower = _Follower(desk, sources, followed, flush_id, newest_us)
        if row is None:  # So that a restart goes on from here, and not from later.
            await self._lay_down(conn, follower, [])
        return follower

    async def _catch_up(self, conn: AsyncConnection, one: _Follower, until: int) -> None:
        site_id = one.desk.ids.site_id
        with hung_up_after(conn, ANSWER_WITHIN_S):
            recorded = await recorded_events(conn, site_id, one.flush_id, until)
            times = await times_of_flushes(conn, site_id, one.flush_id, until)
        ticks = {key: followed.tick for key, followed in one.followed.items()}
        beliefs = await asyncio.to_thread(_followed_through, one, recorded, times)
        one.flush_id = until
        if ticks != {key: followed.tick for key, followed in one.followed.items()}:
            await self._lay_down(conn, one, beliefs)

    async def _lay_down(
        self, conn: AsyncConnection, one: _Follower, beliefs: Sequence[Belief]
    ) -> None:
        site_id = one.desk.ids.site_id
        state = {
            key: followed.document() | {"answers": answers_of(followed)}
            for key, followed in one.followed.items()
        }
        with hung_up_after(conn, ANSWER_WITHIN_S):
            async with conn.transaction():
                if not await owns(conn, site_id, one.desk.term):
                    return  # The flush finds out, and says so.
                await write_beliefs(conn, site_id, beliefs)
                row = EventWatchRow(one.flush_id, state)
                await write_event_watch(conn, site_id, row, self._clock.now_us())
        if beliefs:
            metrics.BELIEFS.labels(one.desk.key).inc(len(beliefs))
            one.desk.beliefs_laid += 1
            self._wake()


def _followed_through(
    one: _Follower, recorded: Sequence[tuple[int, StoredEvent]], times: dict[int, int]
) -> list[Belief]:
    """Go through flushes in their order, all sources beside each other."""
    of_flush: dict[int, list[StoredEvent]] = {}
    for flush_id, event in recorded:
        of_flush.setdefault(flush_id, []).append(event)
    beliefs: list[Belief] = []
    for flush_id in sorted({*of_flush, *times}):
        events = of_flush.get(flush_id, [])
        # An event may be stamped ahead of its receipt; time has not come there.
        reached = [min(event.at_us, event.received_us) for event in events]
        one.newest_us = max([one.newest_us, times.get(flush_id, -1), *reached])
        for source in one.sources:
            more = catalogue_of([event for event in events if event.source == source.key])
            one.followed[source.key], told = advance(
                one.followed[source.key], source.source, more, one.newest_us
            )
            beliefs += told
    return sorted(beliefs, key=lambda belief: (belief.at_us, belief.channel, belief.rule))


def _begun(one: EventSourcePlan, first_us: int | None, newest_us: int) -> dict[str, object]:
    """Begin with a source of which events are stored, perhaps, and nothing was judged."""
    watch = None if first_us is None else begin_watch(first_us)
    tick = None if newest_us < 0 else newest_us // round(one.source.judge_every_s * 1e6)
    return replace(Followed(), watch=watch, tick=tick).document()


def _from_us(one: EventSourcePlan, tick: object, first_us: int | None) -> int:
    """From when on events are read that had been taken in."""
    if first_us is None or not isinstance(tick, int):
        return 0 if first_us is None else first_us
    at_us = tick * round(one.source.judge_every_s * 1e6)
    return max(first_us, looks_from_us(one.source, at_us))
