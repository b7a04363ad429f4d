"""`groundwatch probe`: read a live device and say what its registers may be."""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # Imported when it runs, so that --help of every other command stays quick.
    from edge_agent.line import Address
    from edge_agent.probing import Probe

HostName = Annotated[str | None, typer.Argument(help="Its address, unless --serial is given.")]
Unit = Annotated[int, typer.Option(min=0, max=255, help="Its number on the bus.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Its port.")]
RtuOverTcp = Annotated[
    bool, typer.Option("--rtu-over-tcp", help="Frames as a serial converter passes them on.")
]
Serial = Annotated[str | None, typer.Option(help="A serial port, such as /dev/ttyUSB0.")]
BaudRate = Annotated[int, typer.Option(min=300, max=1_000_000, help="Of the serial port.")]
Parity = Annotated[str, typer.Option(help="Of the serial port: none, even or odd.")]
StopBits = Annotated[int, typer.Option(min=1, max=2, help="Of the serial port.")]
Tables = Annotated[
    list[str] | None, typer.Option(help="holding, input, coil or discrete; several times.")
]
First = Annotated[int, typer.Option(min=0, max=65535, help="The first address, from 0.")]
Count = Annotated[int, typer.Option(min=1, max=65536, help="How many registers to look at.")]
Reads = Annotated[int, typer.Option(min=1, max=1000, help="How often to read them.")]
Every = Annotated[float, typer.Option(min=0.0, help="Seconds between two reads.")]
Timeout = Annotated[float, typer.Option(min=0.05, max=60.0, help="Seconds to wait for it.")]
Draft = Annotated[Path | None, typer.Option(help="Write a draft of a site file here.")]


def probe(
    host: HostName = None,
    unit: Unit = 1,
    port: Port = 502,
    rtu_over_tcp: RtuOverTcp = False,
    serial: Serial = None,
    baud_rate: BaudRate = 9600,
    parity: Parity = "none",
    stop_bits: StopBits = 1,
    table: Tables = None,
    first: First = 0,
    count: Count = 100,
    reads: Reads = 6,
    every: Every = 2.0,
    timeout: Timeout = 1.0,
    draft: Draft = None,
) -> None:
    """Read a live device, and print every plausible type, byte order and scale of its registers.

    Read for longer than the device takes to measure anew (--reads, --every): numbers that move
    tell far more than numbers that stand still. Nothing is ever written to the device.
    """
    from pydantic import ValidationError

    from edge_agent.probing import ProbeError

    line = {"baud_rate": baud_rate, "parity": parity, "stop_bits": stop_bits, "timeout_s": timeout}
    place = {"host": host, "port": port, "timeout_s": timeout}
    try:
        address = _address({**line, "device": serial}, place, rtu_over_tcp=rtu_over_tcp)
        chosen = _probe(address, unit, table, first=first, count=count, reads=reads)
        asyncio.run(_run(chosen, every, draft))
    except ValidationError as error:
        [fault, *_] = error.errors()
        typer.echo(f"--{str(fault['loc'][-1]).replace('_', '-')}: {fault['msg']}.", err=True)
        raise typer.Exit(2) from error
    except (ProbeError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _address(line: dict[str, Any], place: dict[str, Any], *, rtu_over_tcp: bool) -> "Address":
    """Say how to reach the device; the models check what was given."""
    from telemetry.sources import ModbusRtu, ModbusRtuOverTcp, ModbusTcp

    if (line["device"] is None) == (place["host"] is None):
        raise typer.BadParameter("give the device's address, or --serial with a serial port")
    if line["device"] is not None:
        return ModbusRtu.model_validate(line)
    return (ModbusRtuOverTcp if rtu_over_tcp else ModbusTcp).model_validate(place)


def _probe(
    address: "Address", unit: int, tables: list[str] | None, *, first: int, count: int, reads: int
) -> "Probe":
    from pydantic import TypeAdapter

    from edge_agent.probing import Probe
    from telemetry.register import Table

    chosen = TypeAdapter(list[Table]).validate_python(tables or ["holding", "input"])
    return Probe(address, unit, tuple(dict.fromkeys(chosen)), first, count, reads)


async def _run(chosen: "Probe", every_s: float, draft: Path | None) -> None:
    from edge_agent.draft import draft_site
    from edge_agent.probe_report import examine, fits, report, undecided
    from edge_agent.probing import read_device

    probed = examine(await read_device(chosen, partial(asyncio.sleep, every_s)))
    fitting = fits(probed)
    typer.echo("\n".join(report(probed, fitting)))
    if undecided(probed):
        typer.echo(
            "Where numbers alone do not decide: compare with the device's display or document, "
            "or read for longer, until they move."
        )
    if draft is not None:
        draft.write_text(draft_site(chosen, probed, fitting), encoding="utf-8")
        typer.echo(f"A draft of a site file is in {draft}; `groundwatch check` names its gaps.")
