"""Real instruments' files, imported as they are: what was computed by hand comes out.

What must come out stands beside the data, in its README; the calculation is the station's own.
"""

import itertools

import numpy as np
import pytest
from history import everything, imported, readings
from psycopg import AsyncConnection
from real_data import real_data_folder

pytestmark = pytest.mark.real_data

STATION, BAROMETER = "usgs_mukilteo_mvd116_14d.tsv", "usgs_mukilteo_barometer_14d.tsv"
RAIN, POND = "usgs_mukilteo_mvd116_rain.txt", "tailings_pond_2020_5min.csv"


@pytest.mark.parametrize("order", list(itertools.permutations([STATION, BAROMETER])))
async def test_a_piezometer_is_corrected_with_the_neighbours_barometer_whichever_file_comes_first(
    postgres_dsn: str, connection: AsyncConnection, order: tuple[str, ...]
) -> None:
    for name in order:
        await imported(postgres_dsn, "mukilteo", real_data_folder() / name)

    expected = {
        "piezometer-temperature": 10.9635,
        "piezometer-pressure": 0.45721,
        "water-pressure": 2.41321,
        "water-level": 0.34614,
    }
    for channel, first in expected.items():
        found = await readings(connection, channel)
        assert len(found) == 1344, channel
        assert found[0] == pytest.approx(first, rel=5e-5), channel


async def test_both_orders_and_both_at_once_leave_the_same_store(
    postgres_dsn: str, connection: AsyncConnection
) -> None:
    folder = real_data_folder()
    stores = []
    for runs in ([[STATION], [BAROMETER]], [[BAROMETER], [STATION]], [[STATION, BAROMETER]]):
        for names in runs:
            await imported(postgres_dsn, "mukilteo", *(folder / name for name in names))
        stores.append(await everything(connection))
        await connection.execute("truncate scan, uncalculated, imported_file, stream cascade")

    assert stores[0] == stores[1] == stores[2]
    assert len(stores[0]) == 3 * 1344


@pytest.mark.parametrize("order", list(itertools.permutations([STATION, BAROMETER, RAIN])))
async def test_a_file_that_contradicts_one_channel_takes_nothing_from_the_others(
    postgres_dsn: str, connection: AsyncConnection, order: tuple[str, ...]
) -> None:
    """The long record of rain says something else than the station's file, 106 times."""
    for name in order:
        await imported(postgres_dsn, "mukilteo", real_data_folder() / name)

    found = await readings(connection, "water-level")
    assert len(found) == 1344
    assert found[0] == pytest.approx(0.34614, rel=5e-5)
    cursor = await connection.execute(
        "select count(*) from scan where revision = 1 and time > '2015-12-01'"
    )
    assert await cursor.fetchone() == (106,)


async def test_repeated_stamps_of_the_rain_are_all_kept(
    postgres_dsn: str, connection: AsyncConnection
) -> None:
    report = await imported(postgres_dsn, "mukilteo", real_data_folder() / RAIN)
    again = await imported(postgres_dsn, "mukilteo", real_data_folder() / RAIN)

    assert len(await readings(connection, "rain")) == 13_082
    cursor = await connection.execute("select count(*) from scan where revision = 1")
    assert await cursor.fetchone() == (4,)  # 04:15 to 05:00 on the first of October.
    (tally,) = report.files[0].groups.values()
    assert (tally.new, tally.duplicates, tally.conflicts) == (13_082, 0, 0)
    (tally,) = again.files[0].groups.values()
    assert (tally.new, tally.known_before) == (0, 13_082)


async def test_a_grown_file_adds_only_what_is_new(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: object
) -> None:
    whole = (real_data_folder() / RAIN).read_bytes().splitlines(keepends=True)
    path = tmp_path / RAIN  # type: ignore[operator]
    for lines in (4_300, 4_302, 13_082):  # The clock is set back at line 4,281.
        path.write_bytes(b"".join(whole[:lines]))
        await imported(postgres_dsn, "mukilteo", path)

    assert len(await readings(connection, "rain")) == 13_082


async def test_the_pond_is_imported_whole_and_gaps_stay_gaps(
    postgres_dsn: str, connection: AsyncConnection
) -> None:
    report = await imported(postgres_dsn, "tailings-pond", real_data_folder() / POND)

    cursor = await connection.execute(
        "select count(*) from scan join scan_group using (site_id, group_id) where key = 'pond'"
    )
    assert await cursor.fetchone() == (26_478,)
    (covered,) = report.coverages.values()
    assert (covered.scans, covered.gaps) == (26_478, 18)
    level, freeboard = [await readings(connection, one) for one in ("pond-level", "freeboard")]
    assert len(level) == 26_478
    # A tick within a gap still has the value before it, which is not too old.
    assert len(freeboard) == 26_478 + 18
    np.testing.assert_allclose(freeboard[:100], 340.0 - level[:100])


async def test_importing_again_adds_nothing(postgres_dsn: str, connection: AsyncConnection) -> None:
    await imported(postgres_dsn, "tailings-pond", real_data_folder() / POND)
    before = await everything(connection)

    await imported(postgres_dsn, "tailings-pond", real_data_folder() / POND)
    assert await everything(connection) == before

    # Nor does it when nobody remembers that the file has come already.
    await connection.execute("update stream set delivered = '{}'")
    report = await imported(postgres_dsn, "tailings-pond", real_data_folder() / POND)
    assert await everything(connection) == before
    (tally,) = report.files[0].groups.values()
    assert (tally.new, tally.duplicates) == (0, 26_478)


async def test_nobody_is_told_anything(postgres_dsn: str, connection: AsyncConnection) -> None:
    await imported(postgres_dsn, "tailings-pond", real_data_folder() / POND)

    for table in ("latest", "alarm", "journal", "outbox", "input", "checkpoint", "quarantine"):
        cursor = await connection.execute(f"select count(*) from {table}")
        assert await cursor.fetchone() == (0,), table
