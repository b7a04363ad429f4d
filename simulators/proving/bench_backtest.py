"""`groundwatch bench backtest`: how many stored readings a second does one core judge anew?

A history of quiet readings is stored in an embedded database of the bench's own and judged by event
time, as a back-test does: read, converted, judged by limits, rates, EWMA and CUSUM. What the core
needs for judging alone is told beside it; the server reads with a core of its own.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from psycopg import AsyncConnection

from alarms.backtest.feeding import by_event_time
from alarms.backtest.history import StoredHistory
from alarms.engine import SiteEngine
from alarms.recurrences import fastest
from alarms.transition import Inputs
from historian.connection import connect
from historian.embedded import EmbeddedPostgres
from historian.migration import migrate
from historian.partition import ensure_partitions
from historian.registry import SiteIds, register_site
from historian.scan_rows import ScanWrite
from historian.writer import begin_flush, take_site, write_scans
from simulators.proving.bench_plan import bench_plan
from telemetry.plan import SitePlan

GROUP_CHANNELS: Final = 100
PERIOD_US: Final = 60_000_000
BEGAN_US: Final = 1_767_225_600_000_000  # 2026-01-01
SCANS_AT_ONCE: Final = 200


def run_bench_backtest(channels: int, scans: int, *, as_json: bool) -> int:
    """Measure, print, and return the exit code."""
    plan = bench_plan(max(GROUP_CHANNELS, channels), GROUP_CHANNELS)
    with tempfile.TemporaryDirectory(prefix="groundwatch-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "data", settings={"fsync": "off"})
        try:
            report = asyncio.run(_bench(server.start(), plan, scans))
        finally:
            server.stop()
    sys.stdout.write(json.dumps(report) + "\n" if as_json else _in_words(report))
    return 0


def _in_words(report: dict[str, Any]) -> str:
    lines = [
        f"{report['channels']:,} channels, {report['readings']:,} readings, on one core:",
        f"  read, converted and judged  {report['readings_per_s']:>14,} readings/s",
        f"  the same, once begun        {report['begun_readings_per_s']:>14,} readings/s",
        f"  judged alone                {report['judged_readings_per_s']:>14,} readings/s",
    ]
    return "\n".join([*lines, ""])


async def _bench(dsn: str, plan: SitePlan, scans: int) -> dict[str, Any]:
    await migrate(dsn)
    async with await connect(dsn, name="bench", autocommit=True) as connection:
        ids = await _stored(connection, plan, scans)
        await connection.execute("vacuum analyze scan")
    async with await connect(dsn, name="bench") as connection:
        span_us = range(BEGAN_US, BEGAN_US + scans * PERIOD_US)
        history = StoredHistory(connection, ids.site_id, plan, ids.group_ids, span_us)
        began_s = time.process_time()
        await history.open()
        steps = by_event_time(history, plan)
        first = readings = (await anext(steps)).readings
        begun_s = time.process_time()
        async for told in steps:
            readings += told.readings
        ended_s = time.process_time()
        judged_s = await _judging_alone(history, plan)
    assert readings == scans * len(plan.channels), "a back-test judges what is stored, all of it"
    return {
        "channels": len(plan.channels),
        "readings": readings,
        "readings_per_s": round(readings / (ended_s - began_s)),
        "begun_readings_per_s": round((readings - first) / (ended_s - begun_s)),
        "judged_readings_per_s": round(readings / judged_s),
    }


async def _judging_alone(history: StoredHistory, plan: SitePlan) -> float:
    """Measure what the engine needs for the same stretches."""
    engine = SiteEngine(plan, recurrences=fastest())
    state = engine.initial_state()
    needed_s = 0.0
    async for stretch in history.stretches():
        began_s = time.process_time()
        engine.step(state, Inputs(scans=stretch.scans))
        needed_s += time.process_time() - began_s
    return needed_s


async def _stored(connection: AsyncConnection, plan: SitePlan, scans: int) -> SiteIds:
    ids = await register_site(connection, plan, "bench", BEGAN_US)
    await ensure_partitions(connection, range(BEGAN_US, BEGAN_US + scans * PERIOD_US))
    _, term = await take_site(connection, plan.site.site)
    chance = np.random.default_rng(1)
    for first in range(0, scans, SCANS_AT_ONCE):
        numbers = np.arange(first, min(first + SCANS_AT_ONCE, scans))
        async with connection.transaction():
            flush_id = await begin_flush(connection, ids.site_id, term)
            for group in plan.groups:
                value = chance.standard_normal((len(numbers), group.slot_count))
                at_us = BEGAN_US + numbers * PERIOD_US
                write = ScanWrite(
                    group_id=ids.group_ids[group.index],
                    stream_id=1,
                    seq=first,
                    time_us=at_us,
                    judged_us=at_us,
                    ordinal=(numbers - first).astype(np.int16),
                    raw=value,
                    value=value,
                    quality=np.zeros(value.shape, np.int16),
                )
                await write_scans(connection, ids.site_id, flush_id, [write])
    return ids
