"""Waiting at the edge: a task that is cancelled ends, whatever the libraries do."""

import asyncio
from types import SimpleNamespace

import pytest

from carriers.waiting import happens_within
from edge_agent.line import Line
from edge_agent.modbus import Bus
from edge_agent.registers import Stretch
from telemetry.sources import ModbusTcp


async def test_a_cancellation_in_the_same_round_as_the_event_is_not_swallowed() -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(happens_within(event, 1000.0))
    await asyncio.sleep(0)
    event.set()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_bus_heeds_a_cancellation_that_its_library_swallows() -> None:
    answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asked = asyncio.Event()

    async def read(*_: object, **__: object) -> None:
        asked.set()
        await asyncio.wait_for(answered, 1000.0)  # As pymodbus does.

    tables = ("coils", "discrete_inputs", "holding_registers", "input_registers")
    client = SimpleNamespace(
        connected=True, close=lambda: None, **{f"read_{table}": read for table in tables}
    )
    address = ModbusTcp(host="127.0.0.1", port=1)
    bus, line = Bus(address), Line(address)
    line.client = client
    bus._line = line
    reading = asyncio.create_task(bus.read(Stretch("holding", 0, 1), device_id=1, timeout_s=1000.0))
    async with asyncio.timeout(10):
        await asked.wait()
    answered.set_result(None)
    reading.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await reading
