"""The command line: one sub-command per service; the only place that wires rooms together."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import groundwatch_files
from edge_agent.probe_command import probe
from groundwatch_files import WriteFile
from ingest.quarantine_command import app as quarantine

app = typer.Typer(
    name="groundwatch",
    help="Watch the ground at mines: from the instrument to the alarm.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(quarantine, name="quarantine")
groundwatch_files.add_commands(app)

bench = typer.Typer(help="Measure what this machine can do.", no_args_is_help=True)
app.add_typer(bench, name="bench")

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
ScansPerBlock = Annotated[
    int, typer.Option(min=1, max=512, help="Scans that an edge sends together.")
]
Offered = Annotated[
    float | None,
    typer.Option(min=1, help="Readings a second of all edges; left out: as fast as they go."),
]
FreePort = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="The port; 0 chooses a free one.")
]
RtuOverTcp = Annotated[
    bool, typer.Option("--rtu-over-tcp", help="Frames as a serial converter passes them on.")
]
SerialPort = Annotated[
    str | None, typer.Option("--serial", help="A serial port, instead of host and port.")
]
BaudRate = Annotated[
    int, typer.Option("--baud-rate", min=300, max=1_000_000, help="Of the serial port.")
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
def tokens(
    dsn: Dsn,
    revoke: Annotated[
        str | None, typer.Option(metavar="ID", help="End this token, and sessions made from it.")
    ] = None,
) -> None:
    """List tokens, never their secrets; or end one."""
    from ingest.token_list import UnknownTokenError, end_token, list_tokens

    try:
        typer.echo(list_tokens(dsn) if revoke is None else end_token(dsn, revoke))
    except UnknownTokenError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


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
    open_without_encryption: Annotated[
        bool, typer.Option(help="Listen beyond this machine although nothing is encrypted.")
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="The page's address behind a proxy, like https://mine.example."),
    ] = None,
    open_metrics: OpenMetrics = False,
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
        broker=broker,
        broker_settings=broker_settings,
        origins=tuple(one.rstrip("/") for one in origin or ()),
        open_metrics=open_metrics,
    )
    raise typer.Exit(run_centre(settings))


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
    )
    raise typer.Exit(run_ingest(settings))


@app.command()
def api(
    dsn: Dsn,
    host: Host = "127.0.0.1",
    port: ApiPort = 8380,
    origin: Annotated[
        list[str] | None, typer.Option(help="A further address of the page, behind a proxy.")
    ] = None,
    clock: ClockFile = None,
    open_metrics: OpenMetrics = False,
) -> None:
    """Run only the API and the page."""
    from api.service import run_api
    from api.settings import ApiSettings

    origins = tuple(origin or ())
    settings = ApiSettings(dsn, host, port, clock, origins=origins, open_metrics=open_metrics)
    raise typer.Exit(run_api(settings))


@app.command()
def notify(dsn: Dsn, webhooks: Webhooks = None, clock: ClockFile = None) -> None:
    """Run only the service that tells webhooks about alarms."""
    from alarms.notify.service import NotifySettings, run_notify

    settings = NotifySettings(dsn=dsn, destinations=webhooks, clock=clock)
    raise typer.Exit(run_notify(settings))


@app.command()
def token(
    dsn: Dsn,
    edge: Annotated[
        str | None, typer.Option(help="For an edge, as SITE/EDGE; it may only deliver.")
    ] = None,
    scope: Annotated[str, typer.Option(help="For programs: operator or viewer.")] = "viewer",
    site: Annotated[str | None, typer.Option(help="Only for this site.")] = None,
    label: Annotated[str, typer.Option(help="What the token is for.")] = "made by hand",
    out: Annotated[
        Path | None, typer.Option(help="Write it into this new file, readable for you alone.")
    ] = None,
) -> None:
    """Make a token and print it: it is not stored and can't be shown again."""
    from ingest.invitation import TokenRequestError, keep_token, make_token

    try:
        made = make_token(dsn, edge=edge, scope=scope, site=site, label=label)
        if out is None:
            typer.echo(made)
        else:
            keep_token(made, out)
    except TokenRequestError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


@app.command()
def invite(
    dsn: Dsn,
    address: Annotated[
        str, typer.Option(help="The page's address, as the browser will write it.")
    ] = "http://127.0.0.1:8380",
) -> None:
    """Print a new sign-in link; it can be used once, within a day."""
    import asyncio

    from ingest.invitation import invitation

    typer.echo(asyncio.run(invitation(dsn, address.rstrip("/"))))


@app.command()
def edge(
    site: Annotated[Path | None, typer.Option(help="The site file.")] = None,
    edge: Annotated[str | None, typer.Option(help="Which edge of the site this is.")] = None,
    centre: Annotated[
        str | None,
        typer.Option(help="The centre: ws://HOST:PORT, or its broker: mqtt://HOST:PORT."),
    ] = None,
    centre_broker: BrokerFile = None,
    token_file: Annotated[Path | None, typer.Option(help="A file with the edge's token.")] = None,
    spool: Annotated[Path | None, typer.Option(help="Where readings wait, on this disk.")] = None,
    clock: ClockFile = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file with the same options.")] = None,
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
    }
    try:
        settings = read_settings(options, os.environ, config)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(run_edge(settings))


@app.command()
def simulate(
    device: Annotated[
        str,
        typer.Argument(
            help="dam, slope, mine or fan; replay, for real logger files; load, for many edges."
        ),
    ] = "load",
    scenario: Annotated[str, typer.Option(help="Which scenario.")] = "calm",
    seed: Annotated[int, typer.Option(help="Chooses weather and noise.")] = 1,
    site: Annotated[Path | None, typer.Option(help="The demo site file in use.")] = None,
    clock: ClockFile = None,
    host: Host = "127.0.0.1",
    port: FreePort = 0,
    mapping: Annotated[Path | None, typer.Option(help="For replay: columns to registers.")] = None,
    file: Annotated[list[Path] | None, typer.Option(help="For replay: the logger files.")] = None,
    rtu_over_tcp: RtuOverTcp = False,
    serial: SerialPort = None,
    baud_rate: BaudRate = 9600,
    edges: Annotated[int, typer.Option(min=1, help="For load: how many edges.")] = 10,
    channels: Annotated[
        int, typer.Option(min=1, max=128, help="For load: channels of each edge.")
    ] = 60,
    centre: Annotated[str | None, typer.Option(help="For load: the centre's line.")] = None,
    tokens: Annotated[Path | None, typer.Option(help="For load: a token a line.")] = None,
    ledger: Annotated[Path, typer.Option(help="For load: what was sent.")] = Path("ledger.json"),
    scans_per_block: ScansPerBlock = 10,
    offered: Offered = None,
    write_sites: Annotated[
        Path | None, typer.Option(help="For load: write its site files there, and end.")
    ] = None,
    write_file: WriteFile = None,
    mqtt: Annotated[
        str | None, typer.Option(help="Publish to the broker at HOST:PORT instead of serving.")
    ] = None,
    sparkplug: Annotated[
        bool, typer.Option("--sparkplug", help="With --mqtt: as a Sparkplug B node, not as JSON.")
    ] = False,
) -> None:
    """Run one simulated device, a real Modbus server; or many edges, as a load."""
    if write_sites is not None:
        from simulators.load_numbers import write_load_sites

        for path in write_load_sites(edges, channels, write_sites):
            typer.echo(path)
        return
    if device == "load":
        _simulate_load(edges, channels, centre, tokens, ledger, scans_per_block, offered)
    from simulators.logger_writing import run_simulated
    from simulators.settings import DeviceSettings, ReplaySettings

    where = {"host": host, "port": port, "rtu_over_tcp": rtu_over_tcp}
    line: dict[str, Any] = {**where, "serial": serial, "baud_rate": baud_rate, "clock": clock}
    if device == "replay":
        from simulators.replay import run_replay

        raise typer.Exit(
            run_replay(ReplaySettings(mapping=mapping, files=tuple(file or ()), **line))
        )
    device_settings = DeviceSettings(
        device=device, scenario=scenario, seed=seed, site=site, write_file=write_file, **line
    )
    if mqtt is not None:
        from simulators.mqtt_device import simulate_mqtt

        raise typer.Exit(simulate_mqtt(device_settings, broker=mqtt, sparkplug=sparkplug))
    raise typer.Exit(run_simulated(device_settings))


def _simulate_load(
    edges: int,
    channels: int,
    centre: str | None,
    tokens: Path | None,
    ledger: Path,
    scans_per_block: int,
    offered: float | None,
) -> None:
    from simulators.load import LoadSettings, run_load

    if centre is None or tokens is None:
        typer.echo(
            "simulate load needs --centre and --tokens, and a centre with the site files that "
            "--write-sites FOLDER writes.",
            err=True,
        )
        raise typer.Exit(2)
    settings = LoadSettings(
        edges=edges,
        channels=channels,
        centre=centre.rstrip("/"),
        tokens=tokens,
        ledger=ledger,
        scans_per_block=scans_per_block,
        offered_per_s=offered,
    )
    raise typer.Exit(run_load(settings))


@bench.command("ingest")
def bench_ingest(
    edges: Annotated[int, typer.Option(min=1, help="How many edges.")] = 200,
    channels: Annotated[int, typer.Option(min=1, max=128, help="Channels of each.")] = 60,
    for_: Annotated[str, typer.Option("--for", help="Measured time, like 20s.")] = "20s",
    scans_per_block: ScansPerBlock = 10,
    offered: Offered = None,
    json: Annotated[bool, typer.Option(help="Print the report as one JSON object.")] = False,
) -> None:
    """How many readings a second does one centre on this machine store and judge?"""
    from simulators.proving.bench_ingest import BenchSettings, run_bench_ingest

    try:
        for_s = _seconds(for_)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    settings = BenchSettings(
        edges=edges,
        channels=channels,
        for_s=for_s,
        scans_per_block=scans_per_block,
        offered_per_s=offered,
        as_json=json,
    )
    raise typer.Exit(run_bench_ingest(settings))


@app.command()
def demo(
    scenario: Annotated[str, typer.Option(help="Which scenario.")] = "slope-failure",
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Scenario seconds per real second.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses weather and noise.")] = 1,
    for_: Annotated[
        str | None, typer.Option("--for", help="Real time, start included, like 90s or 5m.")
    ] = None,
    headless: Annotated[bool, typer.Option(help="Show nothing while it runs.")] = False,
    json: Annotated[bool, typer.Option(help="Print the report as one JSON object.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep database, spools and logs in this folder.")
    ] = None,
) -> None:
    """Run a whole simulated mine on this machine: instruments, edges, centre and page."""
    from simulators.proving.demo import DemoSettings, run_demo

    try:
        for_s = None if for_ is None else _seconds(for_)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    settings = DemoSettings(
        scenario=scenario,
        rate=rate,
        seed=seed,
        for_s=for_s,
        headless=headless,
        as_json=json,
        keep=keep,
    )
    raise typer.Exit(run_demo(settings))


def _seconds(text: str) -> float:
    """Read a duration such as 90s, 5m, 2h or 90."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        seconds = float(number) * unit
    except ValueError:
        raise ValueError(f"'{text}' is no duration; write it like 90s, 5m or 2h.") from None
    if seconds <= 0:
        raise ValueError(f"'{text}' is no time at all; write it like 90s, 5m or 2h.")
    return seconds


def configure_log() -> None:
    """Log a failure with its traceback, but without the variables, as structlog would.

    Those may hold secrets, and showing them takes many seconds in which nothing else happens.
    """
    import structlog

    before_rendering = structlog.get_config()["processors"][:-1]
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*before_rendering, renderer])


def main() -> None:
    """Run the command line; a database that can't be reached is a sentence, not a traceback."""
    configure_log()
    try:
        app()
    except Exception as error:
        told = _about_database(error)
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


if __name__ == "__main__":
    main()
