"""From an edge's spool to a row: exactly once, acknowledged once it is there for everybody."""

from pathlib import Path

import numpy as np
from ingest_bench import (
    EdgeLine,
    counted,
    edge_line,
    fetch,
    ingest,
    transitions,
    until_flushed,
)
from ingest_site import (
    BEGAN_US,
    MINUTE_US,
    NAN,
    SECOND_US,
    block,
    plan_in,
    site_document,
    write_site,
)
from psycopg import AsyncConnection

from alarms.transition import Decision
from historian import actions
from historian.streams import open_stream
from telemetry.clock import instant_at, real_monotonic_s
from telemetry.frames import Block, encode_frame
from telemetry.quality import Quality
from telemetry.ranges import RangeSet

PLAN = plan_in(site_document())
SCANS = """
    select scan_group.key as group, time, revision, raw, value, quality, seq, ordinal, judged_at
    from scan join scan_group using (site_id, group_id) join site using (site_id)
    where site.key = %s order by scan_group.group_id, time, revision
"""
# A commit that takes a while: an acknowledgement that does not wait for it comes before it.
SLOW_COMMIT = """
    create function linger() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.3); return null; end $$;
    create constraint trigger linger after update on stream deferrable initially deferred
        for each row execute function linger();
"""


async def stored_seqs(connection: AsyncConnection, line: EdgeLine) -> list[int]:
    rows = await fetch(connection, "select distinct seq from scan where seq is not null order by 1")
    return [row["seq"] for row in rows]


async def test_blocks_are_stored_with_raw_value_and_quality(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(
            block(PLAN, "levels", [[1.0, 2.0], [3.0, NAN]]),
            block(PLAN, "pressures", [[8.0, 2000.0]]),
        )
        await line.drained()

    good, lacking, converted = await fetch(connection, SCANS, "mine")
    assert (good["group"], good["seq"], good["ordinal"]) == ("levels", 1, 0)
    assert good["time"] == instant_at(BEGAN_US + MINUTE_US)
    assert good["raw"] == [1.0, 2.0]
    assert good["value"] is good["quality"] is good["judged_at"] is None
    assert (lacking["seq"], lacking["ordinal"]) == (1, 1)
    np.testing.assert_array_equal(lacking["raw"], [3.0, NAN])
    assert lacking["value"] is None
    assert lacking["quality"] == [Quality.GOOD, Quality.NO_REPLY]
    assert converted["raw"] == [8.0, 2000.0]
    np.testing.assert_array_equal(converted["value"], [4.0, NAN])
    assert converted["quality"] == [Quality.GOOD, Quality.OUT_OF_RANGE]
    assert line.acknowledged == RangeSet([(1, 2)])


async def test_an_acknowledgement_comes_only_when_others_see_the_row(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    await connection.execute(SLOW_COMMIT)
    missing: list[int] = []
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):

        async def look() -> None:
            seen = await stored_seqs(connection, line)
            acknowledged = [n for first, last in line.acknowledged for n in range(first, last + 1)]
            missing.extend(set(acknowledged) - set(seen))

        line.on_acknowledged = look
        for n in range(1, 4):
            await line.put(block(PLAN, "levels", [[1.0, 2.0]], first=n))
            await line.drained()

    assert line.acknowledged == RangeSet([(1, 3)])
    assert missing == []


async def test_what_calculated_channels_say_is_stored_too(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as dam,
        edge_line(bench, "hill-edge") as hill,
    ):
        await dam.put(block(PLAN, "levels", [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]))
        await hill.put(block(PLAN, "cracks", [[30.0], [40.0]]))
        await dam.drained()
        await hill.drained()

    sums = [row for row in await fetch(connection, SCANS, "mine") if row["group"] == "sums"]
    assert [row["value"] for row in sums] == [[31.0], [42.0]]
    assert all(row["raw"] is row["seq"] is None for row in sums)


async def test_a_repeated_block_is_acknowledged_again_and_not_stored_again(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    content = block(PLAN, "levels", [[11.0, 2.0]])
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(content)
        await line.drained()
        line.acknowledged = RangeSet()

        await line.say(sent_again(1, content))
        await line.until(lambda: 1 in line.acknowledged)

    assert len(await fetch(connection, SCANS, "mine")) == 1
    assert await transitions(connection) == [("pond", "limit_high", "raise", "yellow")]


async def test_the_same_number_with_other_content_is_told(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(block(PLAN, "levels", [[1.0, 2.0]]))
        await line.drained()
        for value in (3.0, 4.0, 5.0):
            bench.clock.us += SECOND_US
            line.acknowledged = RangeSet()
            await line.say(sent_again(1, block(PLAN, "levels", [[value, 2.0]])))
            await line.until(lambda: 1 in line.acknowledged)

    (row,) = await fetch(connection, SCANS, "mine")
    assert row["raw"] == [1.0, 2.0]
    # It may be data that nobody else has: every one is kept.
    assert await kept(connection) == [
        (1, "content_differs", block(PLAN, "levels", [[value, 2.0]])) for value in (3.0, 4.0, 5.0)
    ]
    assert [(one.seq, one.reason) for one in line.rejected] == [(1, "content_differs")] * 3
    # The second and the third within the minute are not told again.
    assert await transitions(connection) == [
        ("dam-edge", "content_differs", "raise", "yellow"),
        ("dam-edge", "content_differs", "clear", "yellow"),
    ]


async def test_declared_losses_are_recorded_and_the_stream_goes_on(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(block(PLAN, "levels", [[1.0, 2.0]]))
        await line.drained()
        await line.close()
        line.spool = {5: block(PLAN, "levels", [[2.0, 2.0]], first=5)}
        await line.connect()
        await line.drained()

        (stream,) = bench.desks[0].streams.values()
        stored = await open_stream(
            connection, bench.desks[0].ids.site_id, stream.edge, stream.epoch
        )

    assert stored.delivered == [(1, 1), (5, 5)]
    assert stored.lost == [(2, 4)]
    (loss,) = await fetch(connection, "select first, last, reason from loss")
    assert (loss["first"], loss["last"]) == (2, 4)
    assert "no longer holds" in loss["reason"]
    assert 3 in line.acknowledged
    assert await transitions(connection) == [
        ("dam-edge", "declared_lost", "raise", "yellow"),
        ("dam-edge", "declared_lost", "clear", "yellow"),
    ]


async def test_a_block_that_was_declared_lost_and_comes_after_all_is_kept(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    found = block(PLAN, "levels", [[3.0, 2.0]], first=3)
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.close()
        line.spool = {5: block(PLAN, "levels", [[2.0, 2.0]], first=5)}
        await line.connect()
        await line.drained()
        for _ in range(3):
            line.acknowledged = RangeSet()
            await line.say(sent_again(3, found))
            await line.until(lambda: 3 in line.acknowledged)
        rules = [rule for _, rule, change, _ in await transitions(connection) if change == "raise"]

    assert await kept(connection) == [(3, "found_again", found)]  # The same again is nothing new.
    assert rules == ["declared_lost", "quarantined_found_again"]


async def kept(connection: AsyncConnection) -> list[tuple[int, str, bytes]]:
    """What is in quarantine."""
    rows = await fetch(connection, "select seq, reason, content from quarantine order by number")
    return [(row["seq"], row["reason"], row["content"]) for row in rows]


async def test_an_operator_is_answered_within_a_second(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        site_id = bench.desks[0].ids.site_id
        await line.put(block(PLAN, "levels", [[11.0, 2.0]]))
        await line.drained()

        async def asked(occurrence: str) -> tuple[bool, str, float]:
            began_s = real_monotonic_s()
            action_id = await actions.ask(
                connection,
                site_id=site_id,
                occurrence=occurrence,
                person="Li Wei",
                comment="on my way",
                asked_us=bench.clock.now_us(),
                lifetime_s=10.0,
            )

            async def decided() -> bool:
                return await actions.decision_on(connection, action_id) is not None

            await until_flushed(connection, decided)
            decision = await actions.decision_on(connection, action_id)
            assert decision is not None
            return decision.accepted, decision.reason, real_monotonic_s() - began_s

        accepted = await asked(f"pond/limit_high/{BEGAN_US + MINUTE_US}")
        again = await asked(f"pond/limit_high/{BEGAN_US + MINUTE_US}")
        unknown = await asked("pond/limit_high/1")

    assert accepted[:2] == (True, "")
    assert again[:2] == (
        False,
        f"the alarm pond/limit_high/{BEGAN_US + MINUTE_US} is already acknowledged by Li Wei",
    )
    assert unknown[:2] == (
        False,
        "the alarm pond/limit_high/1 is not open: it is normal already, or never was",
    )
    assert max(accepted[2], again[2], unknown[2]) < 1.0
    assert await transitions(connection) == [
        ("pond", "limit_high", "raise", "yellow"),
        ("pond", "limit_high", "acknowledge", "yellow"),
    ]
    (alarm,) = await fetch(connection, "select state, acknowledged_by, comment from alarm")
    assert list(alarm.values()) == ["acknowledged", "Li Wei", "on my way"]


async def test_who_saw_a_yellow_does_not_answer_for_the_red(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(block(PLAN, "levels", [[11.0, 2.0]]))
        await line.drained()
        await line.put(block(PLAN, "levels", [[21.0, 2.0]], first=2))
        await line.drained()

        async def asked(seen_number: int) -> Decision:
            action_id = await actions.ask(
                connection,
                site_id=bench.desks[0].ids.site_id,
                occurrence=f"pond/limit_high/{BEGAN_US + MINUTE_US}",
                person="Li Wei",
                comment="",
                asked_us=bench.clock.now_us(),
                lifetime_s=10.0,
                seen_number=seen_number,
            )

            async def decided() -> bool:
                return await actions.decision_on(connection, action_id) is not None

            await until_flushed(connection, decided)
            decision = await actions.decision_on(connection, action_id)
            assert decision is not None
            return decision

        of_the_yellow, of_the_red = await asked(1), await asked(2)

    assert not of_the_yellow.accepted
    assert "has risen to red since you looked at it" in of_the_yellow.reason
    assert of_the_red.accepted
    assert [change for _, _, change, _ in await transitions(connection)] == [
        "raise",
        "rise",
        "acknowledge",
    ]


async def test_two_sites_do_not_mix(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    other = plan_in(site_document("pit"))
    before = counted("scans_stored_total", site="pit")
    sites = [write_site(tmp_path, site_document(site)) for site in ("mine", "pit")]
    async with (
        ingest(postgres_dsn, *sites) as bench,
        edge_line(bench) as mine,
        edge_line(bench, site="pit") as pit,
    ):
        for first in range(1, 30, 3):
            high = [[11.0, 0.0]] * 3
            await mine.put(block(PLAN, "levels", np.zeros((3, 2)), first=first))
            await pit.put(block(other, "levels", high, first=first))
        await mine.drained()
        await pit.drained()

    for site, value in (("mine", 0.0), ("pit", 11.0)):
        rows = await fetch(connection, SCANS, site)
        assert [row["raw"][0] for row in rows] == [value] * 30
    assert await transitions(connection, "mine") == []
    assert await transitions(connection, "pit") == [("pond", "limit_high", "raise", "yellow")]
    assert counted("scans_stored_total", site="pit") - before == 30


def sent_again(seq: int, content: bytes) -> bytes:
    """A block frame, past what the edge's side of the protocol would send."""
    return encode_frame(Block(seq, content))


async def test_what_the_database_has_lost_is_sent_again(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """A replica takes over that lacks the newest commits; the edge still has the blocks."""
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(*(block(PLAN, "levels", [[1.0, 2.0]], first=n) for n in (1, 2, 3)))
        await line.drained()
        async with connection.transaction():
            for statement in (
                "update stream set delivered = '{[1,2)}'",
                "delete from block where seq > 1",
                "delete from scan where seq > 1",
                "delete from latest",
            ):
                await connection.execute(statement)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'groundwatch ingest' and datname = current_database()"
        )
        await line.put(block(PLAN, "levels", [[1.0, 2.0]], first=4))
        await line.ended()
        await line.connect()
        await line.drained()

    stored = await fetch(connection, "select seq from scan where seq is not null order by seq")
    assert [row["seq"] for row in stored] == [1, 2, 3, 4]
