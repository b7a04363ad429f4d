"""`groundwatch probe` before every simulated logger, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from serial_line import serial_line
from typer.testing import CliRunner

from edge_agent.draft import FILL_IN, draft_site
from edge_agent.line import Address
from edge_agent.probe_report import Fit, Probed, examine, fits, report, undecided
from edge_agent.probing import Probe, ProbeError, read_device
from groundwatch import app
from simulators.device_server import DeviceServer
from simulators.field import Unit, units_of
from simulators.scenario import DEVICES, demo_site_text, read_scenario
from telemetry.plan import plan_of
from telemetry.register import Register
from telemetry.site import Channel
from telemetry.site_file import SiteFileError, read_site_text
from telemetry.sources import ModbusRtu, ModbusTcp

READS = 8
SCENARIO = read_scenario("calm")
PLAN = plan_of(read_site_text(demo_site_text(SCENARIO, {}), "demo-site.yaml"))
UNITS = {
    unit.plan.key: unit for device in DEVICES for unit in units_of(SCENARIO, PLAN, device, seed=1)
}


class SteppingTime:
    """A clock that a probe moves on by a period between two reads, as real time would."""

    def __init__(self, unit: Unit) -> None:
        self.now_us = SCENARIO.began_us
        self._period_us = unit.period_us

    def __call__(self) -> int:
        return self.now_us

    async def pause(self) -> None:
        self.now_us += self._period_us


@asynccontextmanager
async def served(unit: Unit) -> AsyncIterator[tuple[Address, SteppingTime]]:
    now = SteppingTime(unit)
    server = DeviceServer([unit], now)
    port = await server.start("127.0.0.1", 0)
    try:
        yield ModbusTcp(host="127.0.0.1", port=port, timeout_s=5.0), now
    finally:
        await server.stop()


async def probed_unit(unit: Unit) -> tuple[Probe, list[Probed], list[Fit]]:
    async with served(unit) as (address, now):
        probe = Probe(address, unit.device_id, count=60, reads=READS)
        probed = examine(await read_device(probe, now.pause))
    return probe, probed, fits(probed)


def registers_of(unit: Unit) -> dict[str, Register]:
    return {
        one.key: one.channel.modbus_register
        for one in unit.plan.channels
        if isinstance(one.channel, Channel)
    }


@pytest.mark.parametrize("key", list(UNITS))
async def test_type_and_byte_order_of_every_simulated_logger_are_found(key: str) -> None:
    unit = UNITS[key]
    _, probed, fitting = await probed_unit(unit)

    [one] = probed  # Both tables show the same, which is told once.
    assert one.findings is not None
    assert (one.read.first, one.read.words.shape) == (0, (READS, unit.register_count))
    best = {found.address: found for found in one.findings.best}
    for name, register in registers_of(unit).items():
        found = best[register.address]
        assert f"{register.type} {register.byte_order}" in {found.kind, *found.same_as}, name
        assert found.words == register.words
    # And the shipped profile of the logger is the one that fits best.
    points = {point.register_.address for point in fitting[0].profile.points}
    assert fitting[0].is_whole
    assert points == {register.address for register in registers_of(unit).values()}


@pytest.mark.parametrize("key", ["dam-section-2", "slope-cracks", "fan-unit"])
async def test_the_draft_is_a_site_once_its_gaps_are_filled(key: str) -> None:
    unit = UNITS[key]
    probe, probed, fitting = await probed_unit(unit)
    for draft in (draft_site(probe, probed, fitting), draft_site(probe, probed, [])):
        with pytest.raises(SiteFileError) as caught:
            read_site_text(draft, "draft.yaml")
        gaps = {
            number for number, line in enumerate(draft.splitlines(), 1) if f": {FILL_IN}" in line
        }
        assert {one.line for one in caught.value.complaints} <= gaps

        filled = draft.replace(f"kind: {FILL_IN}", "kind: slope")
        filled = filled.replace(f"quantity: {FILL_IN}", "quantity: index")
        filled = filled.replace(f"unit: {FILL_IN}", 'unit: "1"')
        site = plan_of(read_site_text(filled, "draft.yaml"))
        drafted = {
            one.channel.modbus_register.address: one.channel.modbus_register.type
            for one in site.channels
            if isinstance(one.channel, Channel)
        }
        wanted = {one.address: one.type for one in registers_of(unit).values()}
        same = {("int16", "uint16"), ("uint16", "int16")}
        for address, type_ in drafted.items():
            assert type_ == wanted[address] or (type_, wanted[address]) in same


async def test_two_plausible_orders_are_warned_about() -> None:
    """The head over the weir stands still and is plausible in two orders: both are told."""
    unit = UNITS["dam-pond"]

    async def stand_still() -> None:
        pass

    async with served(unit) as (address, _):
        probe = Probe(address, unit.device_id, count=10, reads=4)
        probed = examine(await read_device(probe, stand_still))
    lines = "\n".join(report(probed, fits(probed)))

    assert "float32 CDAB: 99.3" in lines
    assert "float32 DCBA: -12459" in lines
    assert "numbers alone do not decide here" in lines
    assert "The profile demo-pond-station fits in 5 of 5 points" in lines
    assert 6 in {decoding.address for _, decoding in undecided(probed)}


async def test_a_unit_that_is_not_there_is_told_with_a_remedy() -> None:
    unit = UNITS["fan-unit"]
    async with served(unit) as (address, now):
        quick = ModbusTcp(host="127.0.0.1", port=address.port, timeout_s=0.1)  # type: ignore[union-attr]
        with pytest.raises(ProbeError, match=r"unit 9 did not answer(?s:.*)check --unit"):
            await read_device(Probe(quick, 9), now.pause)
        with pytest.raises(ProbeError, match="has nothing in holding or input from 500 on"):
            await read_device(Probe(address, 1, first=500, count=20), now.pause)


async def test_a_probe_on_a_serial_line() -> None:
    unit = UNITS["mine-stress"]
    now = SteppingTime(unit)
    with serial_line() as line:
        server = DeviceServer([unit], now)
        await server.start_on_line(line.device)
        try:
            address = ModbusRtu(device=line.master, timeout_s=5.0)
            reads = await read_device(Probe(address, 1, ("holding",), count=12), now.pause)
        finally:
            await server.stop()
    [one] = examine(reads)
    assert one.findings is not None
    assert {found.type for found in one.findings.best} == {"uint16"}


async def test_the_command_prints_and_drafts(tmp_path: Path) -> None:
    unit = UNITS["fan-unit"]
    draft = tmp_path / "draft.yaml"
    async with served(unit) as (address, _):
        port = str(address.port)  # type: ignore[union-attr]
        words = ["probe", "127.0.0.1", "--port", port, "--reads", "2", "--every", "0"]
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--draft", str(draft)])

    assert result.exit_code == 0, result.output
    assert "float32 ABCD" in result.output
    assert "profile: demo-fan-plc" in draft.read_text(encoding="utf-8")


def test_the_command_wants_one_way_to_the_device() -> None:
    for words in (
        ["probe"],
        ["probe", "host", "--serial", "/dev/ttyUSB0"],
        ["probe", "h", "--table", "x"],
    ):
        assert CliRunner().invoke(app, words).exit_code == 2
