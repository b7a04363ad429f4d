"""Real instruments' files, replayed as registers: first over a socket, then judged in process."""

import asyncio
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from plain_calculation import Told, mukilteo_alarms, mukilteo_rows, pond_alarms, pond_course
from pymodbus.client import AsyncModbusTcpClient
from real_data import FOLDER, real_data_folder

from alarms.engine import SiteEngine
from alarms.ticks import TickSchedule
from alarms.transition import AlarmKind, Change, Inputs, Transition
from simulators.device_server import DeviceServer
from simulators.registers import raw_in, word_count
from simulators.replay import LoggerUnit, Replay, ReplayError, read_replay
from simulators.units import Refusal
from telemetry.clock import MachineClock, ScenarioClock, instant_at, instant_us, write_clock_file
from telemetry.conversion import GroupConverter
from telemetry.plan import GroupPlan, SitePlan, plan_of
from telemetry.quality import Quality
from telemetry.scan import JudgedScans
from telemetry.site import Channel, Level, ScanGroup
from telemetry.site_file import read_site_file

ROOT = Path(__file__).parents[2]
HERE = ROOT / "tests" / "data"
REAL = FOLDER
MUKILTEO = ("usgs_mukilteo_mvd116_14d.tsv", "usgs_mukilteo_barometer_14d.tsv")
POND = ("tailings_pond_2020_5min.csv",)

needs_real_data = [pytest.mark.real_data, pytest.mark.usefixtures("real_files")]


@pytest.fixture(scope="module")
def real_files() -> Path:
    """The real files; without them a test is skipped with a message, but never in CI."""
    return real_data_folder()


OWN_MAPPING = """
period_s = 60.0

[[units]]
file = "own.csv"
format.delimiter = "semicolon"
format.header_rows = 2
format.time = { format = "%d.%m.%Y %H:%M", zone = "+08:00" }
device_id = 4
registers = [
    { column = 1, address = 5, type = "float32" },
    { column = 2, address = 7, type = "int16", scale = 0.1 },
]
"""
OWN_ROWS = """\ufeffsome logger;;
time;level;temperature °C
01.07.2025 08:00;1.5;20.1
01.07.2025 08:01;;20.2

01.07.2025 08:03;NAN;-3.0
"""
BEGAN_US = 1_751_328_000_000_000  # 2025-07-01T00:00:00Z
MINUTE_US = 60_000_000


def own(tmp_path: Path, rows: str = OWN_ROWS, mapping: str = OWN_MAPPING) -> Replay:
    (tmp_path / "own.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "own.toml").write_text(mapping, encoding="utf-8")
    return read_replay(tmp_path / "own.toml", [tmp_path / "own.csv"])


def test_rows_become_registers_at_their_own_instants(tmp_path: Path) -> None:
    replay = own(tmp_path)
    unit = replay.units[0]

    assert replay.began_us == BEGAN_US - MINUTE_US
    assert replay.ends_us == BEGAN_US + 3 * MINUTE_US
    assert (unit.device_id, unit.first_address, unit.register_count) == (4, 5, 3)
    assert unit.holds(BEGAN_US - MINUTE_US // 2 - 1) is Refusal.BUSY
    assert unit.holds(BEGAN_US - MINUTE_US // 2) == [0x3FC0, 0, 201]  # 1.5 and 20.1
    assert unit.holds(BEGAN_US + MINUTE_US // 2 - 1) == [0x3FC0, 0, 201]


def test_what_is_missing_stays_missing(tmp_path: Path) -> None:
    unit = own(tmp_path).units[0]
    blank, gap, written = (unit.holds(BEGAN_US + n * MINUTE_US) for n in (1, 2, 3))

    assert blank == [0x7FC0, 0, 202]  # Not a number.
    assert gap is Refusal.BUSY
    assert written == [0x7FC0, 0, 65536 - 30]


@pytest.mark.parametrize(
    ("rows", "mapping", "words"),
    [
        (OWN_ROWS.replace("20.2", "warm"), OWN_MAPPING, "own.csv:4:.*'warm' is not a number"),
        (
            OWN_ROWS.replace("08:01", "8h01"),
            OWN_MAPPING,
            "4:.*'01.07.2025 8h01' is no stamp",
        ),
        (
            OWN_ROWS,
            OWN_MAPPING.replace("column = 2", "column = 9"),
            "3:.*3 cells instead of 10",
        ),
        ("one\ntwo\n", OWN_MAPPING, "has no rows"),
        (OWN_ROWS, OWN_MAPPING.replace("own.csv", "other.csv"), "needs other.csv"),
        (OWN_ROWS, OWN_MAPPING + "colour = 1", "colour"),
        (OWN_ROWS, OWN_MAPPING + "[", "cannot be read"),
        (OWN_ROWS.replace("20.2", "NAN"), OWN_MAPPING, "Column 2 of own.csv has gaps.*int16"),
        (OWN_ROWS.replace("20.2", "9e9"), OWN_MAPPING, "Column 2 of own.csv.*can't show"),
    ],
)
def test_a_replay_that_cannot_begin_says_why(
    tmp_path: Path, rows: str, mapping: str, words: str
) -> None:
    with pytest.raises(ReplayError, match=words):
        own(tmp_path, rows, mapping)


def test_a_mapping_in_another_encoding_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN_MAPPING, encoding="utf-16")
    with pytest.raises(ReplayError, match="cannot be read"):
        read_replay(tmp_path / "own.toml", [])


async def test_a_gap_answers_busy_over_the_wire(tmp_path: Path) -> None:
    now_us = BEGAN_US
    server = DeviceServer(own(tmp_path).units, lambda: now_us)
    client = AsyncModbusTcpClient(
        "127.0.0.1", port=await server.start("127.0.0.1", 0), timeout=5.0, retries=0
    )
    assert await client.connect()

    row = await client.read_holding_registers(5, count=3, device_id=4)
    now_us = BEGAN_US + 2 * MINUTE_US
    gap = await client.read_holding_registers(5, count=3, device_id=4)
    client.close()
    await server.stop()

    assert row.registers == [0x3FC0, 0, 201]
    assert gap.isError()
    assert gap.exception_code == 6  # Server device busy.


async def test_a_replay_runs_as_a_process_and_begins_with_the_shared_clock(tmp_path: Path) -> None:
    own(tmp_path)
    clock = tmp_path / "clock.json"
    files = ("--mapping", str(tmp_path / "own.toml"), "--file", str(tmp_path / "own.csv"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "groundwatch.py"), "simulate", "replay"),
        *(*files, "--clock", str(clock)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GROUNDWATCH_SUPERVISED": "0"},
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30.0)).decode().strip()
        port = int(line.removeprefix("listening on 127.0.0.1:"))
        client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5.0, retries=0)
        assert await client.connect()
        early = await client.read_holding_registers(5, count=3, device_id=4)
        # A clock so slow that it stands at the first row for as long as the test may take.
        write_clock_file(clock, ScenarioClock(MachineClock().now_us(), BEGAN_US, 0.001))
        row = await client.read_holding_registers(5, count=3, device_id=4)
        client.close()
        process.terminate()
        code = await asyncio.wait_for(process.wait(), 10.0)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert early.exception_code == 6  # Before its clock there is no row.
    assert row.registers == [0x3FC0, 0, 201]
    assert code == 0


def scans_of(unit: LoggerUnit, group: GroupPlan, replay: Replay) -> JudgedScans:
    """Poll a unit at each instant of its group, as an edge does, and convert what it says."""
    at_us = np.arange(replay.began_us + group.period_us, replay.ends_us + 1, group.period_us)
    held = [unit.holds(int(at)) for at in at_us]
    answered = np.array([not isinstance(one, Refusal) for one in held])
    words = np.array([one for one in held if not isinstance(one, Refusal)], np.uint16)
    raw = np.full((len(at_us), group.slot_count), np.nan)
    for one in group.channels:
        assert isinstance(one.channel, Channel)
        register = one.channel.register_
        begin = register.address - unit.first_address
        columns = words[:, begin : begin + word_count(register)]
        raw[answered, one.slot] = raw_in(register, columns)
    quality = np.where(answered, Quality.GOOD, Quality.DEVICE_ERROR).astype(np.int16)
    quality = np.repeat(quality[:, np.newaxis], group.slot_count, axis=1)
    value, judged = GroupConverter(group).convert(raw, quality)
    return JudgedScans(group.index, at_us, at_us, raw, value, judged)


def judged(name: str, files: tuple[str, ...]) -> tuple[SitePlan, list[JudgedScans], list[Told]]:
    """Replay real files in process; return the scans, calculated ones too, and the alarms."""
    plan = plan_of(read_site_file(HERE / f"{name}-site.yaml"))
    replay = read_replay(HERE / f"{name}-replay.toml", [REAL / file for file in files])
    scans: list[JudgedScans] = []
    for group in plan.groups:
        if isinstance(group.group, ScanGroup):
            number = group.group.device_id
            unit = next(unit for unit in replay.units if unit.device_id == number)
            scans.append(scans_of(unit, group, replay))
    engine, ticks = SiteEngine(plan), TickSchedule(plan)
    state = engine.initial_state()
    nobody = np.zeros(len(plan.groups), np.bool_)
    transitions: list[Transition] = []
    taken: tuple[JudgedScans, ...] = tuple(scans)
    while True:  # A schedule hands out 10,000 ticks at most.
        due = ticks.due(state, taken, nobody)
        if not due and not taken:
            break
        outcome = engine.step(state, Inputs(scans=taken, ticks=due))
        transitions += outcome.transitions
        scans += [
            JudgedScans(one.group, one.at_us, one.at_us, one.value, one.value, one.quality)
            for one in outcome.calculated
        ]
        taken = ()
    return plan, scans, told(transitions)


def told(transitions: list[Transition]) -> list[Told]:
    """Process alarms as a plain calculation tells them: one step where several rise at once."""
    found: dict[tuple[int, str], Told] = {}
    for one in transitions:
        assert one.kind is AlarmKind.PROCESS, one
        after = Level.NONE if one.change is Change.CLEAR else one.level
        key = (one.sampled_us, one.channel)
        before = found[key].before if key in found else one.previous_level.name.lower()
        found[key] = Told(instant_at(one.sampled_us), one.channel, before, after.name.lower())
    return sorted(found.values(), key=lambda one: (one.at, one.channel))


def column(plan: SitePlan, scans: list[JudgedScans], channel: str) -> dict[int, float]:
    one = plan.channel_by_key[channel]
    return {
        int(at): float(value)
        for block in scans
        if block.group == one.group
        for at, value in zip(block.sampled_us, block.value[:, one.slot], strict=True)
    }


class TestMukilteo:
    pytestmark = needs_real_data

    def test_the_first_row_is_what_the_survey_published(self) -> None:
        plan, scans, _ = judged("mukilteo", MUKILTEO)

        def first(channel: str) -> float:
            return next(iter(column(plan, scans, channel).values()))

        assert first("piezometer-temperature") == pytest.approx(10.9635, abs=5e-5)
        assert first("piezometer-pressure") == pytest.approx(0.45721, abs=5e-6)
        assert first("water-pressure") == pytest.approx(2.41321, abs=5e-6)
        assert first("water-level") == pytest.approx(0.34614, abs=5e-6)

    def test_every_row_arrives_with_the_value_that_a_calculator_gives(self) -> None:
        plan, scans, _ = judged("mukilteo", MUKILTEO)
        level = column(plan, scans, "water-level")
        rows = mukilteo_rows(REAL)

        assert len(level) == len(rows) == 1_344
        assert [level[instant_us(row.at)] for row in rows] == pytest.approx(
            [row.level_m for row in rows], abs=1e-9
        )

    def test_its_limits_raise_what_a_plain_calculation_says(self) -> None:
        _, _, alarms = judged("mukilteo", MUKILTEO)
        expected = mukilteo_alarms(REAL)

        assert alarms == expected
        assert {one.after for one in expected} == {"none", "blue", "yellow", "orange", "red"}


class TestTailingsPond:
    pytestmark = needs_real_data

    def test_every_row_arrives_and_the_gaps_stay_gaps(self) -> None:
        plan, scans, _ = judged("tailings-pond", POND)
        level = column(plan, scans, "pond-level")
        course = {instant_us(at): value for at, value in pond_course(REAL)}

        assert len(course) == 26_478
        assert {at: value for at, value in level.items() if not np.isnan(value)} == course
        assert len(level) - len(course) == 18

    def test_its_limits_raise_what_a_plain_calculation_says(self) -> None:
        _, _, alarms = judged("tailings-pond", POND)
        expected = pond_alarms(REAL)

        assert alarms == expected
        assert {one.channel for one in expected} == {"pond-level", "freeboard"}
        assert {one.after for one in expected} == {"none", "blue", "yellow", "orange", "red"}
