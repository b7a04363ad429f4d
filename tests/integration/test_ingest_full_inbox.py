"""While a site's inbox is full its lines live on, although nothing is taken from them."""

import asyncio
from pathlib import Path

import pytest
from ingest_bench import PATIENCE_S, edge_line, fetch, ingest
from ingest_site import block, plan_in, site_document, write_site
from psycopg import AsyncConnection

from ingest import inbox
from ingest import line as line_module

PLAN = plan_in(site_document())


async def test_a_line_lives_on_while_the_inbox_is_full(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pings and pongs are seen although no block is taken; a new hello is answered as well."""
    monkeypatch.setattr(line_module, "PING_S", 0.2)
    monkeypatch.setattr(inbox, "BYTES_MAX", 1000)
    blocks = [block(PLAN, "levels", [[1.0, 2.0]], first=n) for n in range(1, 31)]
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        async with connection.transaction():
            await connection.execute("select from site for update")
            await line.put(*blocks)
            pong = await line._socket.ping()
            await asyncio.wait_for(pong, PATIENCE_S)
            cut, _ = await asyncio.wait([line._reading], timeout=2.0)
            assert not cut
            await line.close()
            await line.connect()  # It is over once the centre has answered.
        await line.drained()

    assert len(await fetch(connection, "select from scan where seq is not null")) == 30


async def test_lines_that_wait_for_the_same_room_take_turns(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Room is made for all at once, and the first may fill it: the others wait on, uncut."""
    monkeypatch.setattr(inbox, "BYTES_MAX", 1000)
    levels = [block(PLAN, "levels", [[1.0, 2.0]], first=n) for n in range(1, 31)]
    cracks = [block(PLAN, "cracks", [[1.0]], first=n) for n in range(1, 31)]
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as dam,
        edge_line(bench, "hill-edge") as hill,
    ):
        async with connection.transaction():
            await connection.execute("select from site for update")
            await dam.put(*levels)
            await hill.put(*cracks)
        await dam.drained()
        await hill.drained()

    assert len(await fetch(connection, "select from scan where seq is not null")) == 60
