"""A run of a script through ingest's flushes, which a test may cut, drop and make fail."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from ingest_bench import HandClock, fetch
from ingest_site import BEGAN_US
from psycopg import AsyncConnection
from recovery_script import Answer, Arrive, Step

from alarms.journal import verify_journal
from historian import actions
from historian.connection import connect
from historian.streams import open_stream
from ingest.desk import SiteDesk
from ingest.inbox import Arrival, Inbox, Stream
from ingest.opening import open_site
from ingest.pipeline import Pipeline
from telemetry.clock import real_monotonic_s
from telemetry.ranges import RangeSet
from telemetry.uplink import BlockReceived

# Fails at the very end of the flush's transaction; a sequence is not set back with it.
FAULTS = """
    create table fault (attempt bigint);
    create sequence attempts;
    create function fail_if_planned() returns trigger language plpgsql as $$
        declare
            number bigint := nextval('attempts');
        begin
            if exists (select from fault where attempt = number) then
                raise exception 'planned';
            end if;
            return null;
        end $$;
    create constraint trigger fail_if_planned after update on site
        deferrable initially deferred for each row
        when (new.flush_id <> old.flush_id) execute function fail_if_planned();
"""
FORGET = """
    truncate site, scan, fault restart identity cascade;
    alter sequence attempts restart;
"""
OPEN_ALARM = """
    select occurrence from alarm where channel = %s and rule = 'limit_high'
    and state in ('unacknowledged', 'returned_unacknowledged')
"""
SCANS = """
    select scan_group.key as group, time, revision, raw::text, value::text, quality, edge, seq,
           ordinal, judged_at
    from scan join scan_group using (site_id, group_id) left join stream using (stream_id)
    order by scan_group.key, time, revision
"""
ALARMS = """
    select occurrence, kind, structure, channel, rule, state, level, worst_level, raised_at,
           changed_at, cleared_at, acknowledged_at, acknowledged_by, comment, evidence
    from alarm order by occurrence
"""


FLUSHES_MAX = 20  # Of which some may be told to fail.


@dataclass(frozen=True)
class Plan:
    """How a run is disturbed; numbers are those of steps, except for faults."""

    flushed_after: Collection[int]
    dropped_after: Collection[int] = ()
    failing_flushes: Collection[int] = ()


@dataclass(frozen=True)
class Record:
    """What a run left in the database."""

    journal: list[dict[str, Any]]
    alarms: list[dict[str, Any]]
    scans: list[dict[str, Any]]
    broken_at: int | None


class Run:
    """One life of a site: pipelines come and go, the database stays."""

    def __init__(self, dsn: str, path: Path, connection: AsyncConnection) -> None:
        self._dsn, self._path, self._connection = dsn, path, connection
        self._sent: list[Arrive] = []
        self._answers = 0
        self._desk: SiteDesk
        self._pipeline: Pipeline
        self._connections: tuple[AsyncConnection, AsyncConnection]

    async def through(self, steps: list[Step], plan: Plan) -> Record:
        """Run a whole script."""
        for attempt in plan.failing_flushes:
            await self._connection.execute("insert into fault values (%s)", [attempt])
        await self._open()
        for number, step in enumerate(steps):
            await self._take(step)
            if number in plan.dropped_after:
                await self._drop()
                await self._open()
            elif number in plan.flushed_after:
                await self._flush()
        await self._flush_all()
        record = await self._record()
        await self._drop()
        return record

    async def _take(self, step: Step) -> None:
        if isinstance(step, Arrive):
            self._sent.append(step)
            self._put(step)
            return
        await self._flush_all()
        if isinstance(step, Answer):
            await self._answer(step)
        else:
            group = self._desk.plan.group_by_key[step.group].index
            self._desk.hearing.heard_s[group] -= 1e6
            self._desk.hearing.counted_s[group] -= 1e6
            # A flush that fails is tried again while the group says nothing still.
            for _ in range(FLUSHES_MAX):
                if self._desk.state.silent[group]:
                    break
                await self._flush()

    async def _answer(self, step: Answer) -> None:
        self._answers += 1
        for row in await fetch(self._connection, OPEN_ALARM, step.channel):
            await actions.ask(
                self._connection,
                site_id=self._desk.ids.site_id,
                occurrence=row["occurrence"],
                person=f"operator {self._answers}",
                comment="seen",
                asked_us=step.at_us,
                lifetime_s=600.0,
            )
        self._pipeline.wake_for_action()

    async def _open(self) -> None:
        clock = HandClock(BEGAN_US)
        self._desk = await open_site(self._dsn, self._path, clock)
        self._desk.known_edges = set()  # All are back at once.
        self._inbox = Inbox()
        self._pipeline = Pipeline(self._dsn, [self._desk], self._inbox, clock, ())
        self._connections = (
            await connect(self._dsn, name="ingest"),
            await connect(self._dsn, name="partitions", autocommit=True),
        )
        for edge in ("dam-edge", "hill-edge"):
            stored = await open_stream(self._connection, self._desk.ids.site_id, edge, _epoch(edge))
            self._desk.streams[edge, _epoch(edge)] = Stream(
                site=self._desk.key,
                edge=edge,
                epoch=_epoch(edge),
                stream_id=stored.stream_id,
                delivered=RangeSet(stored.delivered),
            )
        await self._pipeline._recover_all(self._connections[0])
        for one in self._sent:  # The edges send again what was not acknowledged.
            if one.seq not in self._stream(one.edge).delivered:
                self._put(one)

    async def _drop(self) -> None:
        for one in self._connections:
            await one.close()

    def _stream(self, edge: str) -> Stream:
        return self._desk.streams[edge, _epoch(edge)]

    def _put(self, one: Arrive) -> None:
        digest = hashlib.sha256(one.content).digest()
        event = BlockReceived(one.seq, one.content, digest)
        heard_s = real_monotonic_s()
        self._inbox.put(Arrival(self._stream(one.edge), event, one.received_us, heard_s))

    async def _flush(self) -> None:
        await self._pipeline._flush_or_recover(*self._connections)

    async def _flush_all(self) -> None:
        await self._flush()
        while len(self._inbox) or self._pipeline._asked.is_set():
            await self._flush()

    async def _record(self) -> Record:
        bodies = [
            json.loads(row["body"])
            for row in await fetch(self._connection, "select body from journal")
        ]
        for body in bodies:
            del body["number"], body["stored_us"]
            body["evidence"].pop("action_id", None)
            if body["change"] == "acknowledge":
                body["key"] = body["key"].rpartition("/")[0]
        verification = await verify_journal(self._connection, self._desk.ids.site_id)
        return Record(
            journal=sorted(bodies, key=lambda one: (one["sampled_us"], one["channel"], one["key"])),
            alarms=await fetch(self._connection, ALARMS),
            scans=await fetch(self._connection, SCANS),
            broken_at=verification.broken_at,
        )


def _epoch(edge: str) -> UUID:
    return UUID(bytes=hashlib.sha256(edge.encode()).digest()[:16])
