"""Rows of a file as scans of a group: slots filled, and rows left out that say nothing of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.logger_files.mapping import GroupColumns
from telemetry.logger_files.reader import LoggerRows
from telemetry.quality import Quality


@dataclass(frozen=True, slots=True, eq=False)
class FileScans:
    """Scans of one group that stand in a file, in its order."""

    group: int  # Index into the plan's groups.
    line: NDArray[np.int64]  # [scan]
    at_us: NDArray[np.int64]  # [scan]
    raw: NDArray[np.float64]  # [scan, slot]
    quality: NDArray[np.int16]  # [scan, slot]


def scans_of(rows: LoggerRows, columns: GroupColumns) -> FileScans:
    """Take a group's scans out of rows.

    A row whose cells of this group are all empty is no scan of it: in a file of several groups
    each has its own instants. A code for "no value" says that there was a scan without a number.
    """
    places = np.array(columns.columns, np.intp)
    chosen = np.flatnonzero(~rows.empty[:, places].all(axis=1))
    raw = np.full((len(chosen), columns.plan.slot_count), np.nan)
    raw[:, list(columns.slots)] = rows.number[chosen][:, places]
    quality = np.where(np.isnan(raw), np.int16(Quality.NO_VALUE), np.int16(Quality.GOOD))
    return FileScans(
        columns.plan.index, rows.line[chosen], rows.at_us[chosen], raw, quality.astype(np.int16)
    )
