"""Edges whose clocks are wrong: their readings count, and their stamps harm nobody."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from ingest_bench import (
    NOON_US,
    EdgeLine,
    HandClock,
    counted,
    edge_line,
    fetch,
    ingest,
    transitions,
)
from ingest_site import (
    BEGAN_US,
    HOUR_US,
    MINUTE_US,
    NAN,
    SECOND_US,
    block,
    plan_in,
    site_document,
    write_site,
)
from psycopg import AsyncConnection

from telemetry.clock import instant_at
from telemetry.quality import Quality
from telemetry.ranges import RangeSet

PLAN = plan_in(site_document())
YEAR_US = 365 * 24 * HOUR_US
SCANS = "select time, revision, raw, quality, judged_at from scan where seq is not null"
PARTITIONS = """
    select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'scan'::regclass
"""
LATEST = "select time from latest join scan_group using (site_id, group_id) where key = 'levels'"
SET_BACK_US = 45 * MINUTE_US


async def test_only_what_is_in_a_row_counts_as_stored(postgres_dsn: str, tmp_path: Path) -> None:
    before = counted("readings_stored_total", site="mine")
    good = block(PLAN, "levels", [[1.0, 0.0], [2.0, 0.0]])
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(good, good)  # The second is a duplicate.
        await line.put(block(PLAN, "levels", [[3.0, 0.0]], at_us=[NOON_US + 40 * YEAR_US]))
        await line.drained()

    assert counted("readings_stored_total", site="mine") - before == 4


async def test_1970_and_the_far_future(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    wild = [10 * SECOND_US, NOON_US + 40 * YEAR_US]
    words = {"site": "mine", "reason": "implausible_clock"}
    before = counted("blocks_quarantined_total", **words)
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(
            block(PLAN, "levels", [[1.0, 0.0]], at_us=[NOON_US - 2 * MINUTE_US]),
            block(PLAN, "levels", [[25.0, 0.0], [26.0, 0.0]], at_us=wild),
        )
        await line.drained()
        bench.clock.us += MINUTE_US
        await line.put(block(PLAN, "levels", [[1.0, 0.0]], at_us=[bench.clock.us]))
        await line.drained()

    assert line.acknowledged == RangeSet([(1, 3)])
    assert line.rejected == []
    stored = await fetch(connection, f"{SCANS} order by time")
    assert [row["time"] for row in stored] == [
        instant_at(NOON_US - 2 * MINUTE_US),
        instant_at(NOON_US + MINUTE_US),
    ]
    assert [row["quality"] for row in stored] == [None, None]
    (kept,) = await fetch(connection, "select seq, reason, message, content from quarantine")
    assert (kept["seq"], kept["reason"]) == (2, "implausible_clock")
    assert kept["content"] == line.spool[2]
    assert counted("blocks_quarantined_total", **words) - before == 1
    (recorded,) = await fetch(
        connection, "select body from input where kind = 'unstored_scans' order by flush_id"
    )
    assert recorded["body"]["time_us"] == wild
    assert recorded["body"]["judged_us"] == [NOON_US, NOON_US + 1]
    assert await transitions(connection, kind="process") == [
        ("pond", "limit_high", "raise", "yellow"),
        ("pond", "limit_high", "rise", "red"),
        ("pond", "limit_high", "clear", "red"),
    ]
    assert await transitions(connection, kind="technical") == [
        ("levels", "clock", "raise", "yellow"),
        ("levels", "implausible_clock", "raise", "yellow"),
        ("levels", "implausible_clock", "clear", "yellow"),
        ("levels", "clock", "clear", "yellow"),
    ]
    assert await weeks_not_near(connection) == []


async def test_a_stamp_of_years_ago_makes_room_for_itself_alone(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """A clock with an empty battery may well show a year after the site began."""
    long_ago = NOON_US - 4 * YEAR_US
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench) as line,
    ):
        await line.put(
            block(PLAN, "levels", [[1.0, 0.0]], at_us=[NOON_US - MINUTE_US]),
            block(PLAN, "levels", [[2.0, 0.0]], at_us=[long_ago]),
        )
        await line.drained()

    stored = await fetch(connection, f"{SCANS} order by time")
    assert [row["time"] for row in stored] == [
        instant_at(long_ago),
        instant_at(NOON_US - MINUTE_US),
    ]
    assert stored[0]["quality"] == [Quality.CLOCK_SUSPECT] * 2
    assert len(await weeks_not_near(connection)) == 1


async def test_a_clock_set_back_raises_no_false_alarm_and_hides_no_true_one(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """The crack violates from minute 62 on; its on-delay of 2 minutes runs across the step."""
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench, "hill-edge") as line,
    ):
        for minute in range(60, 68):
            await line.put(crack(minute, 60.0 if minute >= 62 else 10.0, set_back=minute >= 63))
        await line.drained()

    stored = await fetch(connection, f"{SCANS} order by coalesce(judged_at, time)")
    assert [row["quality"] for row in stored] == [None] * 3 + [[Quality.CLOCK_SUSPECT]] * 5
    assert [row["judged_at"] for row in stored[3:]] == [instant_at(at(n)) for n in range(63, 68)]
    assert stored[3]["time"] == instant_at(at(63) - SET_BACK_US - 30 * SECOND_US)
    assert await transitions(connection, kind="process") == [
        ("crack", "limit_high", "raise", "orange")
    ]
    (raised,) = await fetch(connection, "select raised_at from alarm where kind = 'process'")
    assert raised["raised_at"] == instant_at(at(64))
    assert await transitions(connection, kind="technical") == [
        ("cracks", "clock", "raise", "yellow")
    ]


async def test_a_clock_set_back_onto_stored_instants_overwrites_nothing(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """The second 15 and 16 read the same as the first, and something else."""
    async with (
        ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench,
        edge_line(bench, "hill-edge") as line,
    ):
        for minute in range(10, 61):
            await line.put(crack(minute, float(minute)))
        for minute, value in ((60, 15.0), (61, 99.0), (62, 99.0), (63, 99.0)):
            at_us = at(minute) - SET_BACK_US
            await line.put(
                block(PLAN, "cracks", [[value]], at_us=[at_us], monotonic_us=[at(minute + 1)])
            )
        await line.drained()

    assert line.acknowledged == RangeSet([(1, 55)])
    stored = await fetch(connection, f"{SCANS} order by time, revision")
    assert [(row["raw"][0]) for row in stored if row["revision"] == 0] == [*range(10, 61)]
    again: list[dict[str, Any]] = [row for row in stored if row["revision"] == 1]
    assert [(row["time"], row["raw"], row["judged_at"]) for row in again] == [
        (instant_at(at(n - 45)), [99.0], instant_at(at(n + 1))) for n in (61, 62, 63)
    ]
    assert [row["quality"] for row in again] == [[Quality.CONFLICT]] * 3
    # 15 ends what began with 50; 99 outlasts the delay of two minutes by the repaired instants.
    changes = await fetch(
        connection,
        """
        select body::jsonb ->> 'change' as change, sampled_at from journal
        where body::jsonb ->> 'kind' = 'process' order by number
        """,
    )
    assert [tuple(row.values()) for row in changes] == [
        ("raise", instant_at(at(52))),
        ("clear", instant_at(at(61))),
        ("raise", instant_at(at(64))),
    ]


def at(minute: int) -> int:
    return BEGAN_US + minute * MINUTE_US


def crack(minute: int, value: float, *, set_back: bool = False) -> bytes:
    stamp = at(minute) - (SET_BACK_US + 30 * SECOND_US if set_back else 0)
    return block(PLAN, "cracks", [[value]], at_us=[stamp], monotonic_us=[at(minute)])


async def test_what_an_old_copy_of_an_edge_sends_again_says_nothing_about_now(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """The pond stands at red; the edge is restored from a copy that did not know of deliveries."""
    before = [
        block(PLAN, "levels", [[1.0, 0.0], [NAN, 0.0]]),
        block(PLAN, "levels", [[NAN, NAN], [2.0, NAN]], first=3),
    ]
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        async with edge_line(bench) as line:
            await line.put(*before, block(PLAN, "levels", [[25.0, 0.0]], first=5))
            await line.drained()
        async with edge_line(bench) as restored:
            await restored.put(*before)
            await restored.drained()
            (shown,) = await fetch(connection, LATEST)
            await restored.put(block(PLAN, "levels", [[25.0, 0.0]], first=6))
            await restored.drained()
    assert restored.acknowledged == RangeSet([(1, 3)])
    assert shown["time"] == instant_at(at(5))
    assert await transitions(connection, kind="process") == [
        ("pond", "limit_high", "raise", "yellow"),
        ("pond", "limit_high", "rise", "red"),
    ]
    assert "clock" not in {rule for _, rule, _, _ in await transitions(connection)}
    stored = await fetch(connection, f"{SCANS} order by time")
    assert [(row["time"], row["revision"]) for row in stored] == [
        (instant_at(at(minute)), 0) for minute in range(1, 7)
    ]
    assert [row["judged_at"] for row in stored] == [None] * 6


async def test_a_new_disk_whose_clock_shows_the_past_blinds_nobody(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """Its stamps meet stored ones, but its readings are others: it is the clock that is wrong."""
    async with ingest(postgres_dsn, write_site(tmp_path, site_document())) as bench:
        async with edge_line(bench) as line:
            await line.put(block(PLAN, "levels", [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
            await line.drained()
        async with edge_line(bench) as renewed:
            await renewed.put(
                block(PLAN, "levels", [[25.0, 0.0]], at_us=[at(1)], monotonic_us=[5 * SECOND_US])
            )
            await renewed.drained()
            await renewed.put(
                block(PLAN, "levels", [[1.0, 0.0]], at_us=[at(2)], monotonic_us=[65 * SECOND_US])
            )
            await renewed.drained()

    assert await transitions(connection) == [
        ("levels", "clock", "raise", "yellow"),
        ("pond", "limit_high", "raise", "yellow"),
        ("pond", "limit_high", "rise", "red"),
        ("pond", "limit_high", "clear", "red"),
    ]


async def test_a_clock_that_was_ahead_is_trusted_again_once_it_is_right(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    """Ahead by four minutes, then set right; between two scans the centre starts anew."""
    clock = HandClock(at(100))
    site = write_site(tmp_path, site_document())
    epoch = uuid4()
    spool: dict[int, bytes] = {}
    for minute in range(100, 120):
        async with ingest(postgres_dsn, site, clock=clock) as bench:
            clock.us = at(minute) + SECOND_US
            token = await bench.token("dam-edge")
            line = EdgeLine(bench.port, token, site="mine", edge="dam-edge", epoch=epoch)
            line.spool = spool
            await line.connect()
            stamps = [at(minute + 4) + 7 * SECOND_US if minute < 102 else at(minute)]
            monotonic = [at(minute) - BEGAN_US]
            row = [[1.0, 0.0]]
            await line.put(block(PLAN, "levels", row, at_us=stamps, monotonic_us=monotonic))
            await line.drained()
            await line.close()

    rows = await fetch(connection, f"{SCANS} order by seq")
    judged = [row["judged_at"] or row["time"] for row in rows]
    assert judged == sorted(set(judged))
    assert [row["judged_at"] is not None for row in rows] == [False] * 2 + [True] * 7 + [False] * 11
    assert await transitions(connection, kind="technical") == [
        ("levels", "clock", "raise", "yellow"),
        ("levels", "clock", "clear", "yellow"),
    ]


async def weeks_not_near(connection: AsyncConnection) -> list[str]:
    """The weeks for which there is room, but not those that a centre makes ahead."""
    near = {f"scan_2025{day}" for day in ("0630", "0707", "0714")}
    return [
        row["relname"] for row in await fetch(connection, PARTITIONS) if row["relname"] not in near
    ]
