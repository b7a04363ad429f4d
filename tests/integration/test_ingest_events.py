"""Events at the centre: each is stored once, a correction is a revision, and no clock hides any."""

import asyncio
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

from event_plans import event_bytes, events, mine_with_events
from ingest_bench import NOON_US, counted, edge_line, fetch, ingest, transitions
from ingest_site import BEGAN_US, HOUR_US, block, plan_in, site_document, write_site
from psycopg import AsyncConnection
from typer.testing import CliRunner, Result

import groundwatch
from telemetry.clock import instant_at
from telemetry.frames import Block, encode_frame
from telemetry.ranges import RangeSet

EVENTS = """
    select event_id, revision, source, time, kind, place, attributes, seq, ordinal, event.flush_id
    from event join site using (site_id) where key = 'mine' order by event_id, revision
"""
QUARANTINE = "select reason, message from quarantine order by number"
YEAR_US = 365 * 24 * HOUR_US


async def command(dsn: str, *arguments: str) -> Result:
    """Run `groundwatch quarantine` in a thread, as another process would."""
    return await asyncio.to_thread(
        CliRunner().invoke, groundwatch.app, ["quarantine", *arguments, "--dsn", dsn]
    )


async def sizes(conn: AsyncConnection[Any]) -> list[tuple[str, int, float]]:
    rows = await fetch(conn, EVENTS)
    return [(row["event_id"], row["revision"], row["attributes"]["magnitude"]) for row in rows]


async def test_events_are_stored_as_they_came(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    plan = plan_in(site_document())
    async with (
        ingest(postgres_dsn, write_site(tmp_path, mine_with_events())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(block(plan, "levels", [[1.0, 0.0]]), event_bytes(["a", "b"], [0.5, 1.5]))
        await line.drained()

    assert line.acknowledged == RangeSet([(1, 2)])
    first, second = await fetch(connection, EVENTS)
    assert first["event_id"] == "network/a"
    assert (first["source"], first["kind"], first["revision"]) == ("network", "seismic", 0)
    assert first["time"] == instant_at(BEGAN_US)
    assert first["place"][:2] == [100.0, 200.0]
    assert first["attributes"] == {"magnitude": 0.5, "quality": "A"}  # The energy is unknown.
    assert (second["seq"], second["ordinal"]) == (2, 1)
    assert (first["flush_id"], first["seq"]) == (second["flush_id"], 2)


async def test_the_same_again_is_nothing_new_and_other_content_is_a_revision(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    before = counted("events_total", site="mine", outcome="repeated")
    async with ingest(postgres_dsn, write_site(tmp_path, mine_with_events())) as bench:
        async with edge_line(bench) as line:
            await line.put(event_bytes(["a"], [1.0]), event_bytes(["a"], [1.0]))
            await line.drained()
            await line.put(event_bytes(["a", "a", "b"], [1.2, 1.2, 2.0], at_us=[BEGAN_US] * 3))
            await line.drained()
        # A spool that was restored from an old copy is a new stream, and says old things again.
        async with edge_line(bench, epoch=uuid4()) as line:
            await line.put(event_bytes(["a"], [1.0]))
            await line.drained()
            assert line.acknowledged == RangeSet([(1, 1)])

    assert await sizes(connection) == [
        ("network/a", 0, 1.0),
        ("network/a", 1, 1.2),
        ("network/b", 0, 2.0),
    ]
    assert counted("events_total", site="mine", outcome="repeated") - before == 3


async def test_the_number_of_a_block_is_stored_once(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """The edge was killed before it had noted the acknowledgement, and sends the block again."""
    async with (
        ingest(postgres_dsn, write_site(tmp_path, mine_with_events())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(event_bytes(["a"], [1.0]))
        await line.drained()
        await line.close()
        await line.connect()
        line.acknowledged = RangeSet()
        await line.say(encode_frame(Block(1, line.spool[1])))
        await line.until(lambda: 1 in line.acknowledged)

    assert await sizes(connection) == [("network/a", 0, 1.0)]


async def test_instants_that_cannot_be_meant_are_kept_aside_and_told(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    wild = [NOON_US + 40 * YEAR_US, 10, BEGAN_US, -(2**63), 2**63 - 1]
    async with (
        ingest(postgres_dsn, write_site(tmp_path, mine_with_events())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(event_bytes(list("abcde"), at_us=wild))
        await line.drained()

    assert line.acknowledged == RangeSet([(1, 1)])
    assert await sizes(connection) == [("network/c", 0, 1.0)]
    (aside,) = await fetch(connection, QUARANTINE)
    assert aside["reason"] == "implausible_clock"
    assert ("network", "implausible_clock", "raise", "yellow") in await transitions(connection)


async def test_what_the_site_file_does_not_know_waits_in_quarantine(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(
            event_bytes(["a"], [1.0]),
            event_bytes(["b"], site="other"),
            event_bytes(["c"])[:-1],
        )
        await line.drained()
        refused = await command(postgres_dsn, "release", "1")
        shown = await command(postgres_dsn, "show", "1")
    assert "no event source 'network'" in refused.stdout
    assert re.search("event source network, 1 events of the kind seismic", shown.stdout)
    reasons = [row["reason"] for row in await fetch(connection, QUARANTINE)]
    assert reasons == ["unknown_source", "wrong_site", "truncated"]

    async with ingest(postgres_dsn, write_site(tmp_path, mine_with_events())):
        released = await command(postgres_dsn, "release", "1")
        assert "1: stored" in released.stdout
    assert await sizes(connection) == [("network/a", 0, 1.0)]


async def test_another_edges_events_and_other_kinds_are_refused(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with ingest(postgres_dsn, write_site(tmp_path, mine_with_events())) as bench:
        async with edge_line(bench, "hill-edge") as line:
            await line.put(event_bytes(["a"]))
            await line.drained()
        async with edge_line(bench) as line:
            await line.put(event_bytes(["a"], kind="blast"))
            await line.drained()

    reasons = [row["reason"] for row in await fetch(connection, QUARANTINE)]
    assert reasons == ["wrong_edge", "wrong_kind"]
    assert await sizes(connection) == []


async def test_an_engine_recovers_beside_events(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """Flushes with events in them are replayed like others: the next ingest goes on."""
    plan = plan_in(site_document())
    site = write_site(tmp_path, mine_with_events())
    for first in range(2):
        async with ingest(postgres_dsn, site) as bench, edge_line(bench, epoch=uuid4()) as line:
            await line.put(
                event_bytes([f"e{first}"]), block(plan, "levels", [[25.0, 0.0]], first=first)
            )
            await line.drained()

    raised = [one for one in await transitions(connection, kind="process") if one[2] == "raise"]
    assert [one[0] for one in raised] == ["pond"]
    assert len(await sizes(connection)) == 2


def test_many_events_are_no_larger_than_a_block() -> None:
    assert len(events([f"e{n}" for n in range(128)])) == 128
    assert len(event_bytes([f"e{n}" for n in range(128)])) < 1 << 20
