"""A small centre for tests of the API: real database, real server, a stand-in for ingest."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from ground import START_US
from psycopg import AsyncConnection

from alarms import journal
from alarms.transition import (
    Acknowledgement,
    AlarmKind,
    AlarmState,
    Change,
    Decision,
    Transition,
)
from api.service import listen, serve
from api.settings import ApiSettings
from historian import actions, tokens
from historian.connection import connect
from historian.heartbeat import beat
from historian.latest import LatestScan, write_latest
from historian.registry import SiteIds, register_site
from historian.tokens import Scope
from telemetry.clock import ScenarioClock, write_clock_file
from telemetry.plan import SitePlan, plan_of
from telemetry.site import Level
from telemetry.site_file import read_site_text

SITE_FILE = Path(__file__).parent / "site_files" / "north-mine.yaml"
SITE = "north-mine"


@dataclass(eq=False)
class Centre:
    """What tests may do to a centre whose API is running."""

    connection: AsyncConnection
    plan: SitePlan
    ids: SiteIds
    settings: ApiSettings
    operator: str
    viewer: str
    edge: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def live_url(self) -> str:
        return f"ws://127.0.0.1:{self.settings.port}/api/v1/live"

    def client(self, token: str | None) -> httpx.AsyncClient:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=10)

    async def flush(
        self,
        *transitions: Transition,
        scans: Sequence[LatestScan] = (),
        decisions: Sequence[Decision] = (),
        connection: AsyncConnection | None = None,
    ) -> list[int]:
        """Commit as ingest does; return the journal numbers."""
        conn = connection or self.connection
        async with conn.transaction():
            return await self.flush_within(conn, transitions, scans, decisions)

    async def flush_within(
        self,
        conn: AsyncConnection,
        transitions: Sequence[Transition],
        scans: Sequence[LatestScan] = (),
        decisions: Sequence[Decision] = (),
    ) -> list[int]:
        site_id = self.ids.site_id
        cursor = await conn.execute(
            "update site set flush_id = flush_id + 1 where site_id = %s returning flush_id",
            [site_id],
        )
        row = await cursor.fetchone()
        assert row is not None
        await write_latest(conn, site_id, row[0], scans)
        await actions.decide(conn, decisions, row[0])
        numbered = await journal.append(conn, site_id, row[0], transitions, START_US + row[0])
        await conn.execute("select pg_notify('groundwatch', 'flush')")
        return [number for number, _ in numbered]

    def scan(self, group: str, value: Sequence[float], *, at_us: int = START_US) -> LatestScan:
        """The newest scan of a group, all good."""
        return LatestScan(
            group_id=self.ids.group_ids[self.plan.group_by_key[group].index],
            time_us=at_us,
            raw=np.array(value, np.float64) * 10,
            value=np.array(value, np.float64),
            quality=np.zeros(len(value), np.int16),
        )

    async def fetch(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return await (await self.connection.execute(statement, arguments)).fetchall()  # type: ignore[call-overload, no-any-return]


@asynccontextmanager
async def running_centre(
    dsn: str,
    folder: Path,
    *,
    api_dsn: str | None = None,
    site_text: str | None = None,
    edited: Callable[[str], str] = str,
    **settings: Any,
) -> AsyncIterator[Centre]:
    """Run an API over a database that knows the north mine, at 2025-07-01, at normal speed."""
    site_text = site_text or edited(SITE_FILE.read_text(encoding="utf-8"))
    plan = plan_of(read_site_text(site_text, "north-mine.yaml"))
    clock = folder / "clock.json"
    began_real_us = ScenarioClock(0, 0, 1.0).now_us()
    write_clock_file(clock, ScenarioClock(began_real_us, START_US, 1.0))
    with listen("127.0.0.1", 0) as listening:
        chosen = ApiSettings(
            dsn=api_dsn or dsn, port=listening.getsockname()[1], clock=clock, page=folder / "page"
        )
        async with await connect(dsn, name="test", autocommit=True) as connection:
            ids = await register_site(connection, plan, site_text, START_US)
            await connection.execute("update site set term = 1")
            await beat(connection, [(ids.site_id, 1)])
            centre = Centre(
                connection,
                plan,
                ids,
                replace(chosen, **settings),
                operator=await tokens.create_token(
                    connection, Scope.OPERATOR, None, None, "test", START_US
                ),
                viewer=await tokens.create_token(
                    connection, Scope.VIEWER, None, None, "test", START_US
                ),
                edge=await tokens.create_token(
                    connection, Scope.EDGE, SITE, "dam-edge", "test", START_US
                ),
            )
            stop = asyncio.Event()
            serving = asyncio.create_task(serve(centre.settings, listening, stop))
            try:
                yield centre
            finally:
                stop.set()
                await serving


@asynccontextmanager
async def deciding_ingest(centre: Centre, dsn: str) -> AsyncIterator[None]:
    """Decide acknowledgements as they come, as the ingest that owns the site would."""

    async def decide() -> None:
        async with (
            await connect(dsn, name="ingest", autocommit=True) as conn,
            await connect(dsn, name="ears", autocommit=True) as ears,
        ):
            await ears.execute("listen groundwatch")
            while True:
                async with conn.transaction():
                    asked = await actions.undecided(conn, centre.ids.site_id)
                    judged = [await _judge(centre, conn, one) for one in asked]
                    if judged:
                        await centre.flush_within(
                            conn,
                            [step for step, _ in judged if step is not None],
                            decisions=[decision for _, decision in judged],
                        )
                async for _ in ears.notifies(timeout=0.2, stop_after=1):
                    pass

    task = asyncio.create_task(decide())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _judge(
    centre: Centre, conn: AsyncConnection, asked: Acknowledgement
) -> tuple[Transition | None, Decision]:
    cursor = await conn.execute(
        "select kind, structure, channel, rule, level, state, acknowledged_by from alarm"
        " where occurrence = %s",
        [asked.occurrence],
    )
    row = await cursor.fetchone()
    assert row is not None
    kind, structure, channel, rule, level, state, by = row
    if state != AlarmState.UNACKNOWLEDGED:
        return None, Decision(asked.action_id, False, f"the alarm is already acknowledged by {by}")
    step = Transition(
        key=f"{asked.occurrence}/acknowledge/{asked.action_id}",
        occurrence=asked.occurrence,
        change=Change.ACKNOWLEDGE,
        kind=AlarmKind(kind),
        structure=structure,
        channel=channel,
        rule=rule,
        level=Level(level),
        previous_level=Level(level),
        state=AlarmState.ACKNOWLEDGED,
        sampled_us=asked.at_us,
        evidence={"person": asked.person, "comment": asked.comment},
    )
    return step, Decision(asked.action_id, True, "")
