"""A simulated logger that writes files: one TOA5 table a unit, grown row by row as time passes."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np

from simulators.device_server import Now, device_of, run_device
from simulators.field import Unit
from simulators.scenario import ScenarioError
from simulators.settings import DeviceSettings
from telemetry.clock import EPOCH
from telemetry.lifetime import until_asked_to_stop
from telemetry.plan import ChannelPlan
from telemetry.site_file import SiteFileError

LOOK_EVERY_S: Final = 0.1
ROWS_AT_ONCE_MAX: Final = 10_000  # After a long pause the rest comes with the next look.


class LoggerTable:
    """The file of one unit."""

    def __init__(self, unit: Unit, folder: Path, began_us: int) -> None:
        """Begin with the first step after an instant."""
        self.path = folder / f"{unit.plan.key}.dat"
        self._unit = unit
        self._channels = unit.plan.channels
        self._next_step = began_us // unit.period_us + 1
        self._record = 0

    def begin(self) -> None:
        """Write the four header lines over whatever stood there."""
        cells = [
            [
                "TOA5",
                self._unit.plan.station.id,
                "simulated",
                "0",
                "groundwatch",
                "dam",
                "0",
                "all",
            ],
            ["TIMESTAMP", "RECORD", *(one.key for one in self._channels)],
            ["TS", "RN", *(_unit_of(one) for one in self._channels)],
            ["", "", *("Smp" for _ in self._channels)],
        ]
        lines = [",".join(f'"{cell}"' for cell in row) for row in cells]
        self.path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")

    def write(self, now_us: int) -> int:
        """Append the rows that are due by now; return how many."""
        period_us = self._unit.period_us
        end = min(now_us // period_us + 1, self._next_step + ROWS_AT_ONCE_MAX)
        if end <= self._next_step:
            return 0
        steps = np.arange(self._next_step, end)
        raw = self._unit.read(steps)
        lines = [
            self._line(int(step) * period_us, row.tolist())
            for step, row in zip(steps, raw, strict=True)
            if not np.isnan(row).all()  # A dead logger writes nothing.
        ]
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write("".join(lines))
        self._next_step = end
        return len(lines)

    def _line(self, at_us: int, row: Sequence[float]) -> str:
        stamp = (EPOCH + timedelta(microseconds=at_us)).replace(tzinfo=None).isoformat(sep=" ")
        numbers = [row[one.slot] for one in self._channels]
        cells = ['"NAN"' if np.isnan(number) else repr(number) for number in numbers]
        line = ",".join([f'"{stamp}"', str(self._record), *cells])
        self._record += 1
        return f"{line}\r\n"


def _unit_of(channel: ChannelPlan) -> str:
    """A number that is still to be converted is in no unit of ours."""
    converted = getattr(channel.channel, "conversion", None) is not None
    return "raw" if converted else channel.channel.unit


def run_simulated(settings: DeviceSettings) -> int:
    """Run a device, as a server or as a writer of files; return the exit code."""
    if settings.write_file is not None:
        return run_logger(settings, settings.write_file)
    return run_device(settings)


def run_logger(settings: DeviceSettings, folder: Path) -> int:
    """Write a device's files until told to stop; return the exit code."""
    try:
        now, units = device_of(settings)
        folder.mkdir(parents=True, exist_ok=True)
        tables = [LoggerTable(unit, folder, now()) for unit in units]
        asyncio.run(_write(tables, now, supervised=settings.supervised))
    except (ScenarioError, SiteFileError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    except OSError as error:
        print(f"Nothing can be written into {folder}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _write(tables: Sequence[LoggerTable], now: Now, *, supervised: bool) -> None:
    asked = asyncio.create_task(until_asked_to_stop(supervised))
    await asyncio.sleep(0)  # From here on it listens.
    for table in tables:
        table.begin()
    print(f"writing {len(tables)} files", flush=True)  # noqa: T201 - read by who started us
    while not asked.done():
        for table in tables:
            table.write(now())
        await asyncio.wait([asked], timeout=LOOK_EVERY_S)
