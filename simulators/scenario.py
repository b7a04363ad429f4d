"""Scenarios: what happens to the demo mine, when, and what must be seen of it.

A scenario is a TOML file of physical parameters and faults. Its instants are seconds since
its beginning and do not depend on the seed; the seed chooses weather and noise.
"""

import re
import tomllib
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError

from simulators.physics.creep import TertiaryCreep
from simulators.physics.fan import MainFan
from simulators.physics.parameters import Parameters
from simulators.physics.rock import Rockburst
from simulators.physics.seepage import Basin, Embankment
from simulators.physics.weather import Storm, Weather
from telemetry.clock import instant_us
from telemetry.model_errors import each_said
from telemetry.site import LevelName, Name

SCENARIOS = ("calm", "storm", "slope-failure", "rockburst", "fan-stop", "sensor-faults")
DEVICES = ("dam", "slope", "mine", "fan")

FaultKind = Literal[
    "dead_unit",
    "gap",
    "open_circuit",
    "out_of_range",
    "spike",
    "frozen",
    "drift",
    # Of a device that stamps its scans itself: a logger's file, a message; never of a polled one.
    "clock_back",
    "repeated_stamps",
    "late",
    "out_of_order",
]


class ScenarioError(Exception):
    """A scenario cannot be used; the message says which and why."""


class Fault(Parameters):
    """Something wrong with an instrument or a unit, not with the ground."""

    kind: FaultKind
    begins_s: float
    lasts_s: Annotated[float, Field(gt=0)]
    group: str | None = None  # For what concerns a whole unit or its stamps: its scan group.
    channel: str | None = None
    raw: float | None = None  # For an open circuit: the number the logger then reads.
    value: float | None = None  # For an out-of-range value and a spike, in the channel's unit.
    per_hour: float | None = None  # For a drift, in the channel's unit.
    by_s: float | None = None  # How far a clock is set back, or how late scans are told.


class WeatherParameters(Parameters):
    """Rain that the scenario orders, and how much comes by chance."""

    storms: tuple[Storm, ...] = ()
    storm_chance: float = 0.35
    storm_depth_mm: float = 9.0


class Expected(Parameters):
    """What must be seen: the structures that alarm, and the levels, in the order of appearance."""

    process: dict[str, tuple[LevelName, ...]] = Field(default_factory=dict)
    technical: bool = False
    known_after_s: Annotated[float, Field(gt=0)]  # By then all of it has happened.


class Periods(Parameters):
    """Scan periods, in scenario seconds."""

    default_s: Annotated[float, Field(gt=0)] = 30.0
    groups: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)


def _aware(value: object) -> object:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("the instant needs a time zone, for example 2025-07-01T00:00:00Z")
    return value


class Scenario(Parameters):
    """One scenario file."""

    name: Name
    description: Name
    rate: Annotated[float, Field(gt=0)]  # Scenario seconds per real second, unless told otherwise.
    began_at: Annotated[datetime, BeforeValidator(_aware)]
    lasts_s: Annotated[float, Field(gt=0)]
    periods: Periods = Periods()
    weather: WeatherParameters = WeatherParameters()
    basin: Basin = Basin()
    embankment: Embankment = Embankment()
    slope_failure: TertiaryCreep | None = None
    rockburst: Rockburst | None = None
    fan: MainFan = MainFan()
    faults: tuple[Fault, ...] = ()
    expected: Expected

    @property
    def began_us(self) -> int:
        """The beginning, in microseconds since 1970 UTC."""
        return instant_us(self.began_at)

    def weather_of(self, seed: int) -> Weather:
        """The weather that a seed makes of this scenario."""
        return Weather(
            seed=seed,
            began_s=self.began_us / 1e6,
            storms=self.weather.storms,
            storm_chance=self.weather.storm_chance,
            storm_depth_mm=self.weather.storm_depth_mm,
        )


def read_scenario(name: str) -> Scenario:
    """Read one of the scenarios that come with Groundwatch, or a file whose path is given."""
    if name in SCENARIOS:
        text = _packaged(f"{name}.toml")
    elif name.endswith(".toml") and Path(name).is_file():
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"The scenario {name!r} cannot be read: {error}") from error
    else:
        known = ", ".join(SCENARIOS)
        raise ScenarioError(
            f"There is no scenario {name!r}; use one of {known}, or the path of a TOML file."
        )
    try:
        return Scenario.model_validate(tomllib.loads(text))
    except ValidationError as error:
        said = each_said(error.errors())
        raise ScenarioError(f"The scenario {name!r} cannot be used: {said}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"The scenario {name!r} cannot be read: {error}") from error


def demo_site_text(scenario: Scenario, ports: dict[str, int]) -> str:
    """Write the demo mine's site file for a scenario: its periods, and the ports of its buses.

    Ports are by bus id (`dam-bus`); a bus that is left out keeps the port of the file.
    """
    text = _packaged("demo-site.yaml")
    text, _ = re.subn(
        r"(?m)^(\s+period_s: )30$", lambda found: f"{found[1]}{scenario.periods.default_s:g}", text
    )
    for group, period_s in scenario.periods.groups.items():
        text = _with_one_replaced(
            text, rf"(- id: {re.escape(group)}\n\s+period_s: )\S+", f"{period_s:g}", group
        )
    for bus, port in ports.items():
        text = _with_one_replaced(
            text, rf"(- id: {re.escape(bus)}\n(?:.*\n)*?.*port: )\d+", str(port), bus
        )
    return text


def _with_one_replaced(text: str, pattern: str, new: str, what: str) -> str:
    replaced, count = re.subn(pattern, lambda found: found[1] + new, text, count=1)
    if count != 1:
        raise ScenarioError(f"The demo site has no {what!r}.")
    return replaced


def _packaged(name: str) -> str:
    return resources.files("simulators").joinpath("scenarios", name).read_text(encoding="utf-8")
