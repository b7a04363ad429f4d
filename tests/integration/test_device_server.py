"""A simulated device over a real socket: what it holds, when it stays silent, how it ends."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.framer import FramerType

from simulators.device_server import DeviceServer, relays_of, shared_clock
from simulators.field import Unit, units_of
from simulators.registers import raw_in
from simulators.relay import orders_in
from simulators.scenario import demo_site_text, read_scenario
from simulators.settings import DeviceSettings
from simulators.units import Refusal
from telemetry.clock import MachineClock, ScenarioClock, write_clock_file
from telemetry.plan import plan_of
from telemetry.site import Channel
from telemetry.site_file import read_site_text

SOUNDER = """
sounders:
  - {id: siren, bus: dam-bus, device_id: 20, coil: {reference: "00004"}, structures: [north-dam],
     read_back: {table: discrete, address: 3}, from_level: red}
"""
ROOT = Path(__file__).parents[2]
SILENCE_S = 0.15
CODE = """
import sys
from pathlib import Path
from simulators.device_server import run_device
from simulators.settings import DeviceSettings
device, scenario, clock, port = sys.argv[1:]
sys.exit(run_device(DeviceSettings(
    device=device, scenario=scenario, seed=1, clock=Path(clock), port=int(port))))
"""


class FakeTime:
    """A clock that stands still until it is set."""

    def __init__(self, now_us: int) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us


def units(scenario_name: str, device: str) -> dict[str, Unit]:
    scenario = read_scenario(scenario_name)
    plan = plan_of(read_site_text(demo_site_text(scenario, {}), "demo-site.yaml"))
    return {unit.plan.key: unit for unit in units_of(scenario, plan, device, seed=1)}


@asynccontextmanager
async def serving(found: dict[str, Unit], now: FakeTime) -> AsyncIterator[AsyncModbusTcpClient]:
    server = DeviceServer(list(found.values()), now)
    port = await server.start("127.0.0.1", 0)
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=SILENCE_S, retries=0)
    try:
        assert await client.connect()
        yield client
    finally:
        client.close()
        await server.stop()


async def test_registers_change_half_a_period_before_the_instant() -> None:
    found = units("slope-failure", "slope")
    unit = found["slope-cracks"]
    began_us = read_scenario("slope-failure").began_us
    now = FakeTime(began_us)
    first = unit.step_at(began_us)

    async with serving(found, now) as client:

        async def read() -> list[int]:
            answer = await client.read_holding_registers(0, count=33, device_id=1)
            return answer.registers

        assert await read() == unit.words(first)
        now.now_us = began_us + 14_999_999
        assert await read() == unit.words(first)
        now.now_us = began_us + 15_000_000
        assert await read() == unit.words(first + 1)
        now.now_us = began_us + 3_000_000_000
        assert await read() == unit.words(first + 100)
    assert unit.words(first) != unit.words(first + 1)


async def test_every_unit_answers_with_its_own_registers_in_both_tables() -> None:
    found = units("calm", "dam")
    now = FakeTime(read_scenario("calm").began_us)

    async with serving(found, now) as client:
        for unit in found.values():
            expected = unit.holds(now.now_us)
            for read in (client.read_holding_registers, client.read_input_registers):
                answer = await read(
                    unit.first_address, count=unit.register_count, device_id=unit.device_id
                )
                assert answer.registers == expected


async def test_a_swapped_float_reads_as_the_pond_does() -> None:
    """Only a client that honours the byte order gets a plausible head over the weir."""
    found = units("calm", "dam")
    pond = found["dam-pond"]
    now = FakeTime(read_scenario("calm").began_us)
    head = next(one.channel for one in pond.plan.channels if one.key == "dam-weir-head")
    assert isinstance(head, Channel)
    assert head.register_.byte_order == "CDAB"

    async with serving(found, now) as client:
        answer = await client.read_holding_registers(6, count=2, device_id=4)

    value = client.convert_from_registers(
        answer.registers, client.DATATYPE.FLOAT32, word_order="little"
    )
    assert isinstance(value, float)
    assert value == pytest.approx(97.0, abs=3.0)
    words = pond.words_at(np.array([pond.step_at(now.now_us)]))[:, 6:8]
    assert raw_in(head.register_, words)[0] == pytest.approx(value)


async def test_nobody_can_write() -> None:
    found = units("calm", "fan")
    now = FakeTime(read_scenario("calm").began_us)

    async with serving(found, now) as client:
        assert (await client.write_register(0, 0, device_id=1)).isError()
        assert (await client.write_registers(0, [0, 0], device_id=1)).isError()
        answer = await client.read_holding_registers(0, count=2, device_id=1)

    assert answer.registers == [1, 1]


async def test_registers_that_are_not_there_are_an_error_not_a_number() -> None:
    found = units("calm", "fan")

    async with serving(found, FakeTime(read_scenario("calm").began_us)) as client:
        answer = await client.read_holding_registers(0, count=10, device_id=1)

    assert answer.isError()
    assert answer.exception_code == 2  # Illegal data address.


async def test_a_dead_unit_and_a_missing_one_say_nothing_while_others_answer() -> None:
    found = units("sensor-faults", "dam")
    now = FakeTime(read_scenario("sensor-faults").began_us + 700_000_000)
    assert found["dam-section-3"].holds(now.now_us) is Refusal.SILENT

    async with serving(found, now) as client:
        for silent in (3, 77):
            with pytest.raises(ModbusIOException):
                await client.read_holding_registers(0, count=2, device_id=silent)
        answer = await client.read_holding_registers(0, count=2, device_id=1)

    assert (
        answer.registers
        == found["dam-section-1"].words(found["dam-section-1"].step_at(now.now_us))[:2]
    )


def test_a_shared_clock_stands_at_the_beginning_until_it_is_set_going(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    began_us = read_scenario("calm").began_us
    now = shared_clock(file, began_us)

    assert now() == began_us

    real_us = MachineClock().now_us()
    write_clock_file(file, ScenarioClock(real_us - 10_000_000, began_us, 60.0))

    assert 600_000_000 <= now() - began_us < 1_200_000_000


@asynccontextmanager
async def process(
    *arguments: str, supervised: bool = False
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A device in a process of its own, and its first line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    environment["GROUNDWATCH_SUPERVISED"] = "1" if supervised else "0"
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CODE, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    assert started.stdout is not None
    try:
        line = await asyncio.wait_for(started.stdout.readline(), 30.0)
        yield started, line.decode().strip()
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def test_a_process_says_where_it_listens_and_ends_well_when_told_to(tmp_path: Path) -> None:
    async with process("fan", "calm", str(tmp_path / "clock.json"), "0") as (device, line):
        port = int(line.removeprefix("listening on 127.0.0.1:"))
        client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5.0, retries=0)
        assert await client.connect()
        answer = await client.read_holding_registers(0, count=9, device_id=1)
        device.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(device.wait(), 10.0)
        client.close()

    fan = units("calm", "fan")["fan-unit"]
    assert answer.registers == fan.words(fan.step_at(read_scenario("calm").began_us))
    assert code == 0


async def test_a_supervised_process_ends_with_its_supervisor(tmp_path: Path) -> None:
    arguments = ("fan", "calm", str(tmp_path / "clock.json"), "0")
    async with process(*arguments, supervised=True) as (device, line):
        assert line.startswith("listening on ")
        assert device.stdin is not None
        device.stdin.close()

        assert await asyncio.wait_for(device.wait(), 10.0) == 0


async def test_a_taken_port_and_a_wrong_name_are_told_in_a_sentence(tmp_path: Path) -> None:
    clock = str(tmp_path / "clock.json")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = str(holder.getsockname()[1])
        async with process("fan", "calm", clock, taken) as (second, _):
            assert await asyncio.wait_for(second.wait(), 10.0) == 1
            assert second.stderr is not None
            assert f"cannot listen on 127.0.0.1:{taken}" in (await second.stderr.read()).decode()
    async with process("crane", "calm", clock, "0") as (third, _):
        assert await asyncio.wait_for(third.wait(), 10.0) == 2
        assert third.stderr is not None
        assert "use one of dam, slope, mine, fan" in (await third.stderr.read()).decode()


async def test_a_process_speaks_as_a_serial_converter_does(tmp_path: Path) -> None:
    words = ["-m", "groundwatch", "simulate", "fan", "--rtu-over-tcp"]
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, *words, "--clock", str(tmp_path / "clock.json")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert started.stdout is not None
    try:
        line = (await asyncio.wait_for(started.stdout.readline(), 30.0)).decode()
        port = int(line.rsplit(":", 1)[1])
        client = AsyncModbusTcpClient(
            "127.0.0.1", port=port, framer=FramerType.RTU, timeout=5.0, retries=0
        )
        assert await client.connect()
        answer = await client.read_holding_registers(0, count=9, device_id=1)
        client.close()
    finally:
        started.kill()
        await started.communicate()

    fan = units("calm", "fan")["fan-unit"]
    assert answer.registers == fan.words(fan.step_at(read_scenario("calm").began_us))


async def test_a_sounder_of_the_site_file_may_be_written_and_nothing_else(tmp_path: Path) -> None:
    site, orders = tmp_path / "site.yaml", tmp_path / "orders"
    text = demo_site_text(read_scenario("calm"), {})
    site.write_text(text + SOUNDER, encoding="utf-8")
    now = FakeTime(1_000_000)
    settings = DeviceSettings(device="dam", site=site, orders=orders)
    found = units("calm", "dam")
    server = DeviceServer(list(found.values()), now, relays_of(settings, now))
    port = await server.start("127.0.0.1", 0)
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=2.0, retries=0)
    try:
        assert await client.connect()
        await client.write_coil(3, True, device_id=20)
        assert (await client.read_discrete_inputs(0, count=4, device_id=20)).bits[:4] == [
            *([False] * 3),
            True,
        ]
        now.now_us = 2_000_000
        await client.write_coil(3, False, device_id=20)
        assert (await client.write_register(0, 7, device_id=1)).isError()
        assert (await client.write_register(0, 7, device_id=20)).isError()
    finally:
        client.close()
        await server.stop()
    assert orders_in(orders) == [(1_000_000, 20, 3, "on"), (2_000_000, 20, 3, "off")]
    assert relays_of(DeviceSettings(device="fan", site=site), now) == ()
