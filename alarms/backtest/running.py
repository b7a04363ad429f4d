"""A back-test from its request to its findings: one transaction that only reads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection, IsolationLevel

from alarms.backtest.comparison import Comparison, compare
from alarms.backtest.envelope import Envelope
from alarms.backtest.event_feed import event_feed
from alarms.backtest.feeding import Told, by_event_time, in_recorded_order, warm_up_s
from alarms.backtest.figures import DAY_US, Bounds, Figures, figures_of
from alarms.backtest.history import StoredHistory
from alarms.backtest.known_events import Announcements, KnownEvent, announcements, read_events
from alarms.backtest.lives import AlarmLife, LifeBook
from alarms.backtest.progress import Progress
from alarms.engine import SiteEngine
from alarms.replaying.eras import Era
from alarms.transition import AlarmKind
from historian.connection import connect
from historian.imported_files import has_imports
from historian.registry import (
    channels_known,
    group_ids_of,
    groups_known,
    newest_configurations,
    site_id_of,
)
from telemetry.clock import instant_at, instant_us
from telemetry.plan import SitePlan, plan_of
from telemetry.site_file import read_and_keep

Order = Literal["recorded", "event-time"]
STATEMENT_TIMEOUT_S: Final = 600.0


class BackTestRefusedError(Exception):
    """Nothing can be said; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class BackTestRequest:
    """What is to be tested."""

    site: Path
    dsn: str
    from_us: int
    to_us: int
    against: Path | None = None
    events: Path | None = None
    order: Order | None = None  # None: as recorded, if the file is the one in force.
    horizon_s: float = 86_400.0
    bounds: Bounds = field(default_factory=Bounds)
    charts: bool = False  # Whether to remember what channels did.


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """What one configuration made of the span."""

    name: str
    order: Order
    plan: SitePlan
    readings: int  # Judged, warm-up included.
    span_us: range  # In which something is stored; figures are of it.
    lives: list[AlarmLife]  # Of process and technical alarms.
    process: Figures
    technical: Figures
    announcements: Announcements | None
    envelope: Envelope | None
    left_out: int  # Alarms beyond what is kept.
    remarks: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class BackTest:
    """All that a back-test found."""

    request: BackTestRequest
    zone: tzinfo
    events: list[KnownEvent]
    finding: Finding
    against: Finding | None
    comparison: Comparison | None  # Of process alarms.


@dataclass(frozen=True, slots=True, eq=False)
class SiteVersion:
    """A site file that has been read."""

    name: str
    plan: SitePlan
    document: str


async def back_test(request: BackTestRequest, progress: Progress) -> BackTest:
    """Run the engine over stored history, under one configuration or two."""
    if request.from_us >= request.to_us:
        raise BackTestRefusedError("The span is empty: --from must lie before --to.")
    first = read_version(request.site)
    other = None if request.against is None else read_version(request.against)
    if other is not None and other.plan.site.site != first.plan.site.site:
        raise BackTestRefusedError(
            f"{other.name} is about site '{other.plan.site.site}', {first.name} about "
            f"'{first.plan.site.site}': both have to be about one site."
        )
    events: list[KnownEvent] = []
    if request.events is not None:
        events = read_events(request.events, first.plan)
    async with reading_snapshot(request.dsn) as connection:
        site_id = await known_site(connection, first.plan)
        judging = _Judging(connection, site_id, request, events, progress)
        order = await _order(connection, request, first)
        finding = await judging.finding(first, order)
        against = None if other is None else await judging.finding(other, "event-time")
    return BackTest(
        request=request,
        zone=ZoneInfo(first.plan.site.time_zone),
        events=events,
        finding=finding,
        against=against,
        comparison=None
        if against is None
        else compare(_process(finding.lives), _process(against.lives)),
    )


def read_version(path: Path) -> SiteVersion:
    """Read a site file."""
    site, document = read_and_keep(path)
    return SiteVersion(str(path), plan_of(site), document)


@asynccontextmanager
async def reading_snapshot(dsn: str) -> AsyncIterator[AsyncConnection]:
    """Open the store as it is at one instant, in a transaction that can write nothing."""
    async with await connect(
        dsn, name="back-test", statement_timeout_s=STATEMENT_TIMEOUT_S
    ) as connection:
        await connection.set_read_only(True)
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        yield connection
        await connection.rollback()


async def known_site(connection: AsyncConnection, plan: SitePlan) -> int:
    """Find the number of a plan's site in the store."""
    site_id = await site_id_of(connection, plan.site.site)
    if site_id is None:
        raise BackTestRefusedError(
            f"The store knows no site '{plan.site.site}': serve it, or import its history, first."
        )
    return site_id


async def open_history(
    connection: AsyncConnection, site_id: int, version: SiteVersion, span_us: range
) -> StoredHistory:
    """Open what is stored over a span, as a site file understands it."""
    stored = await channels_known(connection, site_id)
    for one in version.plan.channels:
        found, group = stored.get(one.key), version.plan.groups[one.group]
        if found is not None and (found.group_key, found.slot) != (group.key, one.slot):
            raise BackTestRefusedError(
                f"{version.name} has channel {one.key} in slot {one.slot} of group {group.key}, "
                f"but its readings are stored in slot {found.slot} of group {found.group_key}."
            )
    known = await groups_known(connection, site_id)
    group_ids = [known.get(group.key) for group in version.plan.groups]
    history = StoredHistory(connection, site_id, version.plan, group_ids, span_us)
    await history.open()
    return history


async def _order(
    connection: AsyncConnection, request: BackTestRequest, first: SiteVersion
) -> Order:
    newest = {key: document for _, key, _, document in await newest_configurations(connection)}
    in_force = newest.get(first.plan.site.site) == first.document
    if request.order == "recorded" and not in_force:
        raise BackTestRefusedError(
            f"{first.name} is not the site file in force, so the recorded order says nothing "
            "about it. Remedy: --order event-time."
        )
    if request.order == "recorded" and request.against is not None:
        raise BackTestRefusedError(
            "Two configurations can be compared only where both are judged by event time. "
            "Remedy: leave --order out."
        )
    if request.order is not None:
        return request.order
    return "recorded" if in_force and request.against is None else "event-time"


@dataclass(frozen=True, slots=True, eq=False)
class _Judging:
    """Judges the span of a request, once for each configuration."""

    connection: AsyncConnection
    site_id: int
    request: BackTestRequest
    events: list[KnownEvent]
    progress: Progress

    async def finding(self, version: SiteVersion, order: Order) -> Finding:
        request, plan = self.request, version.plan
        remarks: list[str] = []
        book = LifeBook(request.from_us, request.to_us)
        envelope = Envelope(plan, request.from_us, request.to_us) if request.charts else None
        steps = (
            self._recorded(version, remarks)
            if order == "recorded"
            else self._timed(version, remarks)
        )
        stored, readings = _Ends(), 0
        async for told in steps:
            readings += told.readings
            stored.take(told)
            book.take(told.transitions)
            if envelope is not None:
                for one in told.given:
                    envelope.take(told.plan, one)
        lives, span_us = book.close(), stored.within(request.from_us, request.to_us, remarks)
        technical = [one for one in lives if one.kind is AlarmKind.TECHNICAL]
        return Finding(
            name=version.name,
            order=order,
            plan=plan,
            readings=readings,
            span_us=span_us,
            lives=lives,
            process=self._figures(_process(lives), plan, span_us),
            technical=self._figures(technical, plan, span_us),
            announcements=self._announced(lives, span_us, remarks),
            envelope=envelope,
            left_out=book.left_out,
            remarks=remarks,
        )

    async def _recorded(self, version: SiteVersion, remarks: list[str]) -> AsyncIterator[Told]:
        connection = self.connection
        if await has_imports(connection, self.site_id):
            remarks.append(
                "What was imported is not seen in the recorded order; --order event-time sees it."
            )
        newest = [
            number
            for site_id, _, number, _ in await newest_configurations(connection)
            if site_id == self.site_id
        ]
        row = await (
            await connection.execute("select flush_id from site where site_id = %s", [self.site_id])
        ).fetchone()
        told = self.progress.begin(f"replaying {version.plan.site.site}", row[0] if row else 0)
        group_ids = await group_ids_of(connection, self.site_id, version.plan)
        era = Era(newest[0], version.plan, group_ids, SiteEngine(version.plan))
        reached = 0
        async for step in in_recorded_order(connection, self.site_id, era):
            yield step
            told(step.reached - reached)
            reached = step.reached

    async def _timed(self, version: SiteVersion, remarks: list[str]) -> AsyncIterator[Told]:
        request = self.request
        began_us = instant_us(version.plan.site.began_at)
        warm_us = round(warm_up_s(version.plan) * 1e6)
        span_us = range(
            max(min(began_us, request.from_us), request.from_us - warm_us), request.to_us
        )
        history = await open_history(self.connection, self.site_id, version, span_us)
        if history.repaired_left_out:
            remarks.append("Scans whose clock was wrong are so many that they were left out.")
        told = self.progress.begin(f"judging by {version.name}", len(span_us) // 1_000_000)
        reached_us = span_us.start
        events = await event_feed(self.connection, self.site_id, version.plan, span_us)
        failed: set[str] = set()
        async for step in by_event_time(history, version.plan, events):
            for method, error in step.failed:
                if method not in failed:  # What it would have told is missing, and said to be.
                    remarks.append(f"Method {method} failed, and tells nothing from there: {error}")
                    failed.add(method)
            yield step
            told((step.reached - reached_us) // 1_000_000)
            reached_us = step.reached

    def _figures(self, lives: list[AlarmLife], plan: SitePlan, span_us: range) -> Figures:
        zone = ZoneInfo(plan.site.time_zone)
        return figures_of(lives, span_us.start, span_us.stop, self.request.bounds, zone)

    def _announced(
        self, lives: list[AlarmLife], span_us: range, remarks: list[str]
    ) -> Announcements | None:
        """Hold alarms beside the events of the stored span: of others nothing can be said."""
        if self.request.events is None:
            return None
        horizon_us = round(self.request.horizon_s * 1e6)
        to_us = min(self.request.to_us, span_us.stop + horizon_us)
        found = announcements(
            lives, self.events, from_us=span_us.start, to_us=to_us, horizon_us=horizon_us
        )
        if others := len(self.events) - len(found.detections):
            remarks.append(f"Known events outside the span, or where nothing is stored: {others}.")
        return found


@dataclass(slots=True)
class _Ends:
    """From when until when something is stored."""

    oldest_us: int | None = None
    newest_us: int | None = None

    def take(self, told: Told) -> None:
        if (ends_us := told.ends_us) is not None:
            self.oldest_us = min(ends_us[0], self.oldest_us or ends_us[0])
            self.newest_us = max(ends_us[1], self.newest_us or ends_us[1])

    def within(self, from_us: int, to_us: int, remarks: list[str]) -> range:
        """Cut a span to what is stored, and remark where much of it is not; never to nothing."""
        if self.oldest_us is None or self.newest_us is None:
            remarks.append("Nothing of the span was judged.")
            return range(from_us, from_us + 1)
        begin_us, end_us = max(from_us, self.oldest_us), min(to_us, self.newest_us)
        if begin_us >= end_us:
            remarks.append("Nothing of the span was judged.")
            return range(from_us, from_us + 1)
        if begin_us - from_us > DAY_US:
            remarks.append(f"What is stored begins at {instant_at(begin_us)}; so do the figures.")
        if to_us - end_us > DAY_US:
            remarks.append(f"What is stored ends at {instant_at(end_us)}; so do the figures.")
        return range(begin_us, end_us)


def _process(lives: list[AlarmLife]) -> list[AlarmLife]:
    return [one for one in lives if one.kind is AlarmKind.PROCESS]
