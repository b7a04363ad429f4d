"""The command line of files: old ones in, new ones out.

A part of `groundwatch.py`, which adds these commands to its own.
"""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class FileFormat(Enum):
    """What kind of file is written."""

    CSV = "csv"
    PARQUET = "parquet"


class TableForm(Enum):
    """A column a channel, or a row a reading."""

    WIDE = "wide"
    LONG = "long"


class ExportedNumbers(Enum):
    """Values in their units, or the raw numbers that they were converted from."""

    VALUE = "value"
    RAW = "raw"


class Ratio(Enum):
    """How the energies of two windows are compared."""

    RECURSIVE = "recursive"
    CLASSIC = "classic"


Dsn = Annotated[
    str,
    typer.Option("--dsn", envvar="GROUNDWATCH_DSN", help="The database, as libpq writes it."),
]
WriteFile = Annotated[
    Path | None,
    typer.Option("--write-file", help="Write logger files into this folder, and serve nothing."),
]


def add_commands(app: typer.Typer) -> None:
    """Give the command line what is about files."""
    app.command(name="import")(import_)
    app.command()(export)
    app.command()(triggers)


def import_(
    file: Annotated[list[Path], typer.Argument(help="Logger files: TOA5, CSV, TSV.")],
    site: Annotated[Path, typer.Option(help="The site file that is in force.")],
    mapping: Annotated[Path, typer.Option(help="Which columns are which channels.")],
    dsn: Dsn,
    skip_bad_lines: Annotated[
        bool, typer.Option(help="Store the rest of a file whose lines are not all good.")
    ] = False,
) -> None:
    """Store old logger files as history: converted and judged, never told to anybody."""
    from ingest.history.command import run_import
    from ingest.history.importing import ImportRequest

    request = ImportRequest(tuple(file), site, mapping, dsn, skip_bad_lines)
    raise typer.Exit(run_import(request))


def export(
    site: Annotated[str, typer.Option(help="The site's id.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    dsn: Dsn,
    channels: Annotated[str, typer.Option(help="Ids of channels, with commas.")] = "",
    groups: Annotated[str, typer.Option(help="Ids of groups, with commas.")] = "",
    from_: Annotated[str | None, typer.Option("--from", help="The first instant.")] = None,
    to: Annotated[str | None, typer.Option(help="The instant before which it ends.")] = None,
    format_: Annotated[FileFormat, typer.Option("--format")] = FileFormat.CSV,
    form: Annotated[TableForm, typer.Option(help="A column a channel, or a row a reading.")] = (
        TableForm.WIDE
    ),
    numbers: Annotated[
        ExportedNumbers, typer.Option(help="Values in their units, or raw numbers to import again.")
    ] = ExportedNumbers.VALUE,
    time_zone: Annotated[str, typer.Option(help="Of the stamps in a CSV file.")] = "UTC",
) -> None:
    """Write stored readings into a file; without channels and groups, all of them."""
    from historian.exporting.command import ExportRequest, run_export

    request = ExportRequest(
        site=site,
        dsn=dsn,
        out=out,
        channels=_listed(channels),
        groups=_listed(groups),
        from_=from_,
        to=to,
        format=format_.value,
        form=form.value,
        numbers=numbers.value,
        time_zone=time_zone,
    )
    raise typer.Exit(run_export(request))


def triggers(
    file: Annotated[Path, typer.Argument(help="A waveform: one number a line.")],
    rate_hz: Annotated[float, typer.Option(min=0.001, help="Samples a second.")],
    begins_at: Annotated[
        str | None, typer.Option(help="The instant of the first sample; then instants are told.")
    ] = None,
    short_ms: Annotated[float, typer.Option(help="The short window (STA).")] = 8.0,
    long_ms: Annotated[float, typer.Option(help="The long window (LTA).")] = 80.0,
    on: Annotated[float, typer.Option(help="An event begins at this ratio…")] = 4.0,
    off: Annotated[float, typer.Option(help="… and ends below this one.")] = 1.5,
    method: Annotated[Ratio, typer.Option(help="Of the means, or of their recursive form.")] = (
        Ratio.RECURSIVE
    ),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find where events begin in a waveform (STA/LTA)."""
    from alarms.seismic.waveform import TriggerSettings
    from alarms.waveforms.command import run_triggers

    settings = TriggerSettings(rate_hz, short_ms, long_ms, on, off, method.value)
    raise typer.Exit(run_triggers(file, settings, begins_at=begins_at, as_json=json))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())
