"""Replay: real logger files, served as Modbus registers at the instants that they were stamped.

A unit holds a row from half a period before its instant to half a period after. Where the
file has no row the unit answers that it is busy, so that what is missing stays missing.
"""

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, ValidationError

from simulators.device_server import Now, serve, shared_clock
from simulators.logger_file import LoggerFile, LoggerFileError, read_logger_file
from simulators.physics.parameters import Parameters
from simulators.registers import Words, holds_all, is_number, word_count, words_of
from simulators.settings import ReplaySettings
from simulators.units import Refusal
from telemetry.clock import MachineClock, ScenarioClock
from telemetry.logger_files.format import LoggerFormat
from telemetry.model_errors import each_said
from telemetry.register import Register
from telemetry.sources import Column


class ReplayError(Exception):
    """A replay cannot begin; the message says why."""


class ColumnRegister(Register):
    """A register, and the column of the file that fills it."""

    column: Column


class ReplayedUnit(Parameters):
    """A Modbus unit that a file speaks for."""

    file: Annotated[str, Field(min_length=1)]  # The file's name, without folders.
    format: LoggerFormat
    device_id: Annotated[int, Field(ge=1, le=247)]
    registers: Annotated[tuple[ColumnRegister, ...], Field(min_length=1)]


class Mapping(Parameters):
    """A mapping file: which columns of which files stand in which registers."""

    period_s: Annotated[float, Field(gt=0)]
    units: Annotated[tuple[ReplayedUnit, ...], Field(min_length=1)]


class LoggerUnit:
    """One unit, holding row after row of a file."""

    def __init__(self, unit: ReplayedUnit, rows: LoggerFile, period_us: int) -> None:
        """Write every row into words; of rows that share a step the last one counts."""
        self.device_id = unit.device_id
        self.first_address = min(register.address for register in unit.registers)
        end = max(register.address + word_count(register) for register in unit.registers)
        self.register_count = end - self.first_address
        self._period_us = period_us
        self._words = self._lay_out(unit, rows)
        steps = (rows.at_us + period_us // 2) // period_us
        self._row_of_step = {int(step): row for row, step in enumerate(steps)}

    @property
    def first_step(self) -> int:
        """The earliest step that has a row."""
        return min(self._row_of_step)

    @property
    def last_step(self) -> int:
        """The latest step that has a row."""
        return max(self._row_of_step)

    def holds(self, now_us: int) -> list[int] | Refusal:
        """The row of now, if the file has one."""
        row = self._row_of_step.get((now_us + self._period_us // 2) // self._period_us)
        if row is None:
            return Refusal.BUSY
        words: list[int] = self._words[row].tolist()
        return words

    def _lay_out(self, unit: ReplayedUnit, rows: LoggerFile) -> Words:
        words = np.zeros((len(rows.at_us), self.register_count), np.uint16)
        for register in unit.registers:
            begin = register.address - self.first_address
            raw = rows.columns[register.column]
            if not holds_all(register, raw):
                raise ReplayError(
                    f"Column {register.column} of {unit.file} has gaps, or numbers that the type "
                    f"{register.type} of register {register.address} can't show: use float32 or "
                    "float64, or another scale."
                )
            words[:, begin : begin + word_count(register)] = words_of(register, raw)
        return words


@dataclass(frozen=True)
class Replay:
    """Units ready to be served, and the span of time that their files cover."""

    units: tuple[LoggerUnit, ...]
    began_us: int  # One period before the first row: where a scenario clock should begin.
    ends_us: int  # The instant of the last row.


def read_replay(mapping: Path, files: Sequence[Path]) -> Replay:
    """Read a mapping and the files it names; each file must be given, by its name."""
    try:
        found = Mapping.model_validate(tomllib.loads(mapping.read_text(encoding="utf-8")))
    except ValidationError as error:
        said = each_said(error.errors())
        raise ReplayError(f"The mapping {mapping} cannot be used: {said}.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ReplayError(f"The mapping {mapping} cannot be read: {error}") from error
    path_of = {path.name: path for path in files}
    missing = sorted({unit.file for unit in found.units} - set(path_of))
    if missing:
        raise ReplayError(f"The mapping needs {', '.join(missing)}; give it with --file.")
    period_us = round(found.period_s * 1e6)
    units = tuple(_unit(unit, path_of[unit.file], period_us) for unit in found.units)
    return Replay(
        units=units,
        began_us=(min(unit.first_step for unit in units) - 1) * period_us,
        ends_us=max(unit.last_step for unit in units) * period_us,
    )


def run_replay(settings: ReplaySettings) -> int:
    """Serve logger files until told to stop; return the exit code."""
    if settings.mapping is None or not settings.files:
        print("simulate replay needs --mapping and at least one --file.", file=sys.stderr)  # noqa: T201
        return 2
    try:
        replay = read_replay(settings.mapping, settings.files)
    except ReplayError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return serve(replay.units, _clock_of(settings, replay), settings)


def _unit(unit: ReplayedUnit, path: Path, period_us: int) -> LoggerUnit:
    try:
        columns = list(dict.fromkeys(register.column for register in unit.registers))
        rows = read_logger_file(path, unit.format, columns)
    except LoggerFileError as error:
        raise ReplayError(str(error)) from error
    if not all(is_number(register) for register in unit.registers):
        raise ReplayError("A replay fills registers with numbers; it has no bits and no texts.")
    return LoggerUnit(unit, rows, period_us)


def _clock_of(settings: ReplaySettings, replay: Replay) -> Now:
    """Without a shared clock the files begin now, and pass as fast as they were written."""
    if settings.clock is not None:
        return shared_clock(settings.clock, replay.began_us)
    return ScenarioClock(MachineClock().now_us(), replay.began_us, 1.0).now_us
