"""Histories are short enough, keep their extremes, and show what is not known."""

import numpy as np
import pytest
from hill import NAN, ROOM, SECOND_US, START_US, make_hill, scans
from psycopg import AsyncConnection

from historian import reader
from historian.partition import ensure_partitions
from historian.reader import history, latest
from historian.writer import LatestScan, ScanWrite, write_latest, write_scans
from telemetry.quality import Quality

DAY_US = 86_400 * SECOND_US


@pytest.fixture
async def site_id(connection: AsyncConnection) -> int:
    return await make_hill(connection)


async def store(connection: AsyncConnection, site_id: int, *writes: ScanWrite) -> None:
    for write in writes:  # Flush by flush, so that a conflict is one.
        async with connection.transaction():
            await write_scans(connection, site_id, 1, [write])


async def test_a_short_history_is_told_whole(connection: AsyncConnection, site_id: int) -> None:
    bad = int(Quality.ELECTRICAL)
    await store(
        connection,
        site_id,
        scans([[5.0, 1.0], [6.0, 2.0], [7.0, 3.0]], quality=[[0, 0], [0, bad], [0, 0]],
              value=[[5.0, 1.5], [6.0, NAN], [7.0, 3.5]]),
    )  # fmt: skip

    series = await history(connection, site_id, 1, 1, ROOM.start, ROOM.stop, 100)

    assert series.time_us.tolist() == [START_US + n * SECOND_US for n in range(3)]
    np.testing.assert_array_equal(series.value, [1.5, NAN, 3.5])
    assert series.quality.tolist() == [0, bad, 0]
    plain = await history(connection, site_id, 1, 0, ROOM.start, ROOM.stop, 100)
    assert plain.value.tolist() == [5.0, 6.0, 7.0]


async def test_the_end_does_not_belong_to_a_history(
    connection: AsyncConnection, site_id: int
) -> None:
    await store(connection, site_id, scans([[float(n)] for n in range(10)]))

    series = await history(
        connection, site_id, 1, 0, START_US + 2 * SECOND_US, START_US + 5 * SECOND_US, 100
    )

    assert series.value.tolist() == [2.0, 3.0, 4.0]


async def test_nothing_stored_is_an_empty_history(
    connection: AsyncConnection, site_id: int
) -> None:
    assert len(await history(connection, site_id, 1, 0, ROOM.start, ROOM.stop, 100)) == 0
    assert len(await history(connection, site_id, 1, 0, ROOM.stop, ROOM.start, 100)) == 0


async def test_a_slot_that_an_older_scan_did_not_have_is_missing(
    connection: AsyncConnection, site_id: int
) -> None:
    await store(connection, site_id, scans([[1.0]]), scans([[2.0, 3.0]], first=1))

    series = await history(connection, site_id, 1, 1, ROOM.start, ROOM.stop, 100)

    np.testing.assert_array_equal(series.value, [NAN, 3.0])
    assert series.quality.tolist() == [Quality.NO_VALUE, 0]


async def test_a_contradicted_reading_is_marked(connection: AsyncConnection, site_id: int) -> None:
    await store(connection, site_id, scans([[1.0], [2.0]]), scans([[9.0]], first=1))

    series = await history(connection, site_id, 1, 0, ROOM.start, ROOM.stop, 100)

    assert series.value.tolist() == [1.0, 2.0]
    assert series.quality.tolist() == [0, Quality.CONFLICT]


async def test_what_only_a_contradicting_scan_has_measured_is_shown(
    connection: AsyncConnection, site_id: int
) -> None:
    nothing, dead = int(Quality.NO_VALUE), int(Quality.NO_REPLY)
    await store(
        connection,
        site_id,
        scans([[1.0, NAN, NAN]], quality=[[0, nothing, dead]]),
        scans([[2.0, 5.0, 6.0]]),
        scans([[3.0, 7.0, 6.0]]),
    )

    first, second, third = [
        await history(connection, site_id, 1, slot, ROOM.start, ROOM.stop, 100) for slot in range(3)
    ]

    assert (first.value.tolist(), first.quality.tolist()) == ([1.0], [Quality.CONFLICT])
    assert (second.value.tolist(), second.quality.tolist()) == ([5.0], [Quality.CONFLICT])
    assert (third.value.tolist(), third.quality.tolist()) == ([6.0], [Quality.GOOD])


async def test_a_bad_reading_that_came_first_is_not_replaced(
    connection: AsyncConnection, site_id: int
) -> None:
    bad = int(Quality.ELECTRICAL)
    await store(
        connection,
        site_id,
        scans([[1.0, 99.0]], value=[[1.0, NAN]], quality=[[0, bad]]),
        scans([[2.0, 5.0]]),
    )

    series = await history(connection, site_id, 1, 1, ROOM.start, ROOM.stop, 100)

    np.testing.assert_array_equal(series.value, [NAN])
    assert series.quality.tolist() == [bad]


@pytest.mark.parametrize("part", [1, 50_000])
async def test_a_channel_that_only_a_later_revision_knows_is_shown(
    connection: AsyncConnection, site_id: int, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """The second scan contradicts the first in one channel, and alone knows the two others."""
    monkeypatch.setattr(reader, "PART_READINGS", part)
    unread, broken = int(Quality.NO_REPLY), int(Quality.ELECTRICAL)
    await store(
        connection,
        site_id,
        scans([[1.0, NAN, 4.0]], quality=[[0, unread, broken]], value=[[1.0, NAN, NAN]]),
        scans([[9.0, 2.0, 5.0, 3.0]]),
    )

    shown = [
        await history(connection, site_id, 1, slot, ROOM.start, ROOM.stop, 100) for slot in range(4)
    ]

    np.testing.assert_array_equal([one.value[0] for one in shown], [1.0, 2.0, NAN, 3.0])
    assert [len(one) for one in shown] == [1, 1, 1, 1]
    assert [one.quality[0] for one in shown] == [Quality.CONFLICT, 0, broken, 0]


async def test_a_stretch_without_scans_breaks_the_line(
    connection: AsyncConnection, site_id: int
) -> None:
    await store(
        connection,
        site_id,
        scans([[1.0], [2.0]]),
        scans([[3.0], [4.0]], first=4),  # Three periods: just not long enough.
        scans([[5.0], [6.0]], first=100),
    )

    series = await history(connection, site_id, 1, 0, ROOM.start, ROOM.stop, 100)

    np.testing.assert_array_equal(series.value, [1.0, 2.0, 3.0, 4.0, NAN, 5.0, 6.0])
    assert series.quality[4] == Quality.NO_VALUE


async def test_weeks_of_readings_become_few_points_with_their_extremes(
    connection: AsyncConnection, site_id: int
) -> None:
    await ensure_partitions(connection, range(START_US, START_US + 21 * DAY_US))
    count = 20 * 1440  # A reading a minute, for 20 days: three partitions and a bit.
    time_us = START_US + np.arange(count, dtype=np.int64) * 60 * SECOND_US
    raw = np.sin(np.arange(count) / 500.0)[:, None]
    raw[7_777], raw[12_345], raw[20_000] = 50.0, -50.0, np.nan
    quality = np.zeros(raw.shape, np.int16)
    quality[20_000] = Quality.NO_REPLY
    whole = ScanWrite(1, 1, 0, time_us, time_us, np.zeros(count, np.int16), raw, raw, quality)
    await store(connection, site_id, whole)

    for points in (2, 3, 4, 50, 1000):
        series = await history(connection, site_id, 1, 0, START_US, START_US + 20 * DAY_US, points)

        assert len(series) <= points
        assert (np.diff(series.time_us) > 0).all()
        assert series.time_us[0] == time_us[0]
        assert series.time_us[-1] == time_us[-1]
        if points >= 5:
            assert len(series) > points // 2
            assert np.nanmax(series.value) == 50.0
            assert np.nanmin(series.value) == -50.0
            at = series.time_us.tolist().index(int(time_us[20_000]))
            assert np.isnan(series.value[at])
            assert series.quality[at] == Quality.NO_REPLY


async def test_the_newest_scans_are_read_as_they_were_written(
    connection: AsyncConnection, site_id: int
) -> None:
    measured = LatestScan(
        1, START_US, np.array([1.0, NAN]), np.array([10.0, NAN]), np.array([0, 101], np.int16)
    )
    calculated = LatestScan(2, START_US, None, np.array([3.0]), np.zeros(1, np.int16))
    async with connection.transaction():
        await write_latest(connection, site_id, 7, [calculated, measured])

    first, second = await latest(connection, site_id)

    assert (first.group_id, first.time_us, first.silent, first.flush_id) == (1, START_US, False, 7)
    np.testing.assert_array_equal(first.raw, [1.0, NAN])
    np.testing.assert_array_equal(first.value, [10.0, NAN])
    assert first.quality.tolist() == [0, 101]
    assert second.raw is None
    assert second.value.tolist() == [3.0]
    assert second.quality.tolist() == [0]


async def test_the_view_is_a_plain_table_of_readings(
    connection: AsyncConnection, site_id: int
) -> None:
    await connection.execute(
        "insert into channel values (%s, 1, 0, 'pore', 'pressure', 'kPa'), "
        "(%s, 1, 1, 'rain', 'rain', 'mm')",
        [site_id, site_id],
    )
    await store(connection, site_id, scans([[1.0, NAN]], value=[[0.1, NAN]], quality=[[0, 101]]))

    cursor = await connection.execute(
        "select site, channel, value, quality, unit from reading order by channel"
    )

    assert await cursor.fetchall() == [
        ("hill", "pore", 0.1, 0, "kPa"),
        ("hill", "rain", None, 101, "mm"),
    ]
