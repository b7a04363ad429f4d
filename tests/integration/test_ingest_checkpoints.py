"""What a start begins from: a checkpoint that is near, or all of history as it was judged then."""

from pathlib import Path
from typing import Any

import pytest
from ingest_bench import edge_line, fetch, ingest, transitions
from ingest_site import BEGAN_US, MINUTE_US, block, group_in, plan_in, site_document, write_site
from psycopg import AsyncConnection

from alarms.journal import verify_journal
from ingest import flush
from telemetry.clock import instant_at

PLAN = plan_in(site_document())
CHECKPOINT = """
    select checkpoint.flush_id as kept, site.flush_id as newest
    from checkpoint join site using (site_id)
"""
ALARMS = "select occurrence, state, level from alarm order by number"


def pond_limit(yellow: float) -> dict[str, Any]:
    """A site file with another limit for the pond."""
    tree = site_document()
    group_in(tree, "levels")["channels"][0]["limits"][0]["levels"] = {"yellow": yellow, "red": 30.0}
    return tree


async def put_levels(
    dsn: str, folder: Path, tree: dict[str, Any], pond: list[float], *, first: int
) -> None:
    """Run an ingest, from its start to its end, while the pond stands at these levels."""
    async with ingest(dsn, write_site(folder, tree)) as bench, edge_line(bench) as dam:
        for minute, level in enumerate(pond, first):
            await dam.put(block(PLAN, "levels", [[level, 0.0]], first=minute))
            await dam.drained()


async def test_the_last_flush_leaves_a_checkpoint(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await put_levels(postgres_dsn, tmp_path, site_document(), [1.0, 2.0, 3.0], first=1)

    (row,) = await fetch(connection, CHECKPOINT)
    assert row["kept"] == row["newest"] > 3


async def test_much_that_was_judged_is_kept_however_few_flushes_it_were(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flush, "CHECKPOINT_EVERY_READINGS", 6)
    site = write_site(tmp_path, site_document())
    kept = set()
    async with ingest(postgres_dsn, site) as bench, edge_line(bench) as dam:
        for minute in range(1, 10):
            await dam.put(block(PLAN, "levels", [[1.0, 0.0]], first=minute))
            await dam.drained()
            kept |= {row["kept"] for row in await fetch(connection, CHECKPOINT)}
    assert len(kept) in {3, 4}  # The first flush keeps its configuration, whatever it holds.

    await connection.execute("delete from checkpoint")
    async with ingest(postgres_dsn, site) as bench, edge_line(bench) as dam:
        await dam.put(block(PLAN, "levels", [[1.0, 0.0]], first=10))
        await dam.drained()
        # What was replayed counts.
        assert len(await fetch(connection, CHECKPOINT)) == 1


async def test_history_is_judged_by_the_file_of_its_time(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """By the newest file alone nothing would ever have been wrong with the pond."""
    await put_levels(postgres_dsn, tmp_path, site_document(), [9.5, 11.0], first=1)
    await put_levels(postgres_dsn, tmp_path, pond_limit(9.0), [11.0, 7.5, 9.5], first=3)
    await put_levels(postgres_dsn, tmp_path, pond_limit(12.0), [], first=6)
    before = await transitions(connection)
    alarms = await fetch(connection, ALARMS)
    assert [(row["occurrence"], row["state"], row["level"]) for row in alarms] == [
        (f"pond/limit_high/{BEGAN_US + 2 * MINUTE_US}", "unacknowledged", 2)
    ]

    for _ in range(2):
        await connection.execute("delete from checkpoint")
        await put_levels(postgres_dsn, tmp_path, pond_limit(12.0), [], first=6)
        assert await transitions(connection) == before
        assert await fetch(connection, ALARMS) == alarms

    await put_levels(postgres_dsn, tmp_path, pond_limit(12.0), [9.5], first=6)
    assert await transitions(connection) == [*before, ("pond", "limit_high", "clear", "yellow")]
    versions = await fetch(connection, "select body from input where kind = 'configuration'")
    assert sorted(row["body"]["version"] for row in versions) == [1, 2, 3]


@pytest.mark.parametrize(
    ("told", "recorded", "healed"),
    [
        (25.0, 1.0, [("pond", "limit_high", "clear", "red")]),
        (25.0, 15.0, [("pond", "limit_high", "fall", "yellow")]),
        (
            1.0,
            25.0,
            [("pond", "limit_high", "raise", "yellow"), ("pond", "limit_high", "rise", "red")],
        ),
    ],
)
async def test_what_is_judged_otherwise_than_it_was_told_is_told_again(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    told: float,
    recorded: float,
    healed: list[tuple[str, ...]],
) -> None:
    """Instead of a newer program that judges otherwise: readings that have changed meanwhile."""
    await put_levels(postgres_dsn, tmp_path, site_document(), [1.0, told], first=1)
    before = await transitions(connection)
    await connection.execute("delete from checkpoint")
    await connection.execute(
        "update scan set raw = %s where time = %s",
        [[recorded, 0.0], instant_at(BEGAN_US + 2 * MINUTE_US)],
    )

    for _ in range(2):  # The second start finds nothing to do.
        await put_levels(postgres_dsn, tmp_path, site_document(), [], first=1)
        assert (await transitions(connection))[len(before) :] == healed

    (row,) = await fetch(connection, "select site_id from site")
    assert (await verify_journal(connection, row["site_id"])).broken_at is None
    # What stands goes on as one alarm, and what does not is over.
    await put_levels(postgres_dsn, tmp_path, site_document(), [1.0], first=3)
    (alarm,) = await fetch(connection, ALARMS)
    assert (alarm["state"], alarm["level"]) == ("returned_unacknowledged", 0)
