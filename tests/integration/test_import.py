"""Old files beside a running centre: stored, calculated, and seen by nobody who judges."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from history import NoProgress, everything
from ingest_bench import EdgeLine, HandClock, edge_line, fetch, ingest, transitions
from ingest_site import (
    BEGAN_US,
    MINUTE_US,
    NAN,
    block,
    group_in,
    plan_in,
    site_document,
    write_site,
)
from psycopg import AsyncConnection

from historian import writer
from ingest.history import storing
from ingest.history.importing import (
    ImportRefusedError,
    ImportReport,
    ImportRequest,
    import_files,
)
from ingest.history.reading import BLOCK_ROWS
from ingest.opening import open_site
from telemetry.part_file import PartFileError
from telemetry.site_file import SiteFileError

PLAN = plan_in(site_document())
MAPPING = """
files:
  - header_rows: 1
    names_row: 1
    time: { zone: UTC }
    groups:
      levels: { pond: pond, toe: toe }
      cracks: { crack: crack }
"""


def rows(minutes: Sequence[int], *columns: Sequence[Any]) -> str:
    """Lines of a file: a stamp so many minutes after the beginning, and cells."""
    lines = ["time,pond,toe,crack"]
    for minute, *cells in zip(minutes, *columns, strict=True):
        at = datetime.fromtimestamp((BEGAN_US + minute * MINUTE_US) / 1e6, UTC)
        lines.append(",".join([f"{at:%Y-%m-%d %H:%M:%S}", *map(str, cells)]))
    return "\n".join(lines) + "\n"


class Desk:
    """Somebody who imports."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn, self.folder = dsn, folder
        self.site = write_site(folder, site_document())
        self.mapping = folder / "mapping.yaml"
        self.mapping.write_text(MAPPING, encoding="utf-8")

    async def imports(self, *texts: str, skip_bad_lines: bool = False) -> ImportReport:
        files = []
        for n, text in enumerate(texts):
            files.append(self.folder / f"{n}.csv")
            files[-1].write_text(text, encoding="utf-8")
        request = ImportRequest(tuple(files), self.site, self.mapping, self.dsn, skip_bad_lines)
        return await import_files(request, HandClock(), NoProgress())


@pytest.fixture
def desk(postgres_dsn: str, tmp_path: Path) -> Desk:
    return Desk(postgres_dsn, tmp_path)


async def together(connection: AsyncConnection[Any]) -> list[tuple[int, float | None, int]]:
    """The calculated channel: minute, value, quality."""
    found = await fetch(
        connection, "select time, value, quality from reading where channel = 'together' order by 1"
    )
    return [
        (round((one["time"].timestamp() - BEGAN_US / 1e6) / 60), one["value"], one["quality"])
        for one in found
    ]


async def live(line: EdgeLine, hill: EdgeLine, minutes: Sequence[int]) -> None:
    for minute in minutes:
        await line.put(block(PLAN, "levels", [[float(minute), 1.0]], first=minute))
        await hill.put(block(PLAN, "cracks", [[0.5 * minute]], first=minute))
    await line.drained()
    await hill.drained()


async def test_history_comes_beside_live_readings_and_nobody_judges_it(
    desk: Desk, connection: AsyncConnection
) -> None:
    begin = -60 * 24 * 10
    async with ingest(desk.dsn, desk.site) as bench:
        async with edge_line(bench) as line, edge_line(bench, "hill-edge") as hill:
            await live(line, hill, [1, 2])
            newest = await fetch(connection, "select * from latest order by group_id")

            past = range(begin, begin + 90)  # Beyond every limit, for ever.
            await desk.imports(rows(past, [99.0] * 90, [99.0] * 90, [99.0] * 90))

            assert await fetch(connection, "select * from latest order by group_id") == newest
            assert await transitions(connection, kind="process") == []
            await live(line, hill, [3, 4, 25])
        told = await transitions(connection, kind="process")
    assert told == [
        ("pond", "limit_high", "raise", "yellow"),
        ("pond", "limit_high", "rise", "red"),
    ]

    await connection.execute("delete from checkpoint")
    async with ingest(desk.dsn, desk.site) as bench, edge_line(bench):
        assert bench.desks[0].healing is None  # A replay of everything finds nothing else to tell.
    assert await transitions(connection, kind="process") == told
    history = [one for one in await together(connection) if one[0] < 0]
    # For three minutes more the last values are not too old, and all inputs have passed these.
    assert history == [(minute, 198.0, 0) for minute in range(begin, begin + 93)]


@pytest.mark.parametrize("written", ["profile", "byte-order mark", "line ends"])
async def test_the_file_in_force_is_known_again_however_it_is_written(
    desk: Desk, connection: AsyncConnection, written: str
) -> None:
    if written == "profile":  # What is stored then holds the profile, too.
        tree = site_document()
        station = tree["structures"][0]["stations"][0]
        instrument = station["instruments"][0]["id"]
        channel = {"id": "air", "instrument": instrument, "point": "barometer", "slot": 0}
        group = {"id": "weather", "period_s": 60, "bus": "dam-bus", "device_id": 9}
        group |= {"profile": "demo-pond-station", "channels": [channel]}
        station["scan_groups"].append(group)
        write_site(desk.folder, tree)
    elif written == "byte-order mark":
        desk.site.write_bytes(b"\xef\xbb\xbf" + desk.site.read_bytes())
    else:
        desk.site.write_bytes(desk.site.read_bytes().replace(b"\n", b"\r\n"))
    await open_site(desk.dsn, desk.site, HandClock())

    report = await desk.imports(rows([1, 2], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]))

    assert sum(one.new for tally in report.files for one in tally.groups.values()) == 4
    assert await fetch(connection, "select max(version) as newest from configuration") == [
        {"newest": 1}
    ]


async def test_a_site_file_that_is_no_text_is_refused_with_a_sentence(desk: Desk) -> None:
    desk.site.write_bytes(b"site: caf\xe9\n")

    with pytest.raises(SiteFileError, match=r"mine\.yaml:1:1: the file is not UTF-8 text"):
        await desk.imports(rows([1], [1.0], [1.0], [1.0]))


async def test_a_centre_that_starts_after_an_import_judges_nothing_of_it(
    desk: Desk, connection: AsyncConnection
) -> None:
    past = range(-100, 0)
    await desk.imports(rows(past, *([99.0] * 100 for _ in range(3))))

    async with (
        ingest(desk.dsn, desk.site) as bench,
        edge_line(bench) as line,
        edge_line(bench, "hill-edge") as hill,
    ):
        assert bench.desks[0].healing is None
        await live(line, hill, [1, 2, 3])

    assert await fetch(connection, "select from journal") == []
    assert await fetch(connection, "select from alarm") == []


async def test_what_is_calculated_from_history_is_what_live_ticks_calculate(
    desk: Desk, connection: AsyncConnection
) -> None:
    """Gaps shorter and longer than an input may be old, bad values, and both ends."""
    random = np.random.default_rng(3)
    minutes = [*range(1, 8), *range(9, 14), *range(16, 40), *range(60, 75)]
    pond = random.normal(0.0, 1.0, len(minutes)).round(3)
    crack = np.where(random.random(len(minutes)) < 0.2, np.nan, pond * 2.0)
    async with (
        ingest(desk.dsn, desk.site) as bench,
        edge_line(bench) as line,
        edge_line(bench, "hill-edge") as hill,
    ):
        for n, minute in enumerate(minutes):
            await line.put(block(PLAN, "levels", [[pond[n], NAN]], first=minute))
            await hill.put(block(PLAN, "cracks", [[crack[n]]], first=minute))
        await line.drained()
        await hill.drained()
    computed_live = [one for one in await together(connection) if one[1] is not None]
    await connection.execute("truncate scan, stream, input, latest, block cascade")

    text = [rows(minutes, pond, [""] * len(pond), [""] * len(pond))]
    text += [rows(minutes, [""] * len(pond), [""] * len(pond), crack)]
    await desk.imports(text[0])
    assert await together(connection) == []
    await desk.imports(text[1])
    from_history = [one for one in await together(connection) if one[1] is not None]

    assert len(from_history) > 50
    assert from_history == computed_live


async def test_what_was_computed_live_is_never_touched_and_takes_the_place_of_history(
    desk: Desk, connection: AsyncConnection
) -> None:
    async with (
        ingest(desk.dsn, desk.site) as bench,
        edge_line(bench) as line,
        edge_line(bench, "hill-edge") as hill,
    ):
        await live(line, hill, [1, 2, 3])
        before = await together(connection)
        await desk.imports(rows(range(-3, 6), *([7.0] * 9 for _ in range(3))))
        after = await together(connection)
        await live(line, hill, [4, 5, 6])
        at_the_end = await together(connection)

    assert [one for one in after if one[0] in {1, 2, 3}] == before
    assert [(minute, value) for minute, value, _ in after if minute > 3] == [(4, 14.0), (5, 14.0)]
    # What comes live after its history contradicts it there, and counts.
    assert [(minute, value) for minute, value, _ in at_the_end if minute > 3] == [
        (4, 6.0),
        (5, 7.5),
        (6, 9.0),
    ]


async def test_what_is_stored_already_is_completed_or_stands_beside_what_contradicts_it(
    desk: Desk, connection: AsyncConnection
) -> None:
    async with ingest(desk.dsn, desk.site) as bench, edge_line(bench) as line:
        await line.put(block(PLAN, "levels", [[1.0, NAN], [2.0, 3.0], [4.0, 5.0]]))
        await line.drained()
    report = await desk.imports(rows([1, 2, 3], [1.0, 2.0, 4.0], [9.0, 3.0, 8.0], [""] * 3))

    tally = report.files[0].groups[PLAN.group_by_key["levels"].index]
    assert (tally.new, tally.merged, tally.duplicates, tally.conflicts) == (0, 1, 1, 1)
    found = await fetch(connection, "select revision, raw from scan where raw is not null")
    assert sorted((one["revision"], one["raw"]) for one in found) == [
        (0, [1.0, 9.0]),
        (0, [2.0, 3.0]),
        (0, [4.0, 5.0]),
        (1, [4.0, 8.0]),
    ]
    async with ingest(desk.dsn, desk.site) as bench:  # What came first is what is replayed.
        assert bench.desks[0].healing is None


BAD = rows([1, 2, 3], [1.0, "warm", 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0])


async def test_a_bad_line_refuses_every_file_before_anything_is_stored(
    desk: Desk, connection: AsyncConnection
) -> None:
    good = rows([1], [1.0], [1.0], [1.0])

    with pytest.raises(ImportRefusedError) as caught:
        await desk.imports(good, BAD)

    assert "1.csv:3:21: column 1 (pond): 'warm' is not a number" in str(caught.value)
    assert "--skip-bad-lines" in str(caught.value)
    assert await fetch(connection, "select from site") == []


async def test_bad_lines_may_be_left_out_and_are_counted(
    desk: Desk, connection: AsyncConnection
) -> None:
    report = await desk.imports(BAD + "2025-07-01 00", skip_bad_lines=True)

    findings = report.files[0].findings
    assert (findings.rows, findings.bad_lines) == (2, 1)
    assert findings.unfinished == b"2025-07-01 00"
    assert len(await fetch(connection, "select from scan where revision = 0")) == 2 + 2 + 3


@pytest.mark.parametrize(
    ("minute", "said"),
    [(-60 * 24 * 3000, "before the site began"), (60 * 24 * 2, "more than a day ahead of now")],
)
async def test_a_stamp_at_which_nothing_can_have_been_measured_is_a_bad_line(
    desk: Desk, minute: int, said: str
) -> None:
    with pytest.raises(ImportRefusedError, match=said):
        await desk.imports(rows([1, minute], *([1.0] * 2 for _ in range(3))))


async def test_an_interrupted_import_goes_on_where_it_stopped(
    desk: Desk, connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 2 * BLOCK_ROWS + 100
    minutes = range(-count, 0)
    text = rows(minutes, minutes, minutes, minutes)
    blocks = 0

    async def failing(*arguments: Any, **keys: Any) -> Any:
        nonlocal blocks
        blocks += 1
        if blocks == 4:  # The second group of the second block.
            raise ConnectionError("the power is gone")
        return await writer.write_scans(*arguments, **keys)

    with monkeypatch.context() as patched:
        patched.setattr(storing, "write_scans", failing)
        with pytest.raises(ConnectionError):
            await desk.imports(text)
    assert len(await fetch(connection, "select from scan")) == 2 * BLOCK_ROWS

    report = await desk.imports(text)
    interrupted = await everything(connection)

    tally = report.files[0].groups[PLAN.group_by_key["levels"].index]
    assert (tally.known_before, tally.new, tally.duplicates) == (BLOCK_ROWS, BLOCK_ROWS + 100, 0)
    await connection.execute("truncate scan, stream cascade")
    await desk.imports(text)
    assert await everything(connection) == interrupted
    assert len(interrupted) == 3 * count


async def test_ticks_that_waited_for_later_history_are_computed_when_it_comes(
    desk: Desk, connection: AsyncConnection
) -> None:
    early, late = range(-60 * 24 * 30, -60 * 24 * 30 + 5), range(-60 * 24, -60 * 24 + 5)
    texts = [rows(minutes, *([1.0] * 5 for _ in range(3))) for minutes in (early, late)]

    stores = []
    for order in (texts, texts[::-1]):
        for text in order:
            await desk.imports(text)
        stores.append(await everything(connection))
        await connection.execute("truncate scan, stream, uncalculated cascade")
    await desk.imports(*texts)
    stores.append(await everything(connection))

    assert stores[0] == stores[1] == stores[2]
    # Three minutes after the early ones their values are not too old.
    held = range(early[-1] + 1, early[-1] + 4)
    assert [one[0] for one in await together(connection)] == [*early, *held, *late]


@pytest.mark.parametrize("order", [1, -1])
async def test_the_order_of_the_rows_does_not_matter(
    desk: Desk, connection: AsyncConnection, order: int
) -> None:
    header, *lines = rows(range(50), range(50), range(50), range(50)).splitlines()

    await desk.imports("\n".join([header, *lines[::order]]) + "\n")

    assert [one[:2] for one in await together(connection)] == [(n, 2.0 * n) for n in range(50)]


async def test_another_site_file_than_the_one_in_force_is_refused(
    desk: Desk, connection: AsyncConnection
) -> None:
    text = rows([1], [1.0], [1.0], [1.0])
    await desk.imports(text)
    tree = site_document()
    tree["name"] = {"en": "Other", "zh": "别"}
    write_site(desk.folder, tree)

    with pytest.raises(ImportRefusedError, match="differs from version 1 of site 'mine'"):
        await desk.imports(text + text)


async def test_a_site_file_that_names_a_profile_is_the_one_in_force(desk: Desk) -> None:
    tree = site_document()
    pressures = group_in(tree, "pressures")
    pressures["profile"] = "demo-fan-plc"
    pressures["channels"][0]["point"] = "negative-pressure"
    del pressures["channels"][0]["register"]
    write_site(desk.folder, tree)
    async with ingest(desk.dsn, desk.site):
        report = await desk.imports(rows([1], [1.0], [1.0], [1.0]))
    assert report.files[0].findings.rows == 1


async def test_a_site_file_that_is_no_text_is_refused(desk: Desk) -> None:
    desk.site.write_bytes(b"site: \xff")
    with pytest.raises(SiteFileError, match="not UTF-8"):
        await desk.imports(rows([1], [1.0], [1.0], [1.0]))


async def test_a_mapping_for_other_files_is_told(desk: Desk) -> None:
    desk.mapping.write_text(MAPPING.replace("- header", '- pattern: "x*"\n    header'))
    with pytest.raises(ImportRefusedError, match=r"0\.csv:0:0: no pattern of .* fits"):
        await desk.imports(BAD)

    desk.mapping.write_text("files: []")
    with pytest.raises(PartFileError, match="the list is too short"):
        await desk.imports(BAD)
