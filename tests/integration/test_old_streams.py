"""An edge that begins one stream after the other does not fill the store."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from ingest_bench import edge_line, fetch, ingest
from ingest_site import block, plan_in, site_document, write_site
from psycopg import AsyncConnection

from ingest import callers, conversation, upkeep
from ingest.upkeep import forget_old_streams
from telemetry.frames import Lost, encode_frame
from telemetry.ranges import RangeSet

PLAN = plan_in(site_document())
EPOCHS = "select epoch from stream where edge = 'dam-edge' order by stream_id"


async def epochs(connection: AsyncConnection) -> list[UUID]:
    return [row["epoch"] for row in await fetch(connection, EPOCHS)]


async def test_old_spools_are_forgotten_and_a_line_in_use_is_not(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep, "STREAMS_KEPT", 2)
    names = [uuid4() for _ in range(6)]
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        token = await bench.token("dam-edge")
        async with edge_line(bench, epoch=names[0], token=token) as in_use:
            for name in names[1:]:
                async with edge_line(bench, epoch=name, token=token) as line:
                    if name == names[2]:
                        await line.put(block(PLAN, "levels", [[1.0, 2.0]]))
                        await line.drained()
            await forget_old_streams(connection, desks=bench.desks)

            kept = [names[0], names[2], names[4], names[5]]  # Of the third a block is remembered.
            assert await epochs(connection) == kept
            await in_use.put(block(PLAN, "levels", [[2.0, 2.0]], first=2))
            await in_use.drained()
        async with edge_line(bench, epoch=names[1], token=token) as again:
            await again.put(block(PLAN, "levels", [[3.0, 2.0]], first=3))
            await again.drained()

    assert again.acknowledged == RangeSet([(1, 1)])
    assert await epochs(connection) == [*kept, names[1]]


async def test_too_many_streams_are_refused_with_the_remedy(
    postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "STREAMS_OF_EDGE_MAX", 2)
    names = [uuid4() for _ in range(2)]
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        token = await bench.token("dam-edge")
        for name in (*names, *names):  # Those that are known may go on.
            async with edge_line(bench, epoch=name, token=token) as line:
                assert line.refused is None
        async with edge_line(bench, token=token) as line:
            await line.ended()

    assert line.refused is not None
    assert "revoke its token" in line.refused.message


async def test_a_stream_full_of_holes_is_refused_with_the_remedy(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ranges of a stream are written anew with each flush: their number has to end."""
    monkeypatch.setattr(conversation, "LOST_RANGES_MAX", 3)
    epoch = uuid4()
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        token = await bench.token("dam-edge")
        async with edge_line(bench, token=token, epoch=epoch) as line:
            for seq in (10, 20, 30, 31):  # The last two touch.
                await line.say(encode_frame(Lost(seq, seq, "gone")))
                await line.until(lambda seq=seq: seq in line.acknowledged)  # type: ignore[misc]
        async with edge_line(bench, token=token, epoch=epoch) as line:
            assert line.refused is None
            await line.say(encode_frame(Lost(40, 40, "gone")))
            await line.ended()

    assert line.refused is not None
    assert "move its spool aside" in line.refused.message
    (row,) = await fetch(connection, "select declared_lost from stream")
    assert len(row["declared_lost"]) == 3
