"""Measuring now: a command over the edge's line, a scan beside the schedule, and its record."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from api_centre import SITE, Centre, running_centre
from edge_stage import agent
from ingest_bench import HandClock, IngestBench, edge_line, fetch
from ingest_site import site_document, write_site
from local_alarm_stage import HasPort, stage
from modbus_bench import Bench
from psycopg import AsyncConnection
from waiting import until

from alarms.transition import Decision
from historian import actions
from historian.connection import connect
from historian.measurements import recent_measurements, waiting_measurements
from ingest.encryption import Encryption
from ingest.measuring import Measuring
from telemetry.clock import MachineClock

MINE = "test-mine"
PATH = f"/api/v1/sites/{SITE}/measurements"
PERIOD_US = 500_000


class Unknown(HasPort):
    port = 1


@asynccontextmanager
async def centre_of(dsn: str, site: Path) -> AsyncIterator[tuple[IngestBench, Measuring]]:
    centre = IngestBench(dsn, [site], HandClock(MachineClock().now_us()), Encryption())
    await centre.open()
    try:
        yield centre, Measuring(centre._pool, centre.desks, centre.parts)
    finally:
        await centre.close()


async def ask(
    connection: AsyncConnection, measuring: Measuring, centre: IngestBench, group: str
) -> UUID:
    site_id = centre.desks[0].ids.site_id
    async with connection.transaction():
        asked = await actions.ask_measurement(
            connection,
            site_id=site_id,
            group=group,
            person="Li Na",
            asked_us=centre.clock.now_us(),
            lifetime_s=20.0,
        )
    await connection.commit()
    await measuring.look()
    return asked


async def test_an_edge_measures_when_asked_and_the_scan_is_stored_beside_the_others(
    postgres_dsn: str, tmp_path: Path
) -> None:
    with Bench(relay_log=tmp_path / "relay.log") as bench:
        settings = stage(tmp_path, bench, Unknown())
        async with (
            centre_of(postgres_dsn, settings.site) as (centre, measuring),
            await connect(postgres_dsn, name="test", autocommit=True) as connection,
        ):
            settings = settings.model_copy(
                update={"centre": f"ws://127.0.0.1:{centre.port}", "drain_s": 5.0}
            )
            settings.token_file.write_text(await centre.token("edge", MINE), encoding="utf-8")
            async with agent(settings):
                await until(lambda: (MINE, "edge") in centre.parts.commanded)
                await until(lambda: stamps(connection))
                asked = await ask(connection, measuring, centre, "level")
                decision = await until(lambda: actions.decision_on(connection, asked))
                taken = await until(lambda: beside_schedule(connection))
            (record,) = await recent_measurements(connection, centre.desks[0].ids.site_id, 5)
            every = await stamps(connection)
            journal = await fetch(connection, "select 1 from journal")

    assert decision.accepted
    assert decision.reason == "2 of 2 channels were read"
    assert len(taken) == 1
    assert (record.group, record.person, record.accepted) == ("level", "Li Na", True)
    regular = [one for one in every if one % PERIOD_US == 0]
    assert (np.diff(regular) == PERIOD_US).all()  # The schedule went on as if nothing had been.
    assert journal == []


async def stamps(connection: AsyncConnection) -> list[int]:
    rows = await fetch(
        connection,
        "select (extract(epoch from time) * 1000000)::bigint as us from scan order by time",
    )
    return [row["us"] for row in rows]


async def beside_schedule(connection: AsyncConnection) -> list[int]:
    return [one for one in await stamps(connection) if one % PERIOD_US]


async def test_an_edge_that_is_away_or_too_old_is_not_waited_for(
    postgres_dsn: str, tmp_path: Path
) -> None:
    async with (
        centre_of(postgres_dsn, write_site(tmp_path, site_document())) as (centre, measuring),
        await connect(postgres_dsn, name="test", autocommit=True) as connection,
        edge_line(centre),  # It says nothing of commands, as agents did before.
    ):
        for group, reason in (
            ("levels", "the edge 'dam-edge' has no line to the centre now"),
            ("sums", "no edge measures 'sums'"),
        ):
            asked = await ask(connection, measuring, centre, group)
            decision = await actions.decision_on(connection, asked)
            assert decision is not None
            assert not decision.accepted
            assert decision.reason.startswith(reason)


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


@pytest.mark.parametrize(("accepted", "status"), [(True, 200), (False, 409)])
async def test_who_asks_hears_what_the_edge_said(
    centre: Centre, *, accepted: bool, status: int
) -> None:
    async def answered() -> bool:
        waiting = await waiting_measurements(centre.connection, centre.ids.site_id)
        for action_id, group in waiting:
            decision = Decision(str(action_id), accepted, f"what the edge said of {group}")
            await actions.decide(centre.connection, [decision], None)
        return bool(waiting)

    async with centre.client(centre.operator) as client, watched(answered):
        answer = await client.post(PATH, json={"group": "piezometers", "person": "Li Na"})
        record = (await client.get(PATH)).json()

    assert answer.status_code == status
    assert "what the edge said of piezometers" in answer.text
    assert [(one["group"], one["person"], one["done"]) for one in record] == [
        ("piezometers", "Li Na", accepted)
    ]


@asynccontextmanager
async def watched(answered: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    task = asyncio.create_task(until(answered))
    try:
        yield
        await task
    finally:
        task.cancel()


async def test_only_operators_may_ask_and_only_for_what_is_polled(centre: Centre) -> None:
    body = {"group": "piezometers", "person": "Li Na"}
    async with centre.client(centre.viewer) as client:
        assert (await client.post(PATH, json=body)).status_code == 403
    async with centre.client(centre.operator) as client:
        for group in ("nobody", "hill-sums"):
            answer = await client.post(PATH, json={**body, "group": group})
            assert answer.status_code == 404
            assert f"polls no scan group '{group}'" in answer.text
