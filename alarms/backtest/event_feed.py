"""Stored events, fed by event time to the detectors of their sources.

Each event is what its newest revision says, and has come when it happened: by event time the past
has no lateness (decision record 16).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import AsyncConnection

from alarms.replaying.catalogues import catalogue_of
from alarms.seismic.following import Followed, advance
from alarms.seismic.judging import begin_watch
from alarms.transition import Belief
from historian.event_reading import StoredEvent, earliest_events, events_as_of
from telemetry.plan import EventSourcePlan, SitePlan

NEWEST_FLUSH = "select flush_id from site where site_id = %s"


@dataclass(slots=True, eq=False)
class _Source:
    """One source, and how far its events have been taken in."""

    plan: EventSourcePlan
    events: Sequence[StoredEvent]  # By instant.
    followed: Followed
    taken: int = 0

    def until(self, newest_us: int) -> list[Belief]:
        end = bisect_right(self.events, newest_us, key=lambda event: event.at_us)
        more = catalogue_of(self.events[self.taken : end])
        self.taken = max(self.taken, end)
        self.followed, beliefs = advance(self.followed, self.plan.source, more, newest_us)
        return beliefs


class EventFeed:
    """The sources of a site that have detectors."""

    def __init__(self, sources: Sequence[_Source]) -> None:
        self._sources = sources

    def until(self, newest_us: int) -> list[Belief]:
        """Judge up to an instant that time has reached; say what is believed anew."""
        told = [belief for one in self._sources for belief in one.until(newest_us)]
        return sorted(told, key=lambda belief: (belief.at_us, belief.channel, belief.rule))


NO_SOURCES: Final = EventFeed(())


async def event_feed(
    connection: AsyncConnection, site_id: int, plan: SitePlan, span_us: range
) -> EventFeed:
    """Read the events of a span, for the sources of a configuration."""
    sources = [one for one in plan.event_sources if one.source.detectors]
    if not sources:
        return EventFeed(())
    row = await (await connection.execute(NEWEST_FLUSH, [site_id])).fetchone()
    newest = 0 if row is None else int(row[0])
    # Windows look back behind the span; what lies there is known, and not judged.
    from_us = span_us.start - round(event_warm_up_s(plan) * 1e6)
    stored = await events_as_of(connection, site_id, from_us, newest)
    first_us = await earliest_events(connection, site_id, newest)
    return EventFeed(
        [
            _Source(
                one,
                [event for event in stored if event.source == one.key],
                _begun(one, first_us.get(one.key), from_us, span_us.start),
            )
            for one in sources
        ]
    )


def event_warm_up_s(plan: SitePlan) -> float:
    """How long before a span detectors of events have to look."""
    windows_h = [
        rule.window_h + getattr(rule, "background_h", 0.0)
        for one in plan.event_sources
        for rule in one.source.detectors
    ]
    return max(windows_h, default=0.0) * 3_600.0


def _begun(one: EventSourcePlan, first_us: int | None, from_us: int, begin_us: int) -> Followed:
    """Begin without a past: since its first event a source has been listened to."""
    watch = None if first_us is None else begin_watch(max(first_us, from_us))
    return Followed(watch=watch, tick=begin_us // round(one.source.judge_every_s * 1e6))
