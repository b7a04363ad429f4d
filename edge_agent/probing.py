"""Probing: find out which registers a live device has, and read them several times."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.exceptions import ILLEGAL_FUNCTION
from edge_agent.line import Address
from edge_agent.modbus import Bus, ReadFailedError
from edge_agent.registers import READ_WORDS_MAX, Stretch
from telemetry.quality import Quality
from telemetry.register import ADDRESS_LAST, Table

CHUNK_BITS: Final = 512


class ProbeError(Exception):
    """The device cannot be probed; the message says why, and what to try."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What to read of which device."""

    address: Address
    unit: int
    tables: tuple[Table, ...] = ("holding", "input")
    first: int = 0
    count: int = 100
    reads: int = 6


@dataclass(frozen=True, slots=True, eq=False)
class TableRead:
    """Registers or bits that follow one another, read several times."""

    table: Table
    first: int
    words: NDArray[np.uint16]  # [read, register]

    @property
    def end(self) -> int:
        """The address after the last one."""
        return self.first + len(self.words[0])


async def read_device(probe: Probe, pause: Callable[[], Awaitable[None]]) -> list[TableRead]:
    """Find what can be read, and read all of it as often as asked, with a pause between."""
    bus = Bus(probe.address)
    try:
        chunks: list[Stretch] = []
        for table in probe.tables:
            count = min(probe.count, ADDRESS_LAST + 1 - probe.first)
            chunks += await _readable(bus, probe, Stretch(table, probe.first, count))
        if not chunks:
            raise ProbeError(_nothing_there(probe))
        passes: list[list[NDArray[np.uint16]]] = []
        for number in range(probe.reads):
            if number:
                await pause()
            passes.append([await _read(bus, probe, chunk) for chunk in chunks])
    finally:
        bus.close()
    return _joined(chunks, passes)


async def _readable(bus: Bus, probe: Probe, stretch: Stretch) -> list[Stretch]:
    """Halve a stretch until every part of it can be read, or holds nothing."""
    most = CHUNK_BITS if stretch.is_of_bits else READ_WORDS_MAX
    if stretch.words <= most:
        try:
            await _read(bus, probe, stretch)
        except _RefusedError as error:
            if stretch.words == 1 or error.code == ILLEGAL_FUNCTION:
                return []
        else:
            return [stretch]
    half = stretch.words // 2
    before = Stretch(stretch.table, stretch.address, half)
    behind = Stretch(stretch.table, stretch.address + half, stretch.words - half)
    return [
        *await _readable(bus, probe, before),
        *await _readable(bus, probe, behind),
    ]


class _RefusedError(Exception):
    """The device answered with an exception."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


async def _read(bus: Bus, probe: Probe, stretch: Stretch) -> NDArray[np.uint16]:
    try:
        return await bus.read(stretch, device_id=probe.unit, timeout_s=probe.address.timeout_s)
    except ReadFailedError as error:
        if error.code is not None:
            raise _RefusedError(error.code) from error
        raise ProbeError(f"{error}.\n{_remedy(error.quality)}") from error


def _remedy(quality: Quality) -> str:
    if quality == Quality.NO_CONNECTION:
        return "Remedy: check host and port, or the serial port's name."
    if quality == Quality.NO_REPLY:
        return (
            "Remedy: check --unit; on a serial line also --baud-rate, --parity and the two wires; "
            "behind a converter try --rtu-over-tcp, or without it; try a longer --timeout."
        )
    return "Remedy: see whether this is Modbus TCP, or RTU over TCP (--rtu-over-tcp)."


def _nothing_there(probe: Probe) -> str:
    return (
        f"Unit {probe.unit} answers, but has nothing in {' or '.join(probe.tables)} from "
        f"{probe.first} on.\nRemedy: try another --first, a larger --count, or another --table."
    )


def _joined(
    chunks: Sequence[Stretch], passes: Sequence[Sequence[NDArray[np.uint16]]]
) -> list[TableRead]:
    """Put what follows one another together."""
    found: list[TableRead] = []
    for n, chunk in enumerate(chunks):
        words = np.stack([one[n] for one in passes])
        last = found[-1] if found else None
        if last is not None and last.table == chunk.table and last.end == chunk.address:
            found[-1] = TableRead(last.table, last.first, np.hstack([last.words, words]))
        else:
            found.append(TableRead(chunk.table, chunk.address, words))
    return found
