"""A watched folder at the edge: whatever is done with its files, each row is taken once."""

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from edge_agent.folder import FolderWatching, _safe_or_stopped
from edge_agent.source import TakenScan
from telemetry.clock import MachineClock
from telemetry.plan import SitePlan, plan_of
from telemetry.site_file import SiteFileError, read_site_text

SITE = """
site: mine
name: { en: Mine, zh: 矿 }
time_zone: UTC
began_at: 2020-01-01T00:00:00Z
buses:
  - id: files
    edge: box
    folder: { path: FOLDER, look_every_s: 0.01 }
structures:
  - id: dam
    kind: tailings_dam
    name: { en: Dam, zh: 坝 }
    stations:
      - id: crest
        name: { en: Crest, zh: 坝顶 }
        instruments: [{ id: gauge, type: gauge }]
        scan_groups:
          - id: levels
            period_s: 60
            bus: files
            file: { pattern: "*.dat", kind: toa5, time: { zone: "+08:00" } }
            channels:
              - id: pond
                instrument: gauge
                quantity: water_level
                unit: m
                slot: 0
                column: Pond
              - { id: toe, instrument: gauge, quantity: water_level, unit: m, slot: 2, column: 3 }
"""
HEADER = """"TOA5","s","CR6","1","os","prog","sig","t"
"TIMESTAMP","RECORD","Pond","Toe"
"TS","RN","m","m"
"","","Smp","Smp"
"""
PATIENCE_S = 20.0


def row(number: int, toe: float | str = 1.5) -> str:
    return f'"2025-07-01 {8 + number // 60:02}:{number % 60:02}:00",{number},{number / 4},{toe}\n'


def rows(first: int, last: int) -> str:
    return "".join(map(row, range(first, last)))


class Watch:
    """A source that is running, and a spool that takes what it finds."""

    def __init__(self, folder: Path, marks: Path) -> None:
        self.folder, self.marks = folder, marks
        self.scans: list[TakenScan] = []
        self.takes = True
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None]

    async def start(self) -> None:
        plan = site(self.folder)
        source = FolderWatching(
            plan.site.buses[0], plan.groups, keep=self.keep, marks_file=self.marks
        )
        await source.warm_up()
        self._running = asyncio.create_task(
            source.run(MachineClock(), self._stop, begin_us=0, newest_us={})
        )

    def keep(self, scan: TakenScan) -> None:
        self.scans.append(scan)
        if self.takes:
            assert scan.kept is not None
            asyncio.get_running_loop().call_soon(scan.kept)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def has(self, count: int) -> None:
        await self.until(lambda: len(self.scans) >= count)

    async def end(self) -> None:
        self._stop.set()
        await self._running

    async def die(self) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])

    @property
    def pond(self) -> list[float]:
        return [float(scan.raw[0]) * 4 for scan in self.scans]


def site(folder: Path, text: str = SITE) -> SitePlan:
    return plan_of(read_site_text(text.replace("FOLDER", str(folder)), "site"))


@asynccontextmanager
async def watching(tmp_path: Path) -> AsyncIterator[Watch]:
    folder = tmp_path / "data"
    folder.mkdir(exist_ok=True)
    watch = Watch(folder, tmp_path / "spool.db.files.marks")
    await watch.start()
    try:
        yield watch
    finally:
        await watch.end()


async def test_rows_become_scans_out_of_any_order(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        (watch.folder / "a.dat").write_text(HEADER + row(0) + row(1, "NAN"))
        await watch.has(2)

    first, second = watch.scans
    assert first.plan.key == "levels"
    assert first.sampled_us == 1_751_328_000_000_000  # Eight in the morning is midnight in UTC.
    np.testing.assert_array_equal(first.raw, [0.0, np.nan, 1.5])
    np.testing.assert_array_equal(second.raw, [0.25, np.nan, np.nan])
    assert first.quality.tolist() == [0, 100, 0]
    assert not first.in_order


async def test_a_growing_file_is_gone_on_with_and_half_a_line_waits(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        path = watch.folder / "a.dat"
        whole = HEADER + rows(0, 30)
        for end in (5, len(HEADER) - 3, len(HEADER) + 40, len(HEADER) + 90, len(whole)):
            path.write_text(whole[:end])  # Also rewritten whole, as some loggers do.
            await watch.has(whole[:end].count("\n") - 4)
        with path.open("a") as file:
            for number in range(30, 40):
                file.write(row(number))
                file.flush()
                await watch.has(number + 1)
    assert watch.pond == list(range(40))


async def test_a_file_that_is_rotated_is_read_to_its_end_and_the_new_one_from_its_beginning(
    tmp_path: Path,
) -> None:
    async with watching(tmp_path) as watch:
        path = watch.folder / "a.dat"
        path.write_text(HEADER + rows(0, 10))
        await watch.has(10)
        path.rename(watch.folder / "a-1.dat")
        with (watch.folder / "a-1.dat").open("a") as file:
            file.write(rows(10, 12))
        path.write_text(HEADER + rows(12, 20))
        await watch.has(20)
        path.write_text(HEADER + rows(20, 22))  # Replaced by a shorter one.
        await watch.has(22)
    assert sorted(watch.pond) == list(range(22))


async def test_a_copy_of_a_file_is_not_read_again(tmp_path: Path) -> None:
    async with watching(tmp_path) as watch:
        text = HEADER + rows(0, 10)
        (watch.folder / "a.dat").write_text(text)
        await watch.has(10)
        (watch.folder / "b.dat").write_text(text)
        (watch.folder / "c.dat").write_text(HEADER + rows(20, 22))
        await watch.has(12)
        with (watch.folder / "a.dat").open("a") as file:
            file.write(rows(10, 12))
        await watch.has(14)
    assert sorted(watch.pond) == [*range(12), 20, 21]


async def test_a_restart_neither_loses_nor_repeats(tmp_path: Path) -> None:
    taken: list[float] = []
    for begin in range(0, 3_000, 1_000):
        async with watching(tmp_path) as watch:
            path = watch.folder / "a.dat"
            before = path.read_text() if path.exists() else HEADER
            path.write_text(before + "".join(row(n % 600, n) for n in range(begin, begin + 1_000)))
            await watch.has(1_000)
        taken += [float(scan.raw[2]) for scan in watch.scans]
    assert taken == list(range(3_000))


async def test_what_no_spool_has_taken_comes_again_after_a_crash(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.dat").write_text(HEADER + rows(0, 10))
    watch = Watch(folder, tmp_path / "marks")
    watch.takes = False
    await watch.start()
    await watch.has(10)
    for _ in range(50):  # Time enough to remember too early what is not safe.
        await asyncio.to_thread(watch.marks.exists)
    await watch.die()
    assert not watch.marks.exists()

    again = Watch(folder, tmp_path / "marks")
    await again.start()
    await again.has(10)
    await again.end()
    assert again.pond == list(range(10))


async def test_no_more_than_a_piece_is_on_its_way(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.dat").write_text(HEADER + "".join(row(n % 600) for n in range(50_000)))
    watch = Watch(folder, tmp_path / "marks")
    watch.takes = False
    await watch.start()
    await watch.has(1)
    for _ in range(50):
        await asyncio.sleep(0)
    on_their_way = len(watch.scans)
    await watch.die()
    assert 1_000 < on_their_way < 3_000


async def test_what_cannot_be_read_is_told_once_and_holds_up_no_other_file(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with watching(tmp_path) as watch:
            (watch.folder / "a.dat").write_text(HEADER.replace("Pond", "Lake") + row(0))
            (watch.folder / "b.dat").write_text(HEADER + row(1) + row(2, "warm") + row(3))
            await watch.has(2)
            (watch.folder / "c.dat").write_text(HEADER + row(4))
            await watch.has(3)
            (watch.folder / "a.dat").write_text(HEADER + row(5))  # Mended.
            await watch.has(4)

    assert watch.pond == [1, 3, 4, 5]
    told = [one for one in logs if "can't be read" in one["event"]]
    assert len(told) == 1
    assert "there is no column 'Pond'" in told[0]["reason"]
    (left_out,) = [one["line"] for one in logs if "left out" in one["event"]]
    assert "b.dat:6:1: column 3 (toe): 'warm' is not a number" in left_out
    assert sum("can be read again" in one["event"] for one in logs) == 1


async def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "later", tmp_path / "marks")
    await watch.start()
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a.dat").write_text(HEADER + row(0))
    await watch.has(1)
    await watch.end()


@pytest.mark.parametrize(
    "damage",
    [
        b'{"levels": [{"na',
        b"\xff\xfe\x00",
        b'{"levels": [{"name": "a.dat", "position": 3, "header": []}]}',
        b'{"levels": [{"name": "a.dat", "position": {"offset": "9"}, "header": []}]}',
        b"[" * 100_000,
    ],
)
async def test_marks_that_are_damaged_are_put_aside(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "spool.db.files.marks").write_bytes(damage)

    async with watching(tmp_path) as watch:
        (watch.folder / "a.dat").write_text(HEADER + row(0))
        await watch.has(1)

    assert (tmp_path / "spool.db.files.damaged").exists()


async def test_marks_that_cannot_be_read_stop_no_edge(tmp_path: Path) -> None:
    (tmp_path / "spool.db.files.marks").mkdir()

    with capture_logs() as logs:
        async with watching(tmp_path) as watch:
            (watch.folder / "a.dat").write_text(HEADER + row(0))
            await watch.has(1)

    assert "read again" in logs[0]["event"]


async def test_each_of_many_files_is_read_once(tmp_path: Path) -> None:
    """A logger that begins a file every hour has written more than five hundred in a month."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(600):
        (folder / f"{number}.dat").write_text(HEADER + row(number))
    async with watching(tmp_path) as watch:
        await watch.has(600)
    async with watching(tmp_path) as again:
        (folder / "new.dat").write_text(HEADER + row(700))
        await again.has(1)
        (folder / "newer.dat").write_text(HEADER + row(701))
        await again.has(2)

    assert sorted(watch.pond) == list(range(600))
    assert again.pond == [700, 701]


class _Skipping(selectors.DefaultSelector):
    """Waits for nothing: the time is added to the loop's clock instead."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.skipped_s += timeout or 0.0
        return super().select(0)


class _SkippingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.skipping = _Skipping()
        super().__init__(self.skipping)

    def time(self) -> float:
        return super().time() + self.skipping.skipped_s


def test_scans_that_the_disk_refuses_for_hours_are_not_handed_over_again() -> None:
    """Nobody gives them up, so each time would fill the memory further."""

    async def is_given_up() -> bool:
        waiting = asyncio.create_task(_safe_or_stopped(asyncio.Event(), asyncio.Event()))
        done, _ = await asyncio.wait([waiting], timeout=24 * 3_600.0)
        waiting.cancel()
        await asyncio.wait([waiting])
        return bool(done)

    with asyncio.Runner(loop_factory=_SkippingLoop) as runner:
        assert not runner.run(is_given_up())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("column: 3", "register: { address: 1 }", "the key column is missing: the bus files is"),
        ("kind: toa5, ", "", "levels.channels.pond.column: the column is named, but"),
        ("kind: toa5, ", "kind: toa5, newest_first: true, ", "a watched file grows at its end"),
        ("*.dat", "../*.dat", "file.pattern"),
        ('time: { zone: "+08:00" }', "time: {}", "a zone: UTC, an offset such as -08:00"),
        ('file: { pattern: "*.dat", kind: toa5, time: { zone: "+08:00" } }', "", "the key file is"),
    ],
)
def test_what_is_wrong_in_the_site_file_is_told(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(SiteFileError) as caught:
        site(tmp_path, SITE.replace(old, new))

    assert said in str(caught.value)
