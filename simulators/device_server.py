"""A simulated device as a process of its own: a real Modbus server, whose registers are read-only.

It speaks Modbus TCP, RTU over TCP as a serial converter does, or RTU on a serial line.

Sounders that the site file names on the device's bus are served as relay modules: their coils, and
nothing else, may be written, and each order is told with its instant.

The shell around the field: it listens, looks at the clock at every request, and hands over
what the unit holds. What the registers hold is decided in `simulators.field`.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulators.field import Unit, units_of
from simulators.relay import RelayModule, told_into
from simulators.scenario import Scenario, ScenarioError, demo_site_text, read_scenario
from simulators.settings import DeviceSettings, ServingSettings
from simulators.units import ModbusUnit, Refusal
from telemetry.clock import MachineClock, ScenarioClock, instant_at, read_clock_file
from telemetry.lifetime import until_asked_to_stop
from telemetry.plan import plan_of
from telemetry.site import Site
from telemetry.site_file import SiteFileError, read_site_file, read_site_text

EVERY_OTHER_UNIT = 0  # pymodbus takes unit 0 for all numbers that no unit has.
EVERY_ADDRESS = 65_536  # Outside its registers it would answer with an exception.

Now = Callable[[], int]


def run_device(settings: DeviceSettings) -> int:
    """Serve a device until told to stop; return the exit code."""
    try:
        now, units = device_of(settings)
        relays = relays_of(settings, now)
    except (ScenarioError, SiteFileError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return serve(units, now, settings, relays)


def relays_of(settings: DeviceSettings, now: Now) -> tuple[RelayModule, ...]:
    """Make a relay module for every unit that a sounder on the device's bus hangs on."""
    site = site_of(settings, read_scenario(settings.scenario))
    own = (one for one in site.sounders if one.bus == f"{settings.device}-bus")
    return tuple(
        RelayModule(unit, told_into(settings.orders, unit, now))
        for unit in sorted({one.device_id for one in own})
    )


def device_of(settings: DeviceSettings) -> tuple[Now, tuple[Unit, ...]]:
    """Make the units of a device, and what tells its time."""
    scenario = read_scenario(settings.scenario)
    now, scenario = _clock_of(settings, scenario)
    plan = plan_of(site_of(settings, scenario))
    return now, units_of(scenario, plan, settings.device, settings.seed)


def serve(
    units: Sequence[ModbusUnit],
    now: Now,
    settings: ServingSettings,
    relays: Sequence[RelayModule] = (),
) -> int:
    """Serve units in this process until SIGTERM, SIGINT or the supervisor's end."""
    if settings.serial is not None and settings.rtu_over_tcp:
        print("Give --rtu-over-tcp or --serial, not both.", file=sys.stderr)  # noqa: T201
        return 2
    try:
        asyncio.run(_serve(DeviceServer(units, now, relays), settings))
    except OSError as error:
        where = settings.serial or f"{settings.host}:{settings.port}"
        print(f"The simulated device cannot listen on {where}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


class DeviceServer:
    """A Modbus server in front of some units."""

    def __init__(
        self, units: Sequence[ModbusUnit], now: Now, relays: Sequence[RelayModule] = ()
    ) -> None:
        """Take the units, what tells the time, and relay modules beside them."""
        self._devices = [_device(unit, now) for unit in units]
        self._devices += [relay.device() for relay in relays]
        self._devices.append(
            SimDevice(EVERY_OTHER_UNIT, _registers(0, EVERY_ADDRESS), action=_nobody)
        )
        self._server: ModbusTcpServer | ModbusSerialServer | None = None

    async def start(self, host: str, port: int, *, as_rtu: bool = False) -> int:
        """Listen for Modbus TCP, or for frames of a serial line; return the port."""
        server = ModbusTcpServer(
            self._devices,
            address=(host, port),
            framer=FramerType.RTU if as_rtu else FramerType.SOCKET,
            ignore_missing_devices=True,
        )
        if not await server.listen():
            raise OSError("the address is taken or not ours")
        self._server = server
        assert isinstance(server.transport, asyncio.Server)
        bound: int = server.transport.sockets[0].getsockname()[1]
        return bound

    async def start_on_line(self, device: str, baud_rate: int = 9600) -> None:
        """Listen on a serial line, with no parity and one stop bit."""
        server = ModbusSerialServer(
            self._devices, port=device, baudrate=baud_rate, ignore_missing_devices=True
        )
        if not await server.listen():
            raise OSError("there is no such serial port, or another program uses it")
        self._server = server

    async def stop(self) -> None:
        """Stop listening, and hang up on everyone."""
        assert self._server is not None
        await self._server.shutdown()  # type: ignore[no-untyped-call]


def shared_clock(path: Path, began_us: int) -> Now:
    """Tell scenario time by a shared clock file; the beginning, while it isn't there yet."""
    clock: ScenarioClock | None = None

    def now_us() -> int:
        nonlocal clock
        if clock is None:
            try:
                clock = read_clock_file(path)
            except FileNotFoundError:
                return began_us
        return clock.now_us()

    return now_us


def _clock_of(settings: DeviceSettings, scenario: Scenario) -> tuple[Now, Scenario]:
    """Without a shared clock the scenario begins now, and runs as fast as the machine's clock."""
    if settings.clock is not None:
        return shared_clock(settings.clock, scenario.began_us), scenario
    machine = MachineClock()
    begins_now = {"began_at": instant_at(machine.now_us())}
    return machine.now_us, scenario.model_copy(update=begins_now)


def site_of(settings: DeviceSettings, scenario: Scenario) -> Site:
    """Read the site file in use, or the demo mine's with the scenario's periods."""
    if settings.site is None:
        return read_site_text(demo_site_text(scenario, {}), "demo-site.yaml")
    return read_site_file(settings.site)


def _registers(first: int, count: int) -> SimData:
    return SimData(first, count=count, values=0, datatype=DataType.REGISTERS, readonly=True)


def _device(unit: ModbusUnit, now: Now) -> SimDevice:
    async def fill(
        _function: int,
        _first: int,
        _address: int,
        _count: int,
        registers: list[int],
        _written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        held = unit.holds(now())
        if held is Refusal.SILENT:
            raise NoSuchIdException  # The server ignores it: the client waits in vain.
        if held is Refusal.BUSY:
            return ExcCodes.DEVICE_BUSY
        registers[:] = held
        return None

    block = _registers(unit.first_address, unit.register_count)
    return SimDevice(unit.device_id, block, action=fill)


async def _nobody(
    _function: int,
    _first: int,
    _address: int,
    _count: int,
    _registers: list[int],
    _written: list[int] | list[bool] | None,
) -> ExcCodes | None:
    raise NoSuchIdException


async def _serve(server: DeviceServer, settings: ServingSettings) -> None:
    asked = asyncio.create_task(until_asked_to_stop(settings.supervised))
    if settings.serial is not None:
        await server.start_on_line(settings.serial, settings.baud_rate)
        where = settings.serial
    else:
        as_rtu = settings.rtu_over_tcp
        port = await server.start(settings.host, settings.port, as_rtu=as_rtu)
        where = f"{settings.host}:{port}"
    print(f"listening on {where}", flush=True)  # noqa: T201 - read by who started us
    await asked
    await server.stop()
