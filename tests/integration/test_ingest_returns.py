"""After a restart: edges come back one by one, and nothing is decided before they are there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from ingest_bench import EdgeLine, IngestBench, edge_line, fetch, ingest, transitions
from ingest_site import block, plan_in, site_document, write_site
from psycopg import AsyncConnection

from ingest.silence import SETTLING_MAX_S
from telemetry.ranges import RangeSet

PLAN = plan_in(site_document())
AGES_S = 1e6
TICKS = "select body -> 'at_us' as at_us from input where kind = 'tick' order by flush_id, ordinal"


def levels(minute: int, pond: float) -> bytes:
    return block(PLAN, "levels", [[pond, 0.0]], first=minute)


def cracks(minute: int, crack: float) -> bytes:
    return block(PLAN, "cracks", [[crack]], first=minute)


@pytest.fixture
async def epochs(postgres_dsn: str, tmp_path: Path) -> dict[str, UUID]:
    """A centre that has run before, and knew both edges."""
    epochs = {"dam-edge": uuid4(), "hill-edge": uuid4()}
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench, epoch=epochs["dam-edge"]) as dam,
        edge_line(bench, "hill-edge", epoch=epochs["hill-edge"]) as hill,
    ):
        await dam.put(levels(1, 0.0))
        await dam.drained()
        await hill.put(cracks(1, 1.0))
        await hill.drained()
    return epochs


def let_time_pass(bench: IngestBench) -> None:
    """For the ears; the longest grace and all silence are over."""
    bench.desks[0].hearing.heard_s -= AGES_S
    bench.desks[0].hearing.counted_s -= AGES_S


@asynccontextmanager
async def returning(
    bench: IngestBench, edge: str, epoch: UUID, *spool: bytes
) -> AsyncIterator[EdgeLine]:
    """An edge that has called again with a spool, and holds back what is in it."""
    line = EdgeLine(bench.port, await bench.token(edge), site="mine", edge=edge, epoch=epoch)
    line.spool = dict(enumerate(spool, 1))
    line.holds_back = True
    await line.connect()
    try:
        yield line
    finally:
        await line.close()


async def test_ticks_wait_for_what_a_returning_edge_has_in_its_spool(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, epochs: dict[str, UUID]
) -> None:
    """Pond and crack together violate in minute 3, which only the hill's spool tells."""
    ticks = len(await fetch(connection, TICKS))
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        returning(bench, "dam-edge", epochs["dam-edge"], levels(1, 0.0)) as dam,
    ):
        hills = [cracks(minute, 49.0 if minute == 3 else 1.0) for minute in range(1, 5)]
        async with returning(bench, "hill-edge", epochs["hill-edge"], *hills) as hill:
            let_time_pass(bench)
            await dam.send_all()
            for minute in range(2, 5):  # Each is a flush that looks around as well.
                await dam.put(levels(minute, 60.0 if minute == 3 else 0.0))
                await dam.drained()
            assert len(await fetch(connection, TICKS)) == ticks

            await hill.send_all()
            await hill.drained()

    assert hill.acknowledged == RangeSet([(1, 4)])
    changes = [one for one in await transitions(connection) if one[0] == "together"]
    assert changes == [
        ("together", "limit_high", "raise", "orange"),
        ("together", "limit_high", "clear", "orange"),
    ]


async def test_a_restart_makes_no_edge_silent_that_is_not_back_yet(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, epochs: dict[str, UUID]
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        returning(bench, "dam-edge", epochs["dam-edge"], levels(1, 0.0)) as dam,
    ):
        (desk,) = bench.desks
        await dam.send_all()
        let_time_pass(bench)
        await dam.put(levels(2, 0.0))
        await dam.drained()
        assert not desk.has_settled
        assert await transitions(connection) == []

        bench.pipeline._waiting_since_s -= SETTLING_MAX_S
        await dam.put(levels(3, 0.0))
        await dam.drained()
        assert desk.has_settled
        assert ("cracks", "silence", "raise", "yellow") not in await transitions(connection)

        let_time_pass(bench)
        await dam.put(levels(4, 0.0))
        await dam.drained()
        assert ("cracks", "silence", "raise", "yellow") in await transitions(connection)
