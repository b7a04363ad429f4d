"""What an edge does about instants it missed, time-outs it cuts and names it cannot use."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from ingest_bench import HandClock
from ingest_site import MINUTE_US, plan_in, site_document
from structlog.testing import capture_logs

from edge_agent.modbus import Bus, ReadFailedError
from edge_agent.polling import BusPolling
from edge_agent.source import TakenScan
from telemetry.quality import Quality
from telemetry.sources import ModbusTcp

BEGAN_US = 100 * MINUTE_US


@pytest.fixture
def nobodys_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else gets meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def scans(address: dict[str, Any], *, late_minutes: int, count: int) -> list[TakenScan]:
    """Poll the hill's cracks, having slept for some minutes."""
    document = site_document()
    document["buses"][1]["modbus_tcp"] = {"host": "127.0.0.1", **address}
    plan = plan_in(document)
    bus = plan.site.buses[1]
    taken: list[TakenScan] = []
    stop = asyncio.Event()

    def keep(scan: TakenScan) -> None:
        taken.append(scan)
        if len(taken) == count:
            stop.set()

    polling = BusPolling(bus, [plan.group_by_key["cracks"]], keep=keep)
    clock = HandClock(BEGAN_US + late_minutes * MINUTE_US)
    await asyncio.wait_for(polling.run(clock, stop, begin_us=BEGAN_US, newest_us={}), 20)
    return taken


async def test_the_newest_instants_that_were_missed_are_written_down(nobodys_port: int) -> None:
    taken = await scans({"port": nobodys_port}, late_minutes=6, count=3)

    assert [(one.sampled_us - BEGAN_US) // MINUTE_US for one in taken] == [4, 5, 6]
    assert [one.monotonic_us for one in taken] == [one.sampled_us for one in taken]
    assert [int(one.quality[0]) for one in taken] == [
        Quality.NO_REPLY,
        Quality.NO_REPLY,
        Quality.NO_CONNECTION,
    ]


@pytest.mark.parametrize(("timeout_s", "told"), [(24.0, 0), (24.1, 1), (None, 0)])
async def test_a_timeout_that_the_schedule_cuts_is_told_once(
    nobodys_port: int, timeout_s: float | None, told: int
) -> None:
    address = {"port": nobodys_port} | ({} if timeout_s is None else {"timeout_s": timeout_s})
    with capture_logs() as logs:
        await scans(address, late_minutes=1, count=1)

    cut = [one for one in logs if "timeout_s is longer" in one["event"]]
    assert len(cut) == told
    assert all(one["waited_at_most_s"] == 24.0 for one in cut)


async def test_a_name_that_the_resolver_chokes_on_is_a_bus_without_connection() -> None:
    """It raises a UnicodeError there, which would end the edge with all its buses."""
    bus = Bus(ModbusTcp(host="10..0.3"))
    with pytest.raises(ReadFailedError, match=r"cannot connect to 10\.\.0\.3"):
        await bus.connect(1.0)
