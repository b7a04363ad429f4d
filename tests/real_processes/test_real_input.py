"""Real instruments' data through the whole path: registers, edge, line, centre and API.

The files are replayed as Modbus registers at their own instants, some ten thousand times as
fast. What comes out is compared with a plain calculation over the same files.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from plain_calculation import LEVELS, Told, mukilteo_alarms, mukilteo_rows, pond_alarms, pond_course
from real_data import real_data_folder

from simulators.proving.demonstration import Cast, Demonstration, free_ports
from simulators.proving.ledger import Balance
from simulators.replay import read_replay
from telemetry.clock import instant_at
from telemetry.site_file import read_site_text

pytestmark = [pytest.mark.real_processes, pytest.mark.real_data]

DATA = Path(__file__).parents[1] / "data"
# A poll may be late by half of this before it meets the next row; then the edge rather takes none.
# On a machine that is too busy for the first pace the replay is repeated at the second.
REAL_S_PER_ROW = (0.08, 0.24)
POND_ROWS = range(14_950, 16_250)  # Four days and a half, up through all limits and down.
POND_FILE = "tailings_pond_2020_5min.csv"


def replay_cast(name: str, files: list[Path], *, period_s: float, row_s: float) -> tuple[Cast, int]:
    """Put a replay on stage; also return the instant of its last row."""
    mapping = DATA / f"{name}-replay.toml"
    replay = read_replay(mapping, files)
    (port,) = free_ports(1)
    text = (DATA / f"{name}-site.yaml").read_text(encoding="utf-8")
    assert "port: 5031" in text
    arguments = ["replay", "--mapping", str(mapping), "--port", str(port)]
    for file in files:
        arguments += ["--file", str(file)]
    cast = Cast(
        site=read_site_text(text, name).site,
        site_text=text.replace("port: 5031", f"port: {port}"),
        devices=((name, tuple(arguments)),),
        edges=("replay-edge",),
        began_us=replay.began_us,
        rate=period_s / row_s,
    )
    return cast, replay.ends_us


@dataclass(frozen=True)
class Replayed:
    """What came out of a replay."""

    told: list[Told]
    histories: dict[str, dict[datetime, float]]
    balance: Balance


async def replayed(
    name: str,
    files: list[Path],
    folder: Path,
    channels: tuple[str, ...],
    *,
    period_s: float,
    row_s: float,
) -> Replayed:
    """Replay files to their end, and read back what arrived."""
    cast, ends_us = replay_cast(name, files, period_s=period_s, row_s=row_s)
    demonstration = Demonstration(cast, folder)
    folder.mkdir(parents=True)
    try:
        await demonstration.start()
        await asyncio.sleep(demonstration.clock.real_s_until(ends_us) + 5 * row_s)
        found = await demonstration.finish()
        headers = {"Authorization": f"Bearer {demonstration.watcher.token}"}
        base = f"{demonstration.addresses.api}/api/v1/sites/{cast.site}/"
        begin, end = instant_at(cast.began_us), instant_at(ends_us)
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as client:
            histories = {
                channel: await history(client, channel, begin, end) for channel in channels
            }
        return Replayed(told(demonstration), histories, found)
    finally:
        await demonstration.stop()


async def history(
    client: httpx.AsyncClient, channel: str, begin: datetime, end: datetime
) -> dict[datetime, float]:
    """Read every value of a channel between two instants; what is missing is left out."""
    answer = await client.get(
        f"channels/{channel}/history",
        params={
            "from": begin.isoformat(),
            "to": (end + timedelta(seconds=1)).isoformat(),  # The end itself does not belong.
            "points": 5000,
        },
    )
    document: dict[str, Any] = answer.raise_for_status().json()
    return {
        datetime.fromtimestamp(us / 1e6, UTC): value
        for us, value in zip(document["time_us"], document["value"], strict=True)
        if value is not None
    }


def told(demonstration: Demonstration) -> list[Told]:
    """What the journal says, as the plain calculation says it: one step from level to level."""
    steps: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _, entry in sorted(demonstration.watcher.entries.items()):
        if entry["kind"] == "process" and entry["change"] != "acknowledge":
            steps.setdefault((entry["sampled_at"], entry["channel"]), []).append(entry)
    found = [
        Told(
            at=datetime.fromisoformat(at),
            channel=channel,
            before=entries[0]["previous_level"] or LEVELS[0],
            after=LEVELS[0] if entries[-1]["change"] == "clear" else entries[-1]["level"],
        )
        for (at, channel), entries in steps.items()
    ]
    return sorted(found, key=lambda one: (one.at, one.channel))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Replayed, Replayed]:
    """The piezometer's fortnight and the pond's days, replayed side by side to save time."""
    folder = real_data_folder()
    stage = tmp_path_factory.mktemp("real-input")
    fortnight = [
        folder / "usgs_mukilteo_mvd116_14d.tsv",
        folder / "usgs_mukilteo_barometer_14d.tsv",
    ]
    days = [cut_out(folder / POND_FILE, stage / "slice", POND_ROWS)]

    async def replay_both(row_s: float) -> tuple[Replayed, Replayed]:
        piezometer = ("piezometer-temperature", "water-pressure", "water-level")
        run = stage / f"{row_s}"
        return await asyncio.gather(
            replayed(
                "mukilteo",
                fortnight,
                run / "mukilteo",
                piezometer,
                period_s=900.0,
                row_s=row_s,
            ),
            replayed(
                "tailings-pond", days, run / "pond", ("pond-level",), period_s=300.0, row_s=row_s
            ),
        )

    for row_s in REAL_S_PER_ROW:
        found = asyncio.run(replay_both(row_s))
        temperatures = found[0].histories["piezometer-temperature"]
        if len(temperatures) == len(mukilteo_rows(folder)) and (
            len(found[1].histories["pond-level"]) == len(pond_course(stage / "slice"))
        ):
            break
    return found


def test_the_real_piezometer_arrives_as_pressure_and_water_level(
    both: tuple[Replayed, Replayed],
) -> None:
    folder = real_data_folder()
    rows = mukilteo_rows(folder)
    piezometer, _ = both
    levels = piezometer.histories["water-level"]
    first = rows[0].at

    assert piezometer.histories["piezometer-temperature"][first] == pytest.approx(10.9635, abs=5e-5)
    assert piezometer.histories["water-pressure"][first] == pytest.approx(2.41321, abs=5e-6)
    assert levels[first] == pytest.approx(0.34614, abs=5e-6)
    assert levels == pytest.approx({row.at: row.level_m for row in rows}, abs=1e-9)
    assert piezometer.told == mukilteo_alarms(folder)
    assert piezometer.balance.lost == piezometer.balance.duplicated == 0


def test_the_real_pond_raises_what_a_plain_calculation_says(
    both: tuple[Replayed, Replayed], tmp_path: Path
) -> None:
    cut_out(real_data_folder() / POND_FILE, tmp_path, POND_ROWS)
    expected = pond_alarms(tmp_path)
    _, pond = both

    assert {change.after for change in expected} >= {"blue", "yellow", "orange", "red"}
    assert pond.histories["pond-level"] == dict(pond_course(tmp_path))
    assert pond.told == expected
    assert pond.balance.lost == pond.balance.duplicated == 0


def cut_out(source: Path, folder: Path, rows: range) -> Path:
    """Write some rows of a logger file, under its own name and header."""
    folder.mkdir(exist_ok=True)
    lines = source.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    target = folder / source.name
    target.write_text("".join([lines[0], *lines[1 + rows.start : 1 + rows.stop]]), "utf-8")
    return target
