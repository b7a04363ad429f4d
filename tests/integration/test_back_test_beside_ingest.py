"""A back-test beside a centre that takes readings in: it holds nothing up, wherever it stands."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from history import import_of_mine, stepping_file
from ingest_bench import HandClock, edge_line, fetch, ingest
from ingest_site import BEGAN_US, HOUR_US, MINUTE_US, block, plan_in, site_document
from psycopg import AsyncConnection
from waiting import until

from historian.connection import connect

PLAN = plan_in(site_document())
MONTH_US = 31 * 24 * HOUR_US


async def states(connection: AsyncConnection) -> list[str]:
    rows = await fetch(
        connection,
        "select wait_event from pg_stat_activity where application_name = 'groundwatch back-test'",
    )
    return [row["wait_event"] for row in rows]


async def test_blocks_are_committed_while_a_back_test_stands_still_in_its_transaction(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    site = await import_of_mine(postgres_dsn, tmp_path, stepping_file(20))
    words = (
        f"--site {site} --from 2025-07-01 --to 2025-07-20 --order event-time --within {tmp_path}"
    )
    clock = HandClock(BEGAN_US + 2 * MONTH_US)
    async with await connect(postgres_dsn, name="test") as locking:
        await locking.execute("lock table scan")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "groundwatch", "backtest", *words.split()),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, "GROUNDWATCH_DSN": postgres_dsn},
        )
        try:
            await until(lambda: _is(connection, "relation"))
            process.send_signal(signal.SIGSTOP)
            await locking.rollback()  # Its server reads on, and then waits for it to listen.
            await until(lambda: _is(connection, "ClientRead"))

            # A month for which there is no partition yet.
            async with ingest(postgres_dsn, site, clock=clock) as bench, edge_line(bench) as line:
                for n in range(5):
                    at_us = clock.us - (5 - n) * MINUTE_US
                    await line.put(block(PLAN, "levels", [[1.0, 1.0]], at_us=[at_us]))
                await line.drained()

            process.send_signal(signal.SIGCONT)
            async with asyncio.timeout(60):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _is(connection: AsyncConnection, wanted: str) -> bool:
    return await states(connection) == [wanted]
