"""Ingest says that a site is looked after, but only while what it does for the site goes well."""

from pathlib import Path
from typing import Any

import pytest
from ingest_bench import edge_line, ingest
from ingest_site import block, plan_in, site_document, write_site
from psycopg import AsyncConnection
from waiting import until

from historian.heartbeat import SiteAge, beat, read_ages
from ingest import heartbeat, pipeline

PLAN = plan_in(site_document())
FORGET = "update heartbeat set beat_at = '2000-01-01'"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_EVERY_S", 0.1)
    monkeypatch.setattr(heartbeat, "LOOK_EVERY_S", 0.05)


async def is_attended(connection: AsyncConnection) -> bool:
    return all(one.is_attended for one in await read_ages(connection))


async def test_a_quiet_site_is_attended_until_its_ingest_ends(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async def attended() -> bool:
        return await is_attended(connection)

    async with ingest(postgres_dsn, write_site(tmp_path, site_document())):
        await until(attended)
        await connection.execute(FORGET)
        await until(attended)
    await connection.execute(FORGET)
    assert not await attended()


async def test_a_site_that_cannot_be_flushed_is_not_attended(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures: list[str] = []

    async def fails(*_: Any, **__: Any) -> None:
        failures.append("no space left on device")
        if len(failures) == 2:  # By now whatever was on its way has been said.
            await connection.execute(FORGET)
        raise OSError(failures[-1])

    async def failed_often() -> bool:
        return len(failures) >= 4

    async def attended() -> bool:
        return await is_attended(connection)

    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await until(attended)
        with monkeypatch.context() as patched:
            patched.setattr(pipeline.Pipeline, "_flush", fails)
            await line.put(block(PLAN, "levels", [[1.0, 2.0]]))
            await until(failed_often)
            assert not await attended()
        await until(attended)


async def test_whoever_lost_a_site_does_not_beat_for_it(connection: AsyncConnection) -> None:
    await connection.execute("insert into site (key, term) values ('mine', 5)")
    [(site_id,)] = await (await connection.execute("select site_id from site")).fetchall()
    await beat(connection, [(site_id, 4)])
    assert await read_ages(connection) == [SiteAge("mine", None)]
    await beat(connection, [(site_id, 5)])
    assert await is_attended(connection)
