"""Importing old files: look through all of them, store them, calculate what follows from them.

Nothing is stored before every file has been looked through. A file with a bad line is refused,
unless bad lines are to be skipped; then each of them is told and counted.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg import AsyncConnection

from alarms.backtest.progress import Progress
from historian.connection import connect
from historian.imported_files import Coverage, configuration_in_force, coverage
from historian.registry import SiteIds, register_site
from ingest.history.deriving import Derived, derive_owed
from ingest.history.reading import FileFindings, Span, look_through
from ingest.history.storing import FileTally, Storing
from telemetry.clock import Clock, instant_us
from telemetry.complaint import Complaint
from telemetry.logger_files.mapping import FilePlan, read_mapping
from telemetry.plan import SitePlan, plan_of
from telemetry.site_file import read_and_keep

AHEAD_US: Final = 86_400 * 1_000_000  # A stamp a day ahead is no history.
LOCK_TIMEOUT_S: Final = 60.0  # A flush of the site's own may be slow; we can wait for it.


class ImportRefusedError(Exception):
    """Nothing has been stored; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What is to be imported."""

    files: tuple[Path, ...]
    site: Path
    mapping: Path
    dsn: str
    skip_bad_lines: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ImportReport:
    """What an import did."""

    plan: SitePlan
    files: list[FileTally]
    coverages: dict[int, Coverage]  # By plan index, over the span of the files.
    derived: list[Derived]


@dataclass(frozen=True, slots=True, eq=False)
class LookedThrough:
    """A file that can be stored."""

    path: Path
    plan: FilePlan
    findings: FileFindings


async def import_files(request: ImportRequest, clock: Clock, progress: Progress) -> ImportReport:
    """Import files into the store of a site."""
    site, document = read_and_keep(request.site)
    plan = plan_of(site)
    span = Span(instant_us(plan.site.began_at), clock.now_us() + AHEAD_US)
    looked = _look_through_all(request, plan, span, progress)
    async with (
        await _connected(request.dsn, "import") as conn,
        await _connected(request.dsn, "import room") as maker,
    ):
        ids = await _ids_of(conn, plan, document, clock)
        storing = Storing(conn, maker, plan, ids, clock)
        tallies: list[FileTally] = []
        for one in looked:
            told = progress.begin(f"storing {one.path.name}", one.findings.size)
            tallies.append(await storing.store(one.path, one.plan, one.findings, span, told))
        derived = await derive_owed(conn, maker, plan, ids, progress.begin)
        coverages = await _coverages(conn, plan, ids, tallies)
    return ImportReport(plan, tallies, coverages, derived)


def _look_through_all(
    request: ImportRequest, plan: SitePlan, span: Span, progress: Progress
) -> list[LookedThrough]:
    mapping = read_mapping(request.mapping, plan)
    looked: list[LookedThrough] = []
    complaints: list[Complaint] = []
    bad_lines = 0
    refused = False
    for path in request.files:
        of_file = mapping.of_file(path)
        if of_file is None:
            said = f"no pattern of {request.mapping} fits the file's name"
            complaints.append(Complaint(str(path), 0, 0, "", said, "a pattern that fits, or *"))
            refused = True
            continue
        size = path.stat().st_size if path.is_file() else 0
        told = progress.begin(f"looking through {path.name}", size)
        findings = look_through(path, of_file, span, told)
        complaints += findings.complaints
        bad_lines += findings.bad_lines
        refused |= findings.unreadable
        looked.append(LookedThrough(path, of_file, findings))
    if refused or (bad_lines and not request.skip_bad_lines):
        raise ImportRefusedError(_refusal(complaints, bad_lines, refused=refused))
    return looked


def _refusal(complaints: Sequence[Complaint], bad_lines: int, *, refused: bool) -> str:
    lines = [str(one) for one in complaints]
    if bad_lines > len(complaints):
        lines.append(f"... and more: {bad_lines} bad lines in all.")
    lines.append("Nothing has been stored.")
    if not refused:
        lines.append("Mend the mapping or the file; or leave bad lines out with --skip-bad-lines.")
    return "\n".join(lines)


async def _connected(dsn: str, name: str) -> AsyncConnection:
    return await connect(dsn, name=name, autocommit=True, lock_timeout_s=LOCK_TIMEOUT_S)


async def _ids_of(conn: AsyncConnection, plan: SitePlan, document: str, clock: Clock) -> SiteIds:
    """Find the site's numbers; a site that the store does not know yet is made known.

    An import never puts another version of the site file in force: that is the centre's to do.
    """
    in_force = await configuration_in_force(conn, plan.site.site)
    if in_force is not None and in_force[0] != hashlib.sha256(document.encode()).digest():
        raise ImportRefusedError(
            f"The site file differs from version {in_force[1]} of site '{plan.site.site}', which "
            "is in force at the centre.\nNothing has been stored. Import with the file in force, "
            "or start the centre with the new one first."
        )
    return await register_site(conn, plan, document, clock.now_us())


async def _coverages(
    conn: AsyncConnection, plan: SitePlan, ids: SiteIds, tallies: Sequence[FileTally]
) -> dict[int, Coverage]:
    found: dict[int, Coverage] = {}
    for group in plan.groups:
        of_group = [one.groups[group.index] for one in tallies if group.index in one.groups]
        firsts = [one.first_us for one in of_group if one.first_us is not None]
        lasts = [one.last_us for one in of_group if one.last_us is not None]
        if firsts:
            span_us = (min(firsts), max(lasts))
            found[group.index] = await coverage(
                conn, ids.site_id, ids.group_ids[group.index], span_us, group.group.period_s
            )
    return found
