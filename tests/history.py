"""Importing in tests: requests, and the store's rows as plain numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ingest_bench import HandClock
from ingest_site import BEGAN_US, HOUR_US, site_document, write_site
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


def stepping_file(days: int) -> str:
    """Hourly readings: a pond that is high on every second evening, a crack that opens."""
    lines = ["time,pond,toe,crack"]
    for n in range(24 * days):
        pond = 5.0 + 6.0 * (n % 48 >= 40)
        lines.append(f"2025-07-{1 + n // 24:02}T{n % 24:02}:00:00Z,{pond},1.0,{40 + n / 24}")
    return "\n".join(lines) + "\n"


async def import_of_mine(
    dsn: str, folder: Path, text: str, tree: dict[str, Any] | None = None
) -> Path:
    """Import a logger's file into a new site."""
    site = write_site(folder, tree or site_document())
    (folder / "old.csv").write_text(text, encoding="utf-8")
    mapping = folder / "mapping.yaml"
    mapping.write_text(
        """
files:
  - header_rows: 1
    names_row: 1
    time: { format: "%Y-%m-%dT%H:%M:%S%z" }
    groups: { levels: { pond: pond, toe: toe }, cracks: { crack: crack } }
""",
        encoding="utf-8",
    )
    request = ImportRequest((folder / "old.csv",), site, mapping, dsn)
    await import_files(request, HandClock(BEGAN_US + 40 * 24 * HOUR_US), NoProgress())
    return site
