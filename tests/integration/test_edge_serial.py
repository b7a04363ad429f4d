"""A serial line with several units: one that is dead, noise, an adapter that is unplugged."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from edge_plans import group_plan
from serial_line import SerialLine, serial_line
from waiting import until

from edge_agent.line import SILENCE_LEAST_S, on_the_wire_s, silence_s
from edge_agent.modbus import Bus, ReadFailedError
from edge_agent.polling import BusPolling
from edge_agent.registers import Stretch
from edge_agent.source import TakenScan
from simulators.device_server import DeviceServer
from simulators.units import Refusal
from telemetry.clock import MachineClock, ScenarioClock
from telemetry.plan import GroupPlan, plan_of
from telemetry.quality import Quality
from telemetry.site import Site
from telemetry.sources import ModbusRtu

RATE = 60.0
PERIOD_S = 30.0  # Half a real second.
STRETCH = Stretch("holding", 0, 4)


class Held:
    """A unit that holds its own number, or says nothing."""

    first_address = 0
    register_count = 4

    def __init__(self, device_id: int, *, is_dead: bool = False) -> None:
        self.device_id = device_id
        self.is_dead = is_dead

    def holds(self, _now_us: int) -> list[int] | Refusal:
        return Refusal.SILENT if self.is_dead else [self.device_id] * 4


@asynccontextmanager
async def units_on(line: SerialLine, units: Sequence[Held]) -> AsyncIterator[None]:
    server = DeviceServer(units, lambda: 0)
    await server.start_on_line(line.device)
    try:
        yield
    finally:
        await server.stop()


def plans(line: SerialLine, units: Sequence[int]) -> tuple[Site, tuple[GroupPlan, ...]]:
    """A site with a group for each unit of the line."""
    registers = [{"address": 0}, {"address": 3, "bit": 0}]
    tree: dict[str, Any] = {"bus": {"device": line.master, "timeout_s": 0.4}}
    one = group_plan(registers, period_s=PERIOD_S)
    station = one.station.model_dump(by_alias=True, exclude_none=True)
    [group] = station["scan_groups"]
    station["scan_groups"] = [
        {
            **group,
            "id": f"unit-{unit}",
            "device_id": unit,
            "channels": [{**each, "id": f"{each['id']}-{unit}"} for each in group["channels"]],
        }
        for unit in units
    ]
    site = Site.model_validate(
        {
            "site": "mine",
            "name": {"en": "Mine", "zh": "矿"},
            "time_zone": "UTC",
            "began_at": "2020-01-01T00:00:00Z",
            "buses": [{"id": "bus", "edge": "edge", "modbus_rtu": tree["bus"]}],
            "structures": [
                {
                    "id": "slope",
                    "kind": "slope",
                    "name": {"en": "Slope", "zh": "边坡"},
                    "stations": [station],
                }
            ],
        }
    )
    return site, plan_of(site).groups


async def test_a_dead_unit_on_the_line_costs_its_neighbours_nothing() -> None:
    taken: list[TakenScan] = []
    with serial_line() as line:
        site, groups = plans(line, [1, 2, 3])
        async with units_on(line, [Held(1), Held(2, is_dead=True), Held(3)]):
            polling = BusPolling(site.buses[0], groups, keep=taken.append)
            await polling.warm_up()
            clock = ScenarioClock(MachineClock().now_us(), 1_751_328_000_000_000, RATE)
            stop = asyncio.Event()
            running = asyncio.create_task(
                polling.run(clock, stop, begin_us=clock.now_us(), newest_us={})
            )
            await until(lambda: len(taken) >= 18)
            stop.set()
            await running

    assert not polling.skipped
    for unit in (1, 3):
        own = [scan for scan in taken if scan.plan.key == f"unit-{unit}"]
        assert np.diff([scan.sampled_us for scan in own]).tolist() == [30_000_000] * (len(own) - 1)
        later = own[1:]  # In the first round nobody knows yet who is dead, and is asked in vain.
        assert {tuple(scan.raw.tolist()) for scan in later} == {(float(unit), float(unit % 2))}
        assert {quality for scan in later for quality in scan.quality.tolist()} == {Quality.GOOD}
    dead = [scan for scan in taken if scan.plan.key == "unit-2"]
    assert len(dead) >= 5
    assert {quality for scan in dead for quality in scan.quality.tolist()} == {Quality.NO_REPLY}


@asynccontextmanager
async def bus_on(line: SerialLine) -> AsyncIterator[Bus]:
    bus = Bus(ModbusRtu(device=line.master, timeout_s=0.3))
    try:
        yield bus
    finally:
        bus.close()


async def test_a_damaged_answer_is_refused_and_the_next_one_is_good() -> None:
    with serial_line() as line:
        async with units_on(line, [Held(1)]), bus_on(line) as bus:

            async def read() -> list[int]:
                words = await bus.read(STRETCH, device_id=1, timeout_s=0.3)
                return words.tolist()

            assert await read() == [1] * 4
            line.to_master = lambda content: content[:-3] + b"\x55" + content[-2:]
            with pytest.raises(ReadFailedError, match="checksum") as caught:
                await read()
            assert caught.value.quality == Quality.DEVICE_ERROR
            line.to_master = lambda content: content + b"\0"
            with pytest.raises(ReadFailedError, match="more bytes"):
                await read()
            line.to_master = None
            assert await read() == [1] * 4


async def test_a_line_that_is_not_there_is_told_and_is_read_once_it_is() -> None:
    with serial_line() as line:
        nowhere = Bus(ModbusRtu(device=f"{line.master}-unplugged", timeout_s=0.3))
        with pytest.raises(ReadFailedError, match="is the adapter plugged in") as caught:
            await nowhere.read(STRETCH, device_id=1, timeout_s=0.3)
        assert caught.value.quality == Quality.NO_CONNECTION
        async with bus_on(line) as bus, bus_on(line) as second:
            async with units_on(line, [Held(1)]):
                assert (await bus.read(STRETCH, device_id=1, timeout_s=0.3)).tolist() == [1] * 4
                with pytest.raises(ReadFailedError, match="another program may be using it"):
                    await second.read(STRETCH, device_id=1, timeout_s=0.3)
            with pytest.raises(ReadFailedError, match="did not answer"):
                await bus.read(STRETCH, device_id=1, timeout_s=0.3)
            async with units_on(line, [Held(1)]):
                assert (await bus.read(STRETCH, device_id=1, timeout_s=0.3)).tolist() == [1] * 4


def test_the_line_is_given_the_time_that_its_baud_rate_takes() -> None:
    slow, fast = ModbusRtu(device="a", baud_rate=1200), ModbusRtu(device="a", baud_rate=115_200)
    assert silence_s(slow) == pytest.approx(3.5 * 11 / 1200)
    assert silence_s(fast) == SILENCE_LEAST_S
    assert on_the_wire_s(slow, 250) == pytest.approx(
        263 * 11 / 1200
    )  # 2.4 s before anyone is slow.
