"""The command line: one sub-command per service; the only place that wires rooms together."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="groundwatch",
    help="Watch the ground at mines: from the instrument to the alarm.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

SiteFiles = Annotated[
    list[Path], typer.Option("--site", help="A site file; may be given several times.")
]
Dsn = Annotated[
    str,
    typer.Option("--dsn", envvar="GROUNDWATCH_DSN", help="The database, as libpq writes it."),
]
OptionalDsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        envvar="GROUNDWATCH_DSN",
        help="A PostgreSQL or TimescaleDB; left out, an embedded one is used.",
    ),
]
Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
ApiPort = Annotated[int, typer.Option("--port", help="The port of page and API.")]
LinePort = Annotated[int, typer.Option("--line-port", help="The port that edges connect to.")]
ClockFile = Annotated[
    Path | None, typer.Option("--clock", help="A shared scenario clock (demonstrations only).")
]
Webhooks = Annotated[
    Path | None, typer.Option("--webhooks", help="A TOML file that names webhooks.")
]
DataFolder = Annotated[Path, typer.Option("--data", help="The folder of the embedded database.")]


@app.command()
def check(files: Annotated[list[Path], typer.Argument(help="Site files.")]) -> None:
    """Validate whole site files: every complaint names file, line and what is allowed."""
    from telemetry.check import check_files

    code, lines = check_files(files)
    for line in lines:
        typer.echo(line)
    raise typer.Exit(code)


@app.command()
def schema() -> None:
    """Print the JSON Schema of site files, for editors."""
    import json

    from telemetry.site_file import site_schema

    typer.echo(json.dumps(site_schema(), indent=2, ensure_ascii=False))


@app.command()
def migrate(dsn: Dsn) -> None:
    """Bring a database's schema up to date."""
    import asyncio

    from historian.migration import MigrationError
    from historian.migration import migrate as migrate_database

    try:
        applied = asyncio.run(migrate_database(dsn))
    except MigrationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo("\n".join(f"applied {name}" for name in applied) or "up to date")


@app.command()
def serve(
    site: SiteFiles,
    dsn: OptionalDsn = None,
    data: DataFolder = Path("groundwatch-data"),
    host: Host = "127.0.0.1",
    port: ApiPort = 8380,
    line_port: LinePort = 8381,
    webhooks: Webhooks = None,
    clock: ClockFile = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write addresses and sign-in link here, as JSON.")
    ] = None,
    open_without_encryption: Annotated[
        bool, typer.Option(help="Listen beyond this machine although nothing is encrypted.")
    ] = False,
) -> None:
    """Run a centre: database, ingest, API with page, and notifications."""
    from ingest.centre import CentreSettings, run_centre

    settings = CentreSettings(
        sites=tuple(site),
        data=data,
        dsn=dsn,
        host=host,
        api_port=port,
        line_port=line_port,
        clock=clock,
        webhooks=webhooks,
        ready_file=ready_file,
        open_without_encryption=open_without_encryption,
    )
    raise typer.Exit(run_centre(settings))


@app.command()
def ingest(
    site: SiteFiles,
    dsn: Dsn,
    host: Host = "127.0.0.1",
    line_port: LinePort = 8381,
    webhooks: Webhooks = None,
    clock: ClockFile = None,
) -> None:
    """Run only the service that takes readings in, stores and judges them."""
    from ingest.service import IngestSettings, run_ingest

    settings = IngestSettings(
        sites=tuple(site), dsn=dsn, host=host, port=line_port, webhooks=webhooks, clock=clock
    )
    raise typer.Exit(run_ingest(settings))


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
