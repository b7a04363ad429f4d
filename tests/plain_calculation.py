"""What limits should say of real data, by a plain loop over the file: no code of ours is used.

Every step that anyone could make with a pocket calculator; the real path must agree with it.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

LEVELS = ("none", "blue", "yellow", "orange", "red")
PSI_KPA = 6.89475729


@dataclass(frozen=True)
class Told:
    """An alarm that goes from one level to another."""

    at: datetime
    channel: str
    before: str
    after: str


@dataclass(frozen=True)
class Row:
    """What a row of the Mukilteo files comes to."""

    at: datetime
    temperature_c: float
    pressure_kpa: float  # Corrected for temperature and air.
    level_m: float


def mukilteo_rows(folder: Path) -> list[Row]:
    """Water pressure and level at station MVD116, row by row."""
    zone = timezone(timedelta(hours=-8))
    with (folder / "usgs_mukilteo_mvd116_14d.tsv").open() as file:
        piezometer = list(csv.reader(file, delimiter="\t"))
    with (folder / "usgs_mukilteo_barometer_14d.tsv").open() as file:
        counts = {row[0]: float(row[2]) for row in csv.reader(file, delimiter="\t")}
    found: list[Row] = []
    for row in piezometer:
        f, ohm = float(row[17]), float(row[18])
        logarithm = math.log(ohm)
        t = 1.0 / (1.4051e-3 + 2.369e-4 * logarithm + 1.019e-7 * logarithm**3) - 273.15 + 0.3
        p = -9.5792e-5 * f * f - 2.3260e-3 * f + 828.53
        p += (20.2 - t) * 0.0380 * PSI_KPA - 0.762 * PSI_KPA
        p -= (counts[row[0]] * 0.240 + 500.0) * 0.1 - 101.3
        at = datetime.fromisoformat(row[0]).replace(tzinfo=zone).astimezone(UTC)
        found.append(Row(at, t, p, 0.1019977334 * p + 0.1))
    return found


def mukilteo_alarms(folder: Path) -> list[Told]:
    """What the water level's limits say of the fortnight."""
    bounds = {"blue": 0.42, "yellow": 0.45, "orange": 0.48, "red": 0.51}
    course = [(row.at, row.level_m) for row in mukilteo_rows(folder)]
    return list(high("water-level", course, bounds, deadband=0.02))


def pond_course(folder: Path) -> list[tuple[datetime, float]]:
    """The pond's level, row by row."""
    with (folder / "tailings_pond_2020_5min.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))[1:]
    return [
        (datetime.strptime(row[0], "%Y-%m-%d %H:%M").replace(tzinfo=UTC), float(row[4]))
        for row in rows
    ]


def pond_alarms(folder: Path) -> list[Told]:
    """What the pond level's and the freeboard's limits say of the summer."""
    course = pond_course(folder)
    levels = {"blue": 338.605, "yellow": 338.705, "orange": 338.805, "red": 338.885}
    told = list(high("pond-level", course, levels, deadband=0.05))
    # A low limit of the freeboard is a high one of its negative.
    below = [(at, -(340.0 - level)) for at, level in course]
    told += high("freeboard", below, {"yellow": -1.295, "red": -1.125}, deadband=0.05)
    return sorted(told, key=lambda one: (one.at, one.channel))


def high(
    channel: str,
    course: list[tuple[datetime, float]],
    bounds: dict[str, float],
    *,
    deadband: float,
) -> Iterator[Told]:
    """Follow a limit without delays: a level begins at its bound, ends below bound - deadband."""
    violated = dict.fromkeys(bounds, False)
    worst = "none"
    for at, value in course:
        for level, bound in bounds.items():
            if value >= bound:
                violated[level] = True
            elif value < bound - deadband:
                violated[level] = False
        now = max((level for level in bounds if violated[level]), key=LEVELS.index, default="none")
        if now != worst:
            yield Told(at, channel, worst, now)
            worst = now
