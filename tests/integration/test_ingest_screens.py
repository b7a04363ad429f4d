"""A reading that is not believed is stored with its number and a reason, and shown as no value."""

from pathlib import Path
from typing import Any

import numpy as np
from ingest_bench import edge_line, fetch, ingest, transitions
from ingest_site import BEGAN_US, HOUR_US, block, group_in, plan_in, site_document, write_site
from psycopg import AsyncConnection

from historian.latest import read_latest
from historian.reader import history
from telemetry.quality import Quality

SCANS = """
    select raw, coalesce(value, raw) as value, quality from scan
    where seq is not null order by time
"""
PLACE = "select distinct site_id, group_id from scan where seq is not null"
VIEW = "select value, quality from reading where channel = 'pond' order by time"


def screened_site() -> dict[str, Any]:
    tree = site_document()
    pond, _ = group_in(tree, "levels")["channels"]
    pond["screen"] = {"spike": {"most_per_hour": 6.0}}
    return tree


PLAN = plan_in(screened_site())


async def test_a_spike_is_stored_as_one_and_raises_nothing(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    site = write_site(tmp_path, screened_site())
    spike = int(Quality.SPIKE)
    async with ingest(postgres_dsn, site) as bench, edge_line(bench) as line:
        # In one block and over several; the last is a spike, for the newest reading.
        await line.put(block(PLAN, "levels", [[1.0, 0.0], [30.0, 0.0], [1.1, 0.0]], first=1))
        await line.put(block(PLAN, "levels", [[1.1, 0.0]], first=4))
        await line.put(block(PLAN, "levels", [[40.0, 0.0]], first=5))
        await line.drained()

    rows = await fetch(connection, SCANS)
    assert [row["raw"][0] for row in rows] == [1.0, 30.0, 1.1, 1.1, 40.0]
    assert [row["value"][0] for row in rows] == [1.0, 30.0, 1.1, 1.1, 40.0]
    assert [row["quality"] for row in rows] == [None, [spike, 0], None, None, [spike, 0]]
    assert await transitions(connection, kind="process") == []

    view = await fetch(connection, VIEW)
    assert [row["value"] for row in view] == [1.0, None, 1.1, 1.1, None]
    assert [row["quality"] for row in view] == [0, spike, 0, 0, spike]
    (place,) = await fetch(connection, PLACE)
    series = await history(
        connection, place["site_id"], place["group_id"], 0, 0, BEGAN_US + 30 * 24 * HOUR_US, 100
    )
    np.testing.assert_array_equal(series.value, [1.0, np.nan, 1.1, 1.1, np.nan])
    (newest,) = await read_latest(connection, place["site_id"])
    np.testing.assert_array_equal(newest.value, [np.nan, 0.0])
    assert newest.quality.tolist() == [spike, 0]
    assert newest.raw is not None
    assert newest.raw[0] == 40.0


async def test_after_a_restart_a_leap_that_stays_is_believed_in_time(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    site = write_site(tmp_path, screened_site())
    for minute, pond in enumerate((1.0, 30.0, 30.0, 30.0, 30.0), 1):
        async with ingest(postgres_dsn, site) as bench, edge_line(bench) as line:
            await line.put(block(PLAN, "levels", [[pond, 0.0]], first=minute))
            await line.drained()

    rows = await fetch(connection, SCANS)
    spike = int(Quality.SPIKE)
    assert [row["quality"] for row in rows] == [None, [spike, 0], [spike, 0], None, None]
    assert await transitions(connection, kind="process") == [
        ("pond", "limit_high", "raise", "yellow"),
        ("pond", "limit_high", "rise", "red"),
    ]


async def test_what_warms_up_is_known_beside_the_newest_reading(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    tree = site_document()
    pond, toe = group_in(tree, "levels")["channels"]
    chart = {"method": "cusum", "direction": "high", "levels": {"red": 9.0}, "source": "x"}
    pond |= {"resolution": 0.1, "charts": [{**chart, "learn_readings": 20}]}
    rate = {"direction": "high", "levels": {"red": 9.0}, "window_s": 300, "source": "x"}
    toe |= {"rate_limits": [rate]}
    plan = plan_in(tree)
    async with ingest(postgres_dsn, write_site(tmp_path, tree)) as bench, edge_line(bench) as line:
        seen = []
        for first, scans in ((1, 5), (6, 10), (16, 10)):
            rows = [[float(n % 3), 0.0] for n in range(scans)]
            await line.put(block(plan, "levels", rows, first=first))
            await line.drained()
            (found,) = await fetch(connection, "select warming from latest where raw is not null")
            seen.append(found["warming"])
    assert seen == [[4, 1], [4, 0], None]
