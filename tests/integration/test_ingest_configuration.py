"""A new site file: what was judged stays judged, what is open stays open, old edges are heard."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ingest_bench import HandClock, edge_line, fetch, ingest, transitions
from ingest_site import BEGAN_US, MINUTE_US, block, group_in, plan_in, site_document, write_site
from psycopg import AsyncConnection

from alarms.journal import verify_journal
from historian.registry import RegistrationError
from ingest.opening import open_site
from telemetry.clock import instant_at
from telemetry.quality import Quality
from telemetry.ranges import RangeSet

OLD = plan_in(site_document())


def changed() -> dict[str, Any]:
    """The toe's gauge is gone; the pond's limit is lower at 9, and red already at 10.8."""
    tree = site_document()
    levels = group_in(tree, "levels")
    del levels["channels"][1]
    levels["channels"][0]["limits"][0]["levels"] = {"yellow": 9.0, "red": 10.8}
    return tree


async def run_the_old(dsn: str, tmp_path: Path) -> None:
    """The pond and the toe violate; the crack does, but not yet for two minutes."""
    async with (
        ingest(dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as dam,
        edge_line(bench, "hill-edge") as hill,
    ):
        await dam.put(block(OLD, "levels", [[9.5, 6.0], [11.0, 6.0]]))
        await hill.put(block(OLD, "cracks", [[60.0], [60.0]]))
        await dam.drained()
        await hill.drained()


AFTER_THE_OLD = [
    ("toe", "limit_high", "raise", "blue"),
    ("pond", "limit_high", "raise", "yellow"),
]


async def test_old_readings_keep_their_verdicts_and_the_state_goes_on(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await run_the_old(postgres_dsn, tmp_path)
    assert await transitions(connection) == AFTER_THE_OLD

    async with (
        ingest(postgres_dsn, write_site(tmp_path, changed())) as bench,
        edge_line(bench) as dam,
        edge_line(bench, "hill-edge") as hill,
    ):
        await hill.put(block(OLD, "cracks", [[60.0]], first=3))
        await hill.drained()
        # 11 stays yellow until the new limits have seen a reading.
        assert await transitions(connection) == [
            *AFTER_THE_OLD,
            ("toe", "limit_high", "clear", "blue"),
            ("crack", "limit_high", "raise", "orange"),
        ]
        new = plan_in(changed())
        await dam.put(block(new, "levels", [[11.0], [10.0]], first=3))
        await dam.drained()

    assert (await transitions(connection))[4:] == [("pond", "limit_high", "rise", "red")]
    (onset,) = await fetch(connection, "select occurrence from alarm where channel = 'crack'")
    assert onset["occurrence"] == f"crack/limit_high/{BEGAN_US + MINUTE_US}"
    versions = await fetch(
        connection, "select body from input where kind = 'configuration' order by flush_id"
    )
    assert [row["body"] for row in versions] == [{"version": 1}, {"version": 2}]
    site_id = bench.desks[0].ids.site_id
    assert (await verify_journal(connection, site_id)).broken_at is None


async def test_an_edge_with_the_old_file_is_still_heard(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await run_the_old(postgres_dsn, tmp_path)

    async with ingest(postgres_dsn, write_site(tmp_path, changed())) as bench:
        async with edge_line(bench) as dam:
            await dam.put(block(OLD, "levels", [[10.0, 7.0]], first=3))
            await dam.drained()
        assert dam.acknowledged == RangeSet([(1, 1)])
        assert dam.rejected == []
    # Once more from the beginning of the new file's time: it must come to the same.
    async with (
        ingest(postgres_dsn, write_site(tmp_path, changed())) as bench,
        edge_line(bench) as dam,
    ):
        await dam.put(block(plan_in(changed()), "levels", [[7.0]], first=4))
        await dam.drained()

    wide, narrow = await fetch(
        connection, "select raw, value, quality from scan where time >= %s order by time", minute(3)
    )
    # What the number of a channel that has left means, nobody knows any more.
    assert wide["raw"] == [10.0, 7.0]
    np.testing.assert_array_equal(wide["value"], [10.0, np.nan])
    assert wide["quality"] == [Quality.GOOD, Quality.NO_VALUE]
    assert narrow["raw"] == [7.0]
    assert await transitions(connection) == [
        *AFTER_THE_OLD,
        ("toe", "limit_high", "clear", "blue"),
        ("pond", "limit_high", "clear", "yellow"),
    ]


async def test_an_opening_that_crashed_is_made_up_for_by_the_next(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await run_the_old(postgres_dsn, tmp_path)
    path = write_site(tmp_path, changed())
    await open_site(postgres_dsn, path, HandClock())

    async with ingest(postgres_dsn, path) as bench, edge_line(bench) as dam:
        await dam.put(block(plan_in(changed()), "levels", [[10.0]], first=3))
        await dam.drained()

    assert await transitions(connection) == [*AFTER_THE_OLD, ("toe", "limit_high", "clear", "blue")]
    versions = await fetch(
        connection, "select body from input where kind = 'configuration' order by flush_id"
    )
    assert [row["body"] for row in versions] == [{"version": 1}, {"version": 2}]


async def test_an_edge_that_has_left_the_file_is_not_waited_for(
    postgres_dsn: str, tmp_path: Path
) -> None:
    await run_the_old(postgres_dsn, tmp_path)
    without_hill = site_document()
    for bus in without_hill["buses"]:
        bus["edge"] = "dam-edge"

    desk = await open_site(postgres_dsn, write_site(tmp_path, without_hill), HandClock())

    assert desk.known_edges == {("mine", "dam-edge")}


async def test_a_file_that_contradicts_the_store_does_not_take_the_site(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as dam,
    ):
        await dam.put(block(OLD, "levels", [[1.0, 1.0]]))
        await dam.drained()
        contradiction = site_document()
        group_in(contradiction, "levels")["channels"][1]["id"] = "heel"
        (tmp_path / "wrong").mkdir()
        with pytest.raises(RegistrationError, match="heel"):
            await open_site(
                postgres_dsn, write_site(tmp_path / "wrong", contradiction), bench.clock
            )

        await dam.put(block(OLD, "levels", [[1.0, 1.0]], first=2))
        await dam.drained()

    assert len(await fetch(connection, "select from scan")) == 2


def minute(number: int) -> datetime:
    return instant_at(BEGAN_US + number * MINUTE_US)
