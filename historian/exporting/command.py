"""`groundwatch export`: a span of a site's readings into a file."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from psycopg import AsyncConnection

from historian.connection import connect
from historian.exporting.csv_text import csv_pieces
from historian.exporting.parquet_file import ParquetMissingError, write_parquet
from historian.exporting.selection import (
    Form,
    Numbers,
    Selection,
    SelectionError,
    select_channels,
)
from historian.registry import group_ids_of, newest_configurations
from telemetry import clock
from telemetry.clock import MachineClock, instant_us
from telemetry.plan import plan_of
from telemetry.site_file import read_site_text

YEAR_US: Final = 366 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be exported, as the command line says it."""

    site: str
    dsn: str
    out: Path
    channels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    from_: str | None = None  # None: from the beginning.
    to: str | None = None  # None: to the end.
    format: Literal["csv", "parquet"] = "csv"
    form: Form = "wide"
    numbers: Numbers = "value"
    time_zone: str = "UTC"


def run_export(request: ExportRequest) -> int:
    """Export; return the exit code."""
    try:
        asyncio.run(export(request))
    except (SelectionError, ParquetMissingError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{request.out} cannot be written: {error.strerror}\n")
        return 1
    return 0


async def export(request: ExportRequest) -> None:
    """Write the file; it has its name only once it is whole."""
    zone = zone_of(request.time_zone)
    unfinished = request.out.with_name(f"{request.out.name}.part")
    async with await connect(request.dsn, name="export", autocommit=True) as conn:
        selection = await _selection(conn, request)
        try:
            if request.format == "parquet":
                await write_parquet(conn, selection, request.form, unfinished)
            else:
                with unfinished.open("w", encoding="utf-8", newline="") as file:
                    async for piece in csv_pieces(conn, selection, request.form, zone):
                        file.write(piece)
            unfinished.replace(request.out)
        finally:
            unfinished.unlink(missing_ok=True)


def zone_of(name: str) -> tzinfo:
    """Find a time zone by its name."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SelectionError(
            f"{name[:80]!r} is no time zone; use UTC or an IANA name such as Asia/Shanghai."
        ) from None


def instant_in(text: str) -> int:
    """Read an instant in ISO 8601; one without an offset is in UTC."""
    try:
        return clock.instant_in(text)
    except ValueError as error:
        raise SelectionError(str(error)) from None


async def _selection(conn: AsyncConnection, request: ExportRequest) -> Selection:
    configurations = await newest_configurations(conn)
    found = {key: (site_id, document) for site_id, key, _, document in configurations}
    if request.site not in found:
        known = ", ".join(sorted(found)) or "none at all"
        raise SelectionError(f"The store knows no site {request.site[:80]!r}; it knows {known}.")
    site_id, document = found[request.site]
    plan = plan_of(read_site_text(document, request.site))
    channels = select_channels(plan, channels=request.channels, groups=request.groups)
    ids = await group_ids_of(conn, site_id, plan)
    began_us = instant_us(plan.site.began_at)
    from_us = began_us if request.from_ is None else instant_in(request.from_)
    to_us = MachineClock().now_us() + YEAR_US if request.to is None else instant_in(request.to)
    if from_us >= to_us:
        raise SelectionError("The span is empty: --from must lie before --to.")
    group_ids = {one.group: ids[one.group] for one in channels}
    return Selection(site_id, channels, group_ids, from_us, to_us, request.numbers)
