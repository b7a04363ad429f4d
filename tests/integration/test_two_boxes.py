"""Two boxes with one identity: found out, told, and only the first of them is heard."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from ingest_bench import IngestBench, edge_line, ingest, transitions, until_flushed
from ingest_site import block, plan_in, site_document, write_site
from psycopg import AsyncConnection

from telemetry.frames import Hello, decode_edge_frame, encode_frame
from telemetry.ranges import RangeSet

TOLD = ("dam-edge", "two_boxes", "raise", "yellow")
LEVELS = [[1.0, 0.0]]


def told(connection: AsyncConnection) -> Callable[[], Awaitable[bool]]:
    async def is_told() -> bool:
        return TOLD in await transitions(connection)

    return is_told


@pytest.mark.parametrize("copied", ["disk", "token"])
async def test_the_second_box_is_turned_away_and_the_first_goes_on(
    postgres_dsn: str,
    connection: AsyncConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    copied: str,
) -> None:
    monkeypatch.setattr("ingest.identity_watch.RETURNS_APART_S", 0.0)
    plan = plan_in(site_document())
    first_epoch = uuid4()
    second_epoch = first_epoch if copied == "disk" else uuid4()
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench, epoch=first_epoch, run=UUID(int=1)) as first,
        edge_line(bench, epoch=second_epoch, run=UUID(int=2)) as second,
    ):
        await first.ended()  # An edge that calls again has lost its old connection …
        await first.connect()  # … but a box that is gone does not call again.
        await second.ended()
        await second.connect()
        await second.ended()
        assert second.refused is not None
        assert second.refused.code == "owned_elsewhere"
        assert "another box calls as the edge 'dam-edge'" in second.refused.message
        await first.put(block(plan, "levels", LEVELS))
        await first.until(lambda: first.acknowledged == RangeSet([(1, 1)]))
        await until_flushed(connection, told(connection))


async def test_a_box_that_is_started_again_is_no_second_one(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    epoch = uuid4()
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        for number in range(1, 6):
            async with edge_line(bench, epoch=epoch, run=UUID(int=number)) as line:
                await line.close()
                await line.connect()  # Its line broke, and it calls again.
                assert line.refused is None
        await still_heard(bench, epoch)
    assert TOLD not in await transitions(connection)


async def still_heard(bench: IngestBench, epoch: UUID) -> None:
    async with edge_line(bench, epoch=epoch) as older:  # An older agent, which names no run.
        await older.put(block(plan_in(site_document()), "levels", LEVELS))
        await older.drained()


async def test_calls_that_waited_turn_nobody_away(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """A centre that was frozen hears a run that has ended since, after the one that came then."""
    epoch = uuid4()
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        for run in (1, 2, 1, 2, 1, 2):
            async with edge_line(bench, epoch=epoch, run=UUID(int=run)) as line:
                assert line.refused is None
        async with edge_line(bench, epoch=epoch, run=UUID(int=2)) as line:
            await line.put(block(plan_in(site_document()), "levels", LEVELS))
            await line.drained()
    assert TOLD not in await transitions(connection)


def test_older_and_newer_programs_understand_each_other() -> None:
    """A field at the end: a new centre does without it, and an old one passes it over."""

    class OldHello(msgspec.Struct, array_like=True, frozen=True):
        protocol: int
        site: str
        edge: str
        epoch: UUID
        lowest_held: int
        next_seq: int

    epoch, run = uuid4(), uuid4()
    new = encode_frame(Hello(1, "mine", "dam", epoch, 1, 1, run))
    old = bytes([1]) + msgspec.msgpack.encode(OldHello(1, "mine", "dam", epoch, 1, 1))
    assert decode_edge_frame(old) == Hello(1, "mine", "dam", epoch, 1, 1, None)
    assert decode_edge_frame(new) == Hello(1, "mine", "dam", epoch, 1, 1, run)
    assert msgspec.msgpack.decode(new[1:], type=OldHello).epoch == epoch
