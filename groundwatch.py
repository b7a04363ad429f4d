"""The command line: one sub-command per service; the only place that wires rooms together."""

import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import groundwatch_backtest
import groundwatch_files
import groundwatch_identity
import groundwatch_simulate
from edge_agent.probe_command import probe
from groundwatch_identity import (
    CentreAuthority,
    CertificateFile,
    ClientAuthority,
    EdgeCertificate,
    EdgeKey,
    EnrolAuthority,
    KeyFile,
    PageCredentials,
    given_credentials,
    line_encryption,
)
from ingest.ledger_command import app as ledger
from ingest.quarantine_command import app as quarantine
from telemetry.planted import check_none_by_accident

OURS = ("telemetry", "historian", "ingest", "alarms", "api", "carriers", "edge_agent", "simulators")

app = typer.Typer(
    name="groundwatch",
    help="Watch the ground at mines: from the instrument to the alarm.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(quarantine, name="quarantine")
app.add_typer(ledger, name="ledger")
groundwatch_files.add_commands(app)
groundwatch_backtest.add_commands(app)
groundwatch_identity.add_commands(app)
groundwatch_simulate.add_commands(app)
app.command()(probe)

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
ApiPort = Annotated[int, typer.Option("--port", min=1, max=65535, help="The port of page and API.")]
LinePort = Annotated[
    int, typer.Option("--line-port", min=1, max=65535, help="The port that edges connect to.")
]
ClockFile = Annotated[
    Path | None, typer.Option("--clock", help="A shared scenario clock (demonstrations only).")
]
Webhooks = Annotated[
    Path | None, typer.Option("--webhooks", help="A TOML file that names webhooks.")
]
OpenMetrics = Annotated[
    bool, typer.Option(help="Show /metrics without a token to whoever asks from this machine.")
]
Broker = Annotated[
    str | None,
    typer.Option("--broker", help="An MQTT broker to take readings from too: mqtt://HOST:PORT."),
]
BrokerFile = Annotated[Path | None, typer.Option(help="A TOML file: how to come into that broker.")]
ReadyFile = Annotated[
    Path | None, typer.Option(help="Write addresses and sign-in link here, as JSON.")
]
Unencrypted = Annotated[
    bool,
    typer.Option(
        "--open-without-encryption",
        help="Listen beyond this machine although nothing is encrypted.",
    ),
]
Origins = Annotated[
    list[str] | None,
    typer.Option("--origin", help="The page's address behind a proxy, like https://mine.example."),
]
DataFolder = Annotated[Path, typer.Option("--data", help="The folder of the embedded database.")]


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Site files.")],
    show_rules: Annotated[
        bool, typer.Option(help="List what each channel ends up with, and from where.")
    ] = False,
) -> None:
    """Validate whole site files: every complaint names file, line and what is allowed."""
    from telemetry.check import check_files
    from telemetry.shown_rules import shown_rules

    code, lines = check_files(files)
    for line in [*(shown_rules(files) if show_rules else []), *lines]:
        typer.echo(line)
    raise typer.Exit(code)


@app.command()
def schema() -> None:
    """Print the JSON Schema of site files, for editors."""
    import json

    from telemetry.site_file import site_schema

    typer.echo(json.dumps(site_schema(), indent=2, ensure_ascii=False))


@app.command()
def profiles(
    name: Annotated[str | None, typer.Argument(help="Print this profile's file.")] = None,
) -> None:
    """List the register maps that come with Groundwatch, or print one."""
    from telemetry.device_profiles import UnknownProfileError, profile_list, profile_text

    try:
        typer.echo("\n".join(profile_list()) if name is None else profile_text(name).rstrip())
    except UnknownProfileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@app.command()
def templates(
    name: Annotated[str | None, typer.Argument(help="Print this template's file.")] = None,
) -> None:
    """List the default templates: what channels of a kind get; or print one."""
    from telemetry.channel_templates import UnknownTemplateError, template_list, template_text

    try:
        typer.echo("\n".join(template_list()) if name is None else template_text(name).rstrip())
    except UnknownTemplateError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


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
    broker: Broker = None,
    broker_settings: BrokerFile = None,
    clock: ClockFile = None,
    ready_file: ReadyFile = None,
    open_without_encryption: Unencrypted = False,
    origin: Origins = None,
    open_metrics: OpenMetrics = False,
    certificate: CertificateFile = None,
    key: KeyFile = None,
    client_authority: ClientAuthority = None,
    authority_folder: CentreAuthority = None,
    page_credentials: PageCredentials = None,
) -> None:
    """Run a centre: database, ingest, API with page, and notifications."""
    _run_centre(
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
        broker=broker,
        broker_settings=broker_settings,
        origins=tuple(one.rstrip("/") for one in origin or ()),
        open_metrics=open_metrics,
        line=line_encryption(certificate, key, client_authority, authority_folder),
        page=line_encryption(*(page_credentials or (certificate, key))),
    )


def _run_centre(**chosen: Any) -> NoReturn:  # noqa: ANN401 - each is typed by its option
    """Run a centre with what was chosen; `CentreSettings` says what there is."""
    from ingest.centre import CentreSettings, run_centre

    raise typer.Exit(run_centre(CentreSettings(**chosen)))


@app.command()
def ingest(
    site: SiteFiles,
    dsn: Dsn,
    host: Host = "127.0.0.1",
    line_port: LinePort = 8381,
    webhooks: Webhooks = None,
    broker: Broker = None,
    broker_settings: BrokerFile = None,
    clock: ClockFile = None,
    open_metrics: OpenMetrics = False,
    certificate: CertificateFile = None,
    key: KeyFile = None,
    client_authority: ClientAuthority = None,
    authority_folder: CentreAuthority = None,
) -> None:
    """Run only the service that takes readings in, stores and judges them."""
    from ingest.service import IngestSettings, run_ingest

    settings = IngestSettings(
        tuple(site),
        dsn,
        host,
        line_port,
        webhooks=webhooks,
        clock=clock,
        broker=broker,
        broker_settings=broker_settings,
        open_metrics=open_metrics,
        encryption=line_encryption(certificate, key, client_authority, authority_folder),
    )
    raise typer.Exit(run_ingest(settings))


@app.command()
def api(
    dsn: Dsn,
    host: Host = "127.0.0.1",
    port: ApiPort = 8380,
    origin: Origins = None,
    clock: ClockFile = None,
    open_metrics: OpenMetrics = False,
    certificate: CertificateFile = None,
    key: KeyFile = None,
) -> None:
    """Run only the API and the page."""
    from api.service import run_api
    from api.settings import ApiSettings

    origins = tuple(origin or ())
    settings = ApiSettings(
        dsn,
        host,
        port,
        clock,
        origins=origins,
        open_metrics=open_metrics,
        credentials=given_credentials(certificate, key),
    )
    raise typer.Exit(run_api(settings))


@app.command()
def notify(dsn: Dsn, webhooks: Webhooks = None, clock: ClockFile = None) -> None:
    """Run only the service that tells webhooks about alarms."""
    from alarms.notify.service import NotifySettings, run_notify

    settings = NotifySettings(dsn=dsn, destinations=webhooks, clock=clock)
    raise typer.Exit(run_notify(settings))


@app.command()
def edge(
    site: Annotated[Path | None, typer.Option(help="The site file.")] = None,
    edge: Annotated[str | None, typer.Option(help="Which edge of the site this is.")] = None,
    centre: Annotated[
        str | None,
        typer.Option(help="The centre: wss://HOST:PORT, or its broker: mqtts://HOST:PORT."),
    ] = None,
    centre_broker: BrokerFile = None,
    token_file: Annotated[Path | None, typer.Option(help="A file with the edge's token.")] = None,
    spool: Annotated[Path | None, typer.Option(help="Where readings wait, on this disk.")] = None,
    clock: ClockFile = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file with the same options.")] = None,
    authority: EnrolAuthority = None,
    certificate: EdgeCertificate = None,
    key: EdgeKey = None,
) -> None:
    """Poll instruments, keep their readings, and deliver them to the centre."""
    import os

    from edge_agent.agent import run_edge
    from edge_agent.settings import SettingsError, read_settings

    options = {
        "site": site,
        "edge": edge,
        "centre": centre,
        "centre_broker": centre_broker,
        "token_file": token_file,
        "spool": spool,
        "clock": clock,
        "authority": authority,
        "certificate": certificate,
        "key": key,
    }
    try:
        settings = read_settings(options, os.environ, config)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(run_edge(settings))


def configure_log() -> None:
    """Log a failure with its traceback, but without the variables, as structlog would.

    Those may hold secrets, and showing them takes many seconds in which nothing else happens.
    """
    import structlog

    before_rendering = structlog.get_config()["processors"][:-1]
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*before_rendering, _without_controls, renderer])


def _without_controls(
    _logger: object, _method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Escape what a device, a broker or a file name could do to the terminal that shows a log."""
    return {
        name: said
        if name in {"exception", "stack"} or not isinstance(said, str) or said.isprintable()
        else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in said)
        for name, said in entry.items()
    }


def main() -> None:
    """Run the command line; what a user can mend is told in a sentence, not by a traceback."""
    configure_log()
    check_none_by_accident()
    try:
        app()
    except Exception as error:
        told = _about_database(error) or _about_missing_part(error)
        if told is None:
            raise
        typer.echo(told, err=True)
        sys.exit(1)  # A supervisor tries again: databases come back.


def _about_database(error: Exception) -> str | None:
    """Say what is wrong with the database, if that is what ended us; None if it was not."""
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.Error):
        return None
    reason = str(error).strip().splitlines()
    return (
        f"The database can't be used: {reason[0] if reason else type(error).__name__}\n"
        "Remedy: check --dsn (or GROUNDWATCH_DSN), and that the database runs and lets us in."
    )


def _about_missing_part(error: Exception) -> str | None:
    """Say which part is to be installed, if that is what ended us; None if it was not."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    if error.name.partition(".")[0] in OURS:
        return None  # A mistake of ours, whose traceback is wanted.
    return (
        f"This command needs the Python package of '{error.name}', which is not installed.\n"
        "Remedy: pip install 'groundwatch[server]' at a centre, 'groundwatch[edge]' at an edge, "
        "'groundwatch[edge,server]' for demonstrations."
    )


if __name__ == "__main__":
    main()
