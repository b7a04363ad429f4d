"""A bench of Modbus units in a process of its own: each register holds unit * 1000 + address.

Run as a script it prints its port, then obeys lines on standard input:
`UNIT works`, `UNIT silent`, `UNIT code N`, `UNIT set ADDRESS NUMBER`, and `quit`. Unit 9 has no
registers but 0 and 4. With a second argument there is a relay module, unit 20, that writes its
orders into that file, and obeys `20 powerless`, `20 powered`, `20 stuck` and `20 loose`.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulators.relay import RelayModule, told_into
from telemetry.clock import MachineClock

UNITS = (1, 2, 3)
SPARSE_UNIT = 9
RELAY_UNIT = 20


class Bench:
    """The bench, as a test sees it."""

    def __init__(self, port: int = 0, relay_log: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(port), *([str(relay_log)] if relay_log else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def order(self, line: str) -> None:
        """Give an order, and wait until it is obeyed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "done"

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> "Bench":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.kill()


def device(unit: int, behaviour: dict[int, str], held: dict[int, dict[int, int]]) -> SimDevice:
    """Make a unit whose behaviour can be changed."""

    async def answer(
        _function: int,
        _first: int,
        _address: int,
        _count: int,
        registers: list[int],
        _written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        what = behaviour.get(unit, "works").split()
        for address, number in held.get(unit, {}).items():
            registers[address] = number
        if what[0] == "silent":
            raise NoSuchIdException
        return ExcCodes(int(what[1])) if what[0] == "code" else None

    blocks = [(0, 200)] if unit != SPARSE_UNIT else [(0, 1), (4, 1)]
    registers = [
        SimData(
            first,
            values=[unit * 1000 + address for address in range(first, first + count)],
            datatype=DataType.REGISTERS,
        )
        for first, count in blocks
    ]
    return SimDevice(unit, registers, action=answer)


async def serve(port: int, relay_log: Path | None) -> None:
    """Serve the bench until standard input ends."""
    behaviour: dict[int, str] = {}
    held: dict[int, dict[int, int]] = {}
    relay = None
    if relay_log is not None:
        relay = RelayModule(RELAY_UNIT, told_into(relay_log, RELAY_UNIT, MachineClock().now_us))
    server = ModbusTcpServer(
        [
            *(device(unit, behaviour, held) for unit in (*UNITS, SPARSE_UNIT)),
            *([relay.device()] if relay else []),
        ],
        address=("127.0.0.1", port),
        ignore_missing_devices=True,
    )
    assert await server.listen()
    assert isinstance(server.transport, asyncio.Server)
    tell(str(server.transport.sockets[0].getsockname()[1]))
    threading.Thread(target=obey, args=(behaviour, held, relay), daemon=True).start()
    await asyncio.Event().wait()


def tell(line: str) -> None:
    """Answer on standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def obey(
    behaviour: dict[int, str], held: dict[int, dict[int, int]], relay: RelayModule | None
) -> None:
    """Change units as standard input says."""
    for line in sys.stdin:
        unit, _, what = line.strip().partition(" ")
        if what.startswith("set "):
            _, address, number = what.split()
            held.setdefault(int(unit), {})[int(address)] = int(number)
        elif relay is not None and int(unit) == RELAY_UNIT:
            obey_relay(relay, what)
        else:
            behaviour[int(unit)] = what
        tell("done")
    os._exit(0)


def obey_relay(relay: RelayModule, what: str) -> None:
    """Change the relay module as standard input says."""
    if what == "powerless":
        relay.lose_power()
    elif what == "powered":
        relay.is_powered = True
    else:
        relay.is_stuck = what == "stuck"


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
