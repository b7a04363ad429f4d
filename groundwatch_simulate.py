"""The command line of a mine without a mine: simulated devices, load, demonstration, benches.

A part of `groundwatch.py`, which adds these commands to its own.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from groundwatch_files import WriteFile

Device = Annotated[
    str,
    typer.Argument(
        help="dam, slope, mine or fan; replay, for real logger files; load, for many edges."
    ),
]
Scenario = Annotated[str, typer.Option(help="Which scenario.")]
Seed = Annotated[int, typer.Option(help="Chooses weather and noise.")]
SiteFile = Annotated[Path | None, typer.Option(help="The demo site file in use.")]
ClockFile = Annotated[
    Path | None, typer.Option("--clock", help="A shared scenario clock (demonstrations only).")
]
Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
FreePort = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="The port; 0 chooses a free one.")
]
Mapping = Annotated[Path | None, typer.Option(help="For replay: columns to registers.")]
LoggerFiles = Annotated[list[Path] | None, typer.Option(help="For replay: the logger files.")]
RtuOverTcp = Annotated[
    bool, typer.Option("--rtu-over-tcp", help="Frames as a serial converter passes them on.")
]
SerialPort = Annotated[
    str | None, typer.Option("--serial", help="A serial port, instead of host and port.")
]
BaudRate = Annotated[
    int, typer.Option("--baud-rate", min=300, max=1_000_000, help="Of the serial port.")
]
Orders = Annotated[
    Path | None, typer.Option(help="A file to write into what sounders were ordered, and when.")
]
Mqtt = Annotated[
    str | None, typer.Option(help="Publish to the broker at HOST:PORT instead of serving.")
]
Sparkplug = Annotated[
    bool, typer.Option("--sparkplug", help="With --mqtt: as a Sparkplug B node, not as JSON.")
]
Edges = Annotated[int, typer.Option(min=1, help="For load: how many edges.")]
Channels = Annotated[int, typer.Option(min=1, max=128, help="For load: channels of each edge.")]
Centre = Annotated[str | None, typer.Option(help="For load: the centre's line.")]
Tokens = Annotated[Path | None, typer.Option(help="For load: a token a line.")]
Ledger = Annotated[Path, typer.Option(help="For load: what was sent.")]
WriteSites = Annotated[
    Path | None, typer.Option(help="For load: write its site files there, and end.")
]
ScansPerBlock = Annotated[
    int, typer.Option(min=1, max=512, help="Scans that an edge sends together.")
]
Offered = Annotated[
    float | None,
    typer.Option(min=1, help="Readings a second of all edges; left out: as fast as they go."),
]


def add_commands(app: typer.Typer) -> None:
    """Give the command line what simulates and proves."""
    app.command()(simulate)
    app.command()(demo)
    app.command()(faults)
    bench = typer.Typer(help="Measure what this machine can do.", no_args_is_help=True)
    bench.command("ingest")(bench_ingest)
    bench.command("detectors")(bench_detectors)
    bench.command("forecast")(bench_forecast)
    bench.command("backtest")(bench_backtest)
    bench.command("push")(bench_push)
    bench.command("latency")(bench_latency)
    app.add_typer(bench, name="bench")


def simulate(
    device: Device = "load",
    scenario: Scenario = "calm",
    seed: Seed = 1,
    site: SiteFile = None,
    clock: ClockFile = None,
    host: Host = "127.0.0.1",
    port: FreePort = 0,
    mapping: Mapping = None,
    file: LoggerFiles = None,
    rtu_over_tcp: RtuOverTcp = False,
    serial: SerialPort = None,
    baud_rate: BaudRate = 9600,
    write_file: WriteFile = None,
    orders: Orders = None,
    mqtt: Mqtt = None,
    sparkplug: Sparkplug = False,
    edges: Edges = 10,
    channels: Channels = 60,
    centre: Centre = None,
    tokens: Tokens = None,
    ledger: Ledger = Path("ledger.json"),
    scans_per_block: ScansPerBlock = 10,
    offered: Offered = None,
    write_sites: WriteSites = None,
) -> None:
    """Run one simulated device, a real Modbus server; or many edges, as a load."""
    if write_sites is not None:
        _write_sites(edges, channels, write_sites)
    if device == "load":
        load: dict[str, Any] = {"edges": edges, "channels": channels, "ledger": ledger}
        load |= {"scans_per_block": scans_per_block, "offered_per_s": offered}
        raise typer.Exit(_simulate_load(centre, tokens, load))
    line: dict[str, Any] = {"host": host, "port": port, "rtu_over_tcp": rtu_over_tcp}
    line |= {"serial": serial, "baud_rate": baud_rate, "clock": clock}
    if device == "replay":
        raise typer.Exit(_replay(mapping, file or [], line))
    line |= {"device": device, "scenario": scenario, "seed": seed, "site": site, "orders": orders}
    raise typer.Exit(_simulate_device({**line, "write_file": write_file}, mqtt, sparkplug))


def _write_sites(edges: int, channels: int, folder: Path) -> None:
    from simulators.load_numbers import write_load_sites

    try:
        written = write_load_sites(edges, channels, folder)
    except OSError as error:
        typer.echo(f"The site files can't be written into {folder}: {error.strerror}.", err=True)
        raise typer.Exit(2) from error
    for path in written:
        typer.echo(path)
    raise typer.Exit(0)


def _simulate_load(centre: str | None, tokens: Path | None, load: dict[str, Any]) -> int:
    from simulators.load import LoadSettings, run_load

    if centre is None or tokens is None:
        typer.echo(
            "simulate load needs --centre and --tokens, and a centre with the site files that "
            "--write-sites FOLDER writes.",
            err=True,
        )
        return 2
    return run_load(LoadSettings(centre=centre.rstrip("/"), tokens=tokens, **load))


def _replay(mapping: Path | None, files: list[Path], line: dict[str, Any]) -> int:
    from simulators.replay import run_replay
    from simulators.settings import ReplaySettings

    return run_replay(ReplaySettings(mapping=mapping, files=tuple(files), **line))


def _simulate_device(device: dict[str, Any], mqtt: str | None, sparkplug: bool) -> int:
    from simulators.logger_writing import run_simulated
    from simulators.settings import DeviceSettings

    settings = DeviceSettings(**device)
    if mqtt is not None:
        from simulators.mqtt_device import simulate_mqtt

        return simulate_mqtt(settings, broker=mqtt, sparkplug=sparkplug)
    return run_simulated(settings)


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

    settings = BenchSettings(
        edges=edges,
        channels=channels,
        for_s=seconds_or_exit(for_),
        scans_per_block=scans_per_block,
        offered_per_s=offered,
        as_json=json,
    )
    raise typer.Exit(run_bench_ingest(settings))


def bench_detectors(
    channels: Annotated[int, typer.Option(min=1, help="How many channels.")] = 300_000,
    json: Annotated[bool, typer.Option(help="Print the report as one JSON object.")] = False,
) -> None:
    """How many readings a second does one core judge, without database and network?"""
    from simulators.proving.bench_detectors import run_bench_detectors

    raise typer.Exit(run_bench_detectors(channels, as_json=json))


def bench_forecast(
    failing: Annotated[int, typer.Option(min=5, help="Slopes that fail.")] = 1000,
    stable: Annotated[int, typer.Option(min=0, help="Slopes that creep and do not.")] = 1000,
    seed: Annotated[int, typer.Option(min=1, max=50, help="Chooses the slopes.")] = 1,
    json: Annotated[bool, typer.Option(help="Print the report as one JSON object.")] = False,
) -> None:
    """Are times of failure given, are they right, and are any given to slopes that stand?"""
    from simulators.proving.bench_forecast import ForecastBench, run_bench_forecast

    bench = ForecastBench(failing=failing, stable=stable, seed=seed, as_json=json)
    raise typer.Exit(run_bench_forecast(bench))


def bench_backtest(
    channels: Annotated[int, typer.Option(min=1, help="How many channels.")] = 10_000,
    scans: Annotated[int, typer.Option(min=1, help="Scans of each.")] = 1_000,
    json: Annotated[bool, typer.Option(help="Print the report as one JSON object.")] = False,
) -> None:
    """How many stored readings a second does one core judge anew?"""
    from simulators.proving.bench_backtest import run_bench_backtest

    raise typer.Exit(run_bench_backtest(channels, scans, as_json=json))


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

    settings = DemoSettings(
        scenario=scenario,
        rate=rate,
        seed=seed,
        for_s=None if for_ is None else seconds_or_exit(for_),
        headless=headless,
        as_json=json,
        keep=keep,
    )
    raise typer.Exit(run_demo(settings))


def seconds_or_exit(text: str) -> float:
    """Read a duration; end the program with a sentence where it is none."""
    from telemetry.durations import seconds_in

    try:
        return seconds_in(text)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def bench_push(
    clients: Annotated[int, typer.Option(min=1, help="How many live lines.")] = 2000,
    frozen: Annotated[int, typer.Option(min=0, help="How many of them freeze half-way.")] = 200,
    per_s: Annotated[float, typer.Option(min=0.1, help="Scans, and messages, a second.")] = 10.0,
    for_: Annotated[str, typer.Option("--for", help="Measured time, twice, like 20s.")] = "20s",
    json: Annotated[bool, typer.Option(help="Print the report as one JSON object.")] = False,
) -> None:
    """How soon do thousands of live pages have what was measured, and what if some freeze?"""
    from simulators.proving.bench_push import PushBench, run_bench_push

    bench = PushBench(
        clients=clients,
        frozen=min(frozen, clients),
        scans_per_s=per_s,
        for_s=seconds_or_exit(for_),
        as_json=json,
    )
    raise typer.Exit(run_bench_push(bench))


def bench_latency(
    edges: Annotated[int, typer.Option(min=1, help="How many edges.")] = 3000,
    channels: Annotated[int, typer.Option(min=1, max=128, help="Channels of each.")] = 100,
    for_: Annotated[str, typer.Option("--for", help="Measured time, like 60s.")] = "60s",
    json: Annotated[bool, typer.Option(help="Print the report as one JSON object.")] = False,
) -> None:
    """How soon after its sample is an alarm at a websocket, with every channel at 1 Hz?"""
    from simulators.proving.bench_latency import LatencyBench, run_bench_latency

    bench = LatencyBench(edges=edges, channels=channels, for_s=seconds_or_exit(for_), as_json=json)
    raise typer.Exit(run_bench_latency(bench))


def faults(
    trials: Annotated[int, typer.Option(min=0, help="How many faults, one after another.")] = 100,
    seed: Annotated[int, typer.Option(help="Chooses the faults and the weather.")] = 1,
    bug: Annotated[
        list[str] | None, typer.Option(help="Hunt this planted bug only; 'none' hunts none.")
    ] = None,
    json: Annotated[bool, typer.Option(help="Print the report as one JSON object.")] = False,
) -> None:
    """Hurt a running mine in every way, and prove that nothing is lost and nothing invented."""
    from simulators.proving.faults.command import run_faults
    from telemetry.planted import BUGS

    bugs = [] if bug == ["none"] else bug or list(BUGS)
    raise typer.Exit(run_faults(trials, seed, bugs, as_json=json))
