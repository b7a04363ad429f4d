"""Detectors of events on a real database: what they believe is an alarm, told once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from event_plans import event_bytes, mine_with_events
from ingest_bench import NOON_US, EdgeLine, IngestBench, edge_line, fetch, ingest, transitions
from ingest_site import HOUR_US, MINUTE_US, block, plan_in, site_document, write_site
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from waiting import until

from alarms.backtest.event_feed import event_feed
from alarms.backtest.feeding import by_event_time
from alarms.backtest.running import SiteVersion, open_history, reading_snapshot
from historian.connection import connect
from historian.registry import site_id_of
from ingest.event_tier import EventTier
from telemetry.plan import SitePlan

PLAN = plan_in(site_document())
REENTRY: dict[str, Any] = {
    "method": "reentry",
    "window_h": 24,
    "large_from": 1.5,
    "usual_per_h": 2.0,
    "levels": {"yellow": 1.0, "red": 20.0},
    "source": "Rock mechanics plan, 7",
}
SITE = mine_with_events({"detectors": [REENTRY], "judge_every_s": 600})
RULE = "reentry_24"
ABOUT = ("network", RULE)
EVIDENCE = """
    select body::jsonb -> 'evidence' as evidence, body::jsonb ->> 'change' as change
    from journal where body::jsonb ->> 'rule' = %s order by number
"""
WATCH = "select flush_id, state from event_watch"


async def say(line: EdgeLine, bench: IngestBench, at_us: int, events: Sequence[bytes] = ()) -> None:
    """Let time pass to an instant: a scan says so, after the events."""
    bench.clock.us = at_us
    await line.put(*events, block(PLAN, "levels", [[1.0, 0.0]], at_us=[at_us]))
    await line.drained()


async def look(bench: IngestBench, conn: AsyncConnection, dsn: str) -> None:
    """Look once with a tier that has just begun, and let the next flush take what it believes."""
    tier = EventTier(dsn, bench.desks, bench.clock, bench.pipeline.wake_for_belief)
    async with await connect(dsn, name="tier", autocommit=True) as own:
        await until(lambda: _is_well(bench))
        await tier.look(own)

    async def taken() -> bool:
        waiting = "select from belief where taken_flush_id is null"
        return not await fetch(conn, waiting)

    await until(taken)


async def _is_well(bench: IngestBench) -> bool:
    return all(desk.well_s is not None for desk in bench.desks)


async def told(conn: AsyncConnection) -> list[tuple[str, ...]]:
    return [one[2:] for one in await transitions(conn) if one[:2] == ("network", RULE)]


async def test_a_large_event_is_an_alarm_until_its_aftershocks_have_faded(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    site = write_site(tmp_path, SITE)
    old = event_bytes(["old"], [0.1], at_us=[NOON_US - 40 * HOUR_US])
    burst_us = NOON_US + 5 * MINUTE_US
    after = [burst_us + n * MINUTE_US for n in range(1, 5)]
    burst = event_bytes(["e0", "e1", "e2", "e3", "e4"], [2.4, 0, 0, 0, 0], at_us=[burst_us, *after])
    async with ingest(postgres_dsn, site) as bench, edge_line(bench) as line:
        await say(line, bench, NOON_US, [old])
        await look(bench, connection, postgres_dsn)
        await say(line, bench, NOON_US + 12 * MINUTE_US, [burst])
        await look(bench, connection, postgres_dsn)
        # 4 aftershocks in 5 minutes are 48 an hour, 24 times the usual rate.
        assert await told(connection) == [("raise", "yellow"), ("rise", "red")]

        await say(line, bench, NOON_US + 2 * HOUR_US)
        await look(bench, connection, postgres_dsn)
        # 4 in almost two hours: as usual, but not yet below it for long.
        expected = [("raise", "yellow"), ("rise", "red"), ("fall", "yellow")]
        assert (await told(connection))[:3] == expected
    # Another ingest, and another tier, know what stands.
    async with ingest(postgres_dsn, site) as bench, edge_line(bench) as line:
        late = event_bytes(["e9"], [0.0], at_us=[NOON_US + 5 * HOUR_US - MINUTE_US])
        await say(line, bench, NOON_US + 5 * HOUR_US, [late])
        await look(bench, connection, postgres_dsn)
    assert [one[0] for one in await told(connection)] == ["raise", "rise", "fall", "clear"]
    rows = await fetch(connection, EVIDENCE, RULE)
    raised = rows[0]["evidence"]
    assert raised["method"] == "reentry"
    assert raised["bound"] == 1.0
    assert raised["source"] == REENTRY["source"]
    assert raised["events"]["magnitude"] == 2.4
    assert raised["onset_us"] == NOON_US + 10 * MINUTE_US  # The tick.
    (row,) = await fetch(connection, WATCH)
    assert row["state"]["network"]["answers"][0]["answer"] == "judged"
    lived = [(one[2], one[3]) for one in await transitions(connection) if one[:2] == ABOUT]
    assert await judged_by_event_time(postgres_dsn, plan_in(SITE)) == lived


async def judged_by_event_time(dsn: str, plan: SitePlan) -> list[tuple[str, str]]:
    """What a back-test by event time says of the source."""
    span_us = range(NOON_US - HOUR_US, NOON_US + 6 * HOUR_US)
    async with reading_snapshot(dsn) as conn:
        site_id = await site_id_of(conn, plan.site.site)
        assert site_id is not None
        stored = await open_history(conn, site_id, SiteVersion("x", plan, ""), span_us)
        events = await event_feed(conn, site_id, plan, span_us)
        found = [
            one
            async for told in by_event_time(stored, plan, events)
            for one in told.transitions
            if (one.channel, one.rule) == ABOUT
        ]
    return [(one.change.value, one.level.name.lower()) for one in found]


async def test_what_was_laid_down_is_not_believed_a_second_time(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """The tier goes on from where it has written that it stands, and says the same again."""
    site = write_site(tmp_path, SITE)
    burst = event_bytes(["old", "e0"], [0.1, 2.4], at_us=[NOON_US - 40 * HOUR_US, NOON_US])
    async with ingest(postgres_dsn, site) as bench, edge_line(bench) as line:
        await say(line, bench, NOON_US - HOUR_US)
        await look(bench, connection, postgres_dsn)
        (before,) = await fetch(connection, WATCH)
        await say(line, bench, NOON_US + 12 * MINUTE_US, [burst])
        await look(bench, connection, postgres_dsn)
        (after,) = await fetch(connection, WATCH)
        once = await told(connection)
        # As if the database had been restored to before the tier stood there.
        await connection.execute(
            "update event_watch set flush_id = %s, state = %s",
            [before["flush_id"], Jsonb(before["state"])],
        )
        await look(bench, connection, postgres_dsn)
        (again,) = await fetch(connection, WATCH)

    assert once[:1] == [("raise", "yellow")]
    assert after["flush_id"] > before["flush_id"]
    assert again["state"] == after["state"]
    assert await told(connection) == once


async def test_a_source_that_was_just_added_warms_up(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    site = write_site(tmp_path, SITE)
    async with ingest(postgres_dsn, site) as bench, edge_line(bench) as line:
        await say(line, bench, NOON_US)
        await look(bench, connection, postgres_dsn)
        burst = event_bytes(["e0"], [2.4], at_us=[NOON_US + MINUTE_US])
        await say(line, bench, NOON_US + 12 * MINUTE_US, [burst])
        tier = EventTier(postgres_dsn, bench.desks, bench.clock, bench.pipeline.wake_for_belief)
        async with await connect(postgres_dsn, name="tier", autocommit=True) as own:
            await tier.look(own)
            await say(line, bench, NOON_US + 25 * MINUTE_US)
            await tier.look(own)
    (row,) = await fetch(connection, WATCH)
    (answer,) = row["state"]["network"]["answers"]
    assert answer["answer"] == "warming_up"
    assert await told(connection) == []


async def test_a_stamp_ahead_of_its_receipt_does_not_hurry_time(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """Ticks that have not come yet must not be judged as quiet."""
    site = write_site(tmp_path, SITE)
    old = event_bytes(["old"], [0.1], at_us=[NOON_US - 40 * HOUR_US])
    ahead = event_bytes(["ahead"], [0.1], at_us=[NOON_US + 20 * HOUR_US])
    async with ingest(postgres_dsn, site) as bench, edge_line(bench) as line:
        await say(line, bench, NOON_US, [old])
        await look(bench, connection, postgres_dsn)
        await say(line, bench, NOON_US + 12 * MINUTE_US, [ahead])
        await look(bench, connection, postgres_dsn)
    (row,) = await fetch(connection, WATCH)
    assert row["state"]["network"]["tick"] == (NOON_US + 12 * MINUTE_US) // (10 * MINUTE_US)


async def test_a_corrected_magnitude_ends_what_the_first_one_raised(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    site = write_site(tmp_path, SITE)
    old = event_bytes(["old"], [0.1], at_us=[NOON_US - 40 * HOUR_US])
    at_us = [NOON_US + MINUTE_US]
    async with ingest(postgres_dsn, site) as bench, edge_line(bench) as line:
        await say(line, bench, NOON_US, [old])
        await look(bench, connection, postgres_dsn)
        await say(line, bench, NOON_US + 12 * MINUTE_US, [event_bytes(["e"], [2.4], at_us=at_us)])
        await look(bench, connection, postgres_dsn)
        await say(line, bench, NOON_US + 25 * MINUTE_US, [event_bytes(["e"], [0.4], at_us=at_us)])
        await look(bench, connection, postgres_dsn)
    assert await told(connection) == [("raise", "yellow"), ("clear", "yellow")]
