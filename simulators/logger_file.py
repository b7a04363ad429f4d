"""Files that real loggers wrote, read whole: the columns that a replay serves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulators.physics.chance import Floats
from telemetry.logger_files.format import LoggerFormat
from telemetry.logger_files.header import Wanted
from telemetry.logger_files.reader import LoggerReader, UnreadableFileError
from telemetry.sources import Column


class LoggerFileError(Exception):
    """A logger's file cannot be read; the message says where and why."""


@dataclass(frozen=True, slots=True, eq=False)
class LoggerFile:
    """A logger's rows."""

    at_us: NDArray[np.int64]  # [row] as stamped, in microseconds since 1970 UTC
    columns: dict[Column, Floats]  # [row] NaN where the logger had no number


def read_logger_file(path: Path, form: LoggerFormat, columns: Sequence[Column]) -> LoggerFile:
    """Read some columns of a logger's file."""
    wanted = [Wanted(column, "replay") for column in columns]
    reader = LoggerReader(str(path), form, wanted)
    try:
        rows = reader.feed(path.read_bytes())
        reader.finish()
    except OSError as error:
        raise LoggerFileError(f"{path} cannot be read: {error}.") from error
    except UnreadableFileError as error:
        raise LoggerFileError(str(error)) from error
    if reader.complaints:
        raise LoggerFileError("\n".join(map(str, reader.complaints)))
    if not len(rows):
        raise LoggerFileError(f"{path} has no rows.")
    numbers = {column: rows.number[:, n] for n, column in enumerate(columns)}
    return LoggerFile(rows.at_us, numbers)
