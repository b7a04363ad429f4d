"""`groundwatch import`: what is shown while files are imported, and the report at the end."""

import asyncio
import sys
from collections.abc import Iterator

from alarms.backtest.progress import ShownProgress
from historian.imported_files import Coverage
from historian.registry import RegistrationError
from ingest.history.importing import (
    ImportRefusedError,
    ImportReport,
    ImportRequest,
    import_files,
)
from ingest.history.storing import FileChangedError, FileTally, GroupTally
from telemetry.clock import MachineClock, instant_at
from telemetry.part_file import PartFileError
from telemetry.plan import GroupPlan
from telemetry.site_file import SiteFileError

REFUSED = 2
SHOWN_MAX = 40


def run_import(request: ImportRequest) -> int:
    """Import, and print what was done; return the exit code."""
    try:
        with ShownProgress() as progress:
            report = asyncio.run(import_files(request, MachineClock(), progress))
    except OSError as error:
        sys.stderr.write(f"{error.filename or request.site} cannot be read: {error.strerror}\n")
        return REFUSED
    except (ImportRefusedError, PartFileError, SiteFileError, RegistrationError) as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    except FileChangedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("\n".join(told(report)) + "\n")
    return 0


def told(report: ImportReport) -> Iterator[str]:
    """Say what an import did, in lines."""
    for one in report.files:
        yield from _told_of_file(one, report)
    for index, covered in report.coverages.items():
        yield _told_of_group(report.plan.groups[index], covered)
    for derived in report.derived:
        group = report.plan.groups[derived.group]
        yield f"{group.key}: {_counted(derived.scans, 'calculated scan')} over the history."


def _told_of_file(one: FileTally, report: ImportReport) -> Iterator[str]:
    findings = one.findings
    yield f"{one.path}: {_counted(findings.rows, 'row')} read."
    for index, tally in one.groups.items():
        yield f"  {report.plan.groups[index].key}: {_told_of_tally(tally)}"
    if findings.bad_lines:
        yield f"  {_counted(findings.bad_lines, 'bad line')} skipped:"
        yield from (f"    {complaint}" for complaint in findings.complaints)
    if findings.unfinished:
        shown = findings.unfinished[:SHOWN_MAX].decode("utf-8", "replace")
        yield (
            f"  The last line has no end and may be half written; it was not read: '{shown}'. "
            "If it is whole, end it with a new line and import again."
        )


def _told_of_tally(tally: GroupTally) -> str:
    counts = {
        "already stored": tally.duplicates + tally.known_before,
        "completed stored ones": tally.merged,
        "contradict stored ones, kept beside them": tally.conflicts,
    }
    others = "".join(f", {count:,} {what}" for what, count in counts.items() if count)
    return f"{_counted(tally.scans, 'scan')}: {tally.new:,} new{others}."


def _told_of_group(group: GroupPlan, covered: Coverage) -> str:
    if covered.first_us is None or covered.last_us is None:
        return f"{group.key}: nothing stored."
    first, last = instant_at(covered.first_us), instant_at(covered.last_us)
    gaps = _counted(covered.gaps, "gap") if covered.gaps else "no gap"
    return f"{group.key}: {_counted(covered.scans, 'scan')} from {first} to {last}, {gaps}."


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"
