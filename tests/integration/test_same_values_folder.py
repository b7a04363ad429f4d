"""The simulated dam as a logger that writes files: the store has what its registers held."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import AsyncConnection
from same_dam import (
    Dam,
    as_bus,
    dam_in,
    expected,
    instants_of,
    numbers_of,
    qualities_of,
    stored,
)

from simulators.logger_writing import LoggerTable
from simulators.scenario import read_scenario
from telemetry.clock import MachineClock, ScenarioClock, write_clock_file

RATE = 60.0
SCANS_LEAST = 3
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def folder(dam: Dam, tree: dict[str, Any]) -> AsyncIterator[None]:
    """The dam's loggers write files, and the site file says that a folder is its bus."""
    data = dam.folder / "data"
    data.mkdir()
    tables = [LoggerTable(unit, data, dam.clock.began_us) for unit in dam.units.values()]
    as_bus(tree, folder={"path": str(data), "look_every_s": 0.05})
    for station in (one for structure in tree["structures"] for one in structure["stations"]):
        for group in station.get("scan_groups", ()):
            del group["device_id"]
            time = {"zone": "UTC"}
            group["file"] = {"pattern": f"{group['id']}.dat", "kind": "toa5", "time": time}
            for channel in group["channels"]:
                del channel["register"]
                channel["column"] = channel["id"]
    stop = asyncio.Event()

    async def write() -> None:
        for table in tables:
            table.begin()
        while not stop.is_set():
            for table in tables:
                table.write(dam.clock.now_us())
            await asyncio.wait([stopped], timeout=0.05)

    stopped = asyncio.create_task(stop.wait())
    writing = asyncio.create_task(write())
    yield
    stop.set()
    await writing


async def test_a_logger_file_stores_the_same_values(
    postgres_dsn: str, connection: AsyncConnection, tmp_path: Path
) -> None:
    dam = dam_in(tmp_path, RATE)
    rows_of = await stored(
        folder,
        dam,
        dsn=postgres_dsn,
        connection=connection,
        enough=lambda rows: len(rows) >= SCANS_LEAST,
    )
    for key, unit in dam.units.items():
        rows = rows_of[key]
        assert len(rows) >= SCANS_LEAST
        raw, value, quality = expected(unit, instants_of(rows))
        np.testing.assert_array_equal(numbers_of(rows, "raw"), raw)
        np.testing.assert_array_equal(numbers_of(rows, "value"), value)
        np.testing.assert_array_equal(qualities_of(rows), quality)


def test_the_command_writes_files(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "groundwatch.py"), "simulate", "dam"]
    scenario = read_scenario("calm")
    clock = ScenarioClock(MachineClock().now_us() - 60_000_000, scenario.began_us, 1.0)
    write_clock_file(tmp_path / "clock.json", clock)
    running = subprocess.Popen(
        [*command, "--write-file", str(tmp_path / "data"), "--clock", str(tmp_path / "clock.json")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    try:
        assert running.stdout.readline() == "writing 5 files\n"
    finally:
        running.terminate()
        code = running.wait(20)
        running.stdout.close()
    assert code == 0
    files = sorted((tmp_path / "data").glob("*.dat"))
    assert len(files) == 5
    assert all(file.read_text(encoding="utf-8").startswith('"TOA5",') for file in files)
