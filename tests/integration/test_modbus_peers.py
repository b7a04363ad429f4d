"""Independent peers: mbpoll reads our simulated dam, and the edge a server of libmodbus."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_plans import group_plan
from peers import absent, peer
from serial_line import serial_line

from edge_agent.line import Address
from edge_agent.modbus import Bus
from edge_agent.registers import RegisterMap
from simulators.field import units_of
from simulators.scenario import demo_site_text, read_scenario
from telemetry.clock import ScenarioClock, write_clock_file
from telemetry.plan import plan_of
from telemetry.quality import Quality
from telemetry.site_file import read_site_text
from telemetry.sources import ModbusRtu, ModbusTcp

WITHIN_S = 30.0
SERVER = Path(__file__).parents[1] / "libmodbus_server.c"
LINES = ("tcp", "rtu")


@asynccontextmanager
async def process(*words: str) -> AsyncIterator[str]:
    """A process that ends with its standard input, and the first line it says."""
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
    assert started.stdout is not None
    try:
        yield (await asyncio.wait_for(started.stdout.readline(), WITHIN_S)).decode().strip()
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


@asynccontextmanager
async def simulated_dam(folder: Path, line: str) -> AsyncIterator[list[str]]:
    """`groundwatch simulate dam`, standing at the beginning; yields how mbpoll reaches it."""
    clock = folder / "clock.json"
    began_us = read_scenario("calm").began_us
    write_clock_file(clock, ScenarioClock(10**15, began_us, 1e-9))  # It stands still.
    command = [sys.executable, "-m", "groundwatch", "simulate", "dam", "--clock", str(clock)]
    if line == "tcp":
        async with process(*command) as said:
            yield ["-p", said.rsplit(":", 1)[1], "127.0.0.1"]
        return
    with serial_line() as ends:
        async with process(*command, "--serial", ends.device) as said:
            assert said == f"listening on {ends.device}"
            yield ["-m", "rtu", "-b", "9600", "-P", "none", ends.master]


async def mbpoll(*words: str) -> dict[int, str]:
    """Poll once; return what it shows, by address from 0."""
    command = [peer("mbpoll"), "-0", "-1", "-o", "5", *words]
    ended = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=WITHIN_S, check=True
    )
    return {int(at): shown for at, shown in re.findall(r"\[(\d+)\]:\s+(\S+)", ended.stdout)}


@pytest.mark.parametrize("line", LINES)
async def test_mbpoll_reads_our_simulated_dam(line: str, tmp_path: Path) -> None:
    scenario = read_scenario("calm")
    plan = plan_of(read_site_text(demo_site_text(scenario, {}), "demo-site.yaml"))
    units = {unit.device_id: unit for unit in units_of(scenario, plan, "dam", seed=1)}
    held = {
        one: unit.read(np.array([unit.step_at(scenario.began_us)]))[0]
        for one, unit in units.items()
    }
    async with simulated_dam(tmp_path, line) as where:
        whole = await mbpoll("-a", "1", "-r", "0", "-c", "2", "-t", "4", *where)
        big_endian = await mbpoll("-a", "3", "-r", "0", "-c", "2", "-t", "4:float", "-B", *where)
        swapped = await mbpoll("-a", "2", "-r", "0", "-c", "2", "-t", "3:float", *where)

    assert int(whole[0]) == round(held[1][0] / 0.1)
    # mbpoll shows six digits.
    assert [float(big_endian[at]) for at in (0, 2)] == pytest.approx(held[3][:2], rel=1e-5)
    assert [float(swapped[at]) for at in (0, 2)] == pytest.approx(held[2][:2], rel=1e-5)


@pytest.fixture(scope="module")
def libmodbus_server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The server, compiled."""
    built = tmp_path_factory.mktemp("peer") / "libmodbus_server"
    flags = ["-I/usr/include/modbus", str(SERVER), "-o", str(built), "-lmodbus", "-lpthread"]
    ended = subprocess.run(
        [peer("cc"), *flags], capture_output=True, text=True, timeout=60, check=False
    )
    if ended.returncode and ("modbus.h" in ended.stderr or "-lmodbus" in ended.stderr):
        absent("libmodbus is not installed; .ci/run says from which package it comes")
    assert ended.returncode == 0, ended.stderr
    return str(built)


@asynccontextmanager
async def libmodbus(server: str, line: str) -> AsyncIterator[Address]:
    if line == "tcp":
        async with process(server, "tcp") as said:
            yield ModbusTcp(host="127.0.0.1", port=int(said), timeout_s=5.0)
        return
    with serial_line() as ends:
        async with process(server, "rtu", ends.device) as said:
            assert said == "ready"
            yield ModbusRtu(device=ends.master, timeout_s=5.0)


REGISTERS: list[tuple[dict[str, Any], float]] = [
    ({"address": 0, "type": "float32"}, 97.25),
    ({"address": 2, "type": "float32", "byte_order": "DCBA"}, 97.25),
    ({"address": 4, "type": "float32", "byte_order": "BADC"}, 97.25),
    ({"reference": 40007, "type": "float32", "byte_order": "CDAB"}, 97.25),
    ({"reference": 30008}, 21.0),
    ({"table": "input", "number": 32, "scale": 0.1}, 9.3),
    ({"table": "input", "address": 5, "bit": 3}, 1.0),  # 15 = 1111.
    ({"reference": 1}, 1.0),
    ({"table": "coil", "address": 31}, 0.0),
    ({"table": "coil", "address": 30}, 1.0),
    ({"reference": 10001}, 1.0),
    ({"reference": 10002}, 0.0),
    ({"reference": 10031}, 1.0),
]


@pytest.mark.parametrize("line", LINES)
async def test_the_edge_reads_a_server_of_libmodbus(line: str, libmodbus_server: str) -> None:
    here = RegisterMap(group_plan([register for register, _ in REGISTERS]))
    async with libmodbus(libmodbus_server, line) as address:
        bus = Bus(address)
        try:
            words = [await bus.read(one, device_id=1, timeout_s=5.0) for one in here.stretches]
        finally:
            bus.close()

    raw, quality = here.read(np.concatenate(words), np.zeros(here.word_count, np.int16))
    assert {stretch.table for stretch in here.stretches} == {"coil", "discrete", "holding", "input"}
    assert raw.tolist() == pytest.approx([number for _, number in REGISTERS])
    assert set(quality.tolist()) == {Quality.GOOD}
