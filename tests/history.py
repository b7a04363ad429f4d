"""Importing in tests: requests, and the store's rows as plain numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from psycopg import AsyncConnection

from ingest.history.importing import ImportReport, ImportRequest, import_files
from telemetry.clock import MachineClock

DATA = Path(__file__).parent / "data"


class NoProgress:
    """Nobody looks."""

    def begin(self, _what: str, _total: int) -> Callable[[int], None]:
        return lambda _: None


async def imported(dsn: str, name: str, *files: Path, skip_bad_lines: bool = False) -> ImportReport:
    """Import files by the site and mapping of a name in tests/data."""
    request = ImportRequest(
        files, DATA / f"{name}-site.yaml", DATA / f"{name}-mapping.yaml", dsn, skip_bad_lines
    )
    return await import_files(request, MachineClock(), NoProgress())


async def everything(connection: AsyncConnection[Any]) -> list[tuple[Any, ...]]:
    """Every scan: what it is of and what it says, but not how it came."""
    cursor = await connection.execute(
        """
        select scan_group.key, time, revision, raw::text, value::text, quality::text
        from scan join scan_group using (site_id, group_id) order by 1, 2, 3
        """
    )
    return await cursor.fetchall()


async def readings(connection: AsyncConnection[Any], channel: str) -> np.ndarray[Any, Any]:
    """A channel's values in the order of time."""
    cursor = await connection.execute(
        "select value from reading where channel = %s order by time", [channel]
    )
    return np.array([value for (value,) in await cursor.fetchall()], np.float64)
