"""Files that real loggers wrote: rows of text with a stamp, read into columns of numbers."""

import csv
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simulators.physics.chance import Floats
from simulators.physics.parameters import Parameters
from telemetry.clock import instant_us

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
MISSING = {"", "nan", "-9999"}  # What loggers write where they have no number.


class LoggerFileError(Exception):
    """A logger's file cannot be read; the message says where and why."""


class Layout(Parameters):
    """How a logger writes its file; columns are counted from 0."""

    file: Annotated[str, Field(min_length=1)]  # The file's name, without folders.
    delimiter: Literal["comma", "semicolon", "tab"] = "comma"
    header_rows: Annotated[int, Field(ge=0)] = 0
    time_column: Annotated[int, Field(ge=0)] = 0
    time_format: str = "%Y-%m-%d %H:%M:%S"
    utc_offset_h: Annotated[float, Field(ge=-14, le=14)] = 0.0  # Fixed: loggers know no summer.


@dataclass(frozen=True, slots=True, eq=False)
class LoggerFile:
    """A logger's rows."""

    at_us: NDArray[np.int64]  # [row] as stamped, in microseconds since 1970 UTC
    columns: dict[int, Floats]  # [row] NaN where the logger had no number


def read_logger_file(path: Path, layout: Layout, columns: set[int]) -> LoggerFile:
    """Read some columns of a logger's file; a byte-order mark at its beginning is skipped."""
    zone = timezone(timedelta(hours=layout.utc_offset_h))
    at_us: list[int] = []
    numbers: dict[int, list[float]] = {column: [] for column in columns}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter=DELIMITERS[layout.delimiter])
            for line, row in enumerate(rows, start=1):
                if line <= layout.header_rows or not row:
                    continue
                try:
                    stamp = row[layout.time_column].strip()
                    local = datetime.strptime(stamp, layout.time_format).replace(tzinfo=zone)
                    at_us.append(instant_us(local))
                    for column, found in numbers.items():
                        found.append(_number(row[column]))
                except (ValueError, IndexError) as error:
                    raise LoggerFileError(f"{path}, line {line}: {error}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise LoggerFileError(f"{path} cannot be read: {error}.") from error
    if not at_us:
        raise LoggerFileError(f"{path} has no rows.")
    return LoggerFile(
        np.array(at_us, np.int64),
        {column: np.array(found, np.float64) for column, found in numbers.items()},
    )


def _number(text: str) -> float:
    bare = text.strip()
    return float("nan") if bare.lower() in MISSING else float(bare)
