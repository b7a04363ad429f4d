"""Small sites for tests of the engine, and the scans and inputs that go into it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from alarms.engine import SiteEngine
from alarms.engine_state import EngineState
from alarms.ticks import TickSchedule
from alarms.transition import Inputs, Outcome, TakenVote, Transition
from telemetry.plan import SitePlan, plan_of
from telemetry.quality import Quality
from telemetry.scan import JudgedScans
from telemetry.site import Site

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
BEGAN_US = 1_751_328_000_000_000  # 2025-07-01T00:00:00Z: a whole number of days


def limit(direction: str = "high", **words: Any) -> dict[str, Any]:
    """A limit; levels and delays by name."""
    colours = [name for name in ("blue", "yellow", "orange", "red") if name in words]
    levels = {name: words.pop(name) for name in colours}
    return {"direction": direction, "levels": levels, "source": "Design report, 4.2", **words}


def channel(key: str, slot: int, **words: Any) -> dict[str, Any]:
    """A measured channel."""
    words.setdefault("unit", "m")
    return {
        "id": key,
        "quantity": "level",
        "slot": slot,
        "instrument": "gauge",
        "register": {"address": slot},
        **words,
    }


def calculated(key: str, slot: int, formula: str, **words: Any) -> dict[str, Any]:
    """A calculated channel."""
    words = {"unit": "m", "max_age_s": 600.0, **words}
    return {"id": key, "quantity": "level", "slot": slot, "formula": formula, **words}


def plan(
    groups: Mapping[str, Sequence[dict[str, Any]]],
    calculated_groups: Mapping[str, Sequence[dict[str, Any]]] | None = None,
    *,
    period_s: float | Mapping[str, float] = 60.0,
    technical_level: str = "yellow",
    instruments: Sequence[dict[str, Any]] = ({"id": "gauge", "type": "gauge"},),
    voting: dict[str, Any] | None = None,
) -> SitePlan:
    """A site with one structure, one station and the groups given."""

    def part(key: str, channels: Sequence[dict[str, Any]]) -> dict[str, Any]:
        period = period_s if isinstance(period_s, float) else period_s[key]
        return {"id": key, "period_s": period, "channels": list(channels)}

    name = {"en": "Small", "zh": "小"}
    station = {
        "id": "station",
        "name": name,
        "instruments": list(instruments),
        "scan_groups": [
            {**part(key, channels), "bus": "bus", "device_id": 1}
            for key, channels in groups.items()
        ],
        "calculated_groups": [
            part(key, channels) for key, channels in (calculated_groups or {}).items()
        ],
    }
    structure: dict[str, Any] = {
        "id": "dam",
        "kind": "tailings_dam",
        "name": name,
        "stations": [station],
        "voting": voting,
    }
    return plan_of(
        Site.model_validate(
            {
                "site": "small",
                "name": name,
                "time_zone": "UTC",
                "began_at": "2020-01-01T00:00:00Z",
                "technical_level": technical_level,
                "buses": [{"id": "bus", "edge": "edge", "modbus_tcp": {"host": "localhost"}}],
                "structures": [structure],
            }
        )
    )


def scans(
    group: int,
    at_us: ArrayLike,
    value: ArrayLike,
    *,
    quality: ArrayLike | None = None,
    sampled_us: ArrayLike | None = None,
) -> JudgedScans:
    """Scans of a group; a value that is NaN was not read."""
    instants = np.asarray(at_us, dtype=np.int64)
    rows = np.asarray(value, dtype=np.float64)
    rows = rows.reshape(len(instants), -1 if len(instants) else 1)
    bad = np.where(np.isnan(rows), Quality.NO_REPLY, Quality.GOOD)
    judged = bad if quality is None else np.asarray(quality).reshape(rows.shape)
    return JudgedScans(
        group=group,
        sampled_us=instants if sampled_us is None else np.asarray(sampled_us, dtype=np.int64),
        judged_us=instants,
        raw=rows,
        value=np.where(judged >= 100, np.nan, rows),
        quality=judged.astype(np.int16),
    )


def part_of(whole: JudgedScans, begin: int, end: int) -> JudgedScans:
    """Some rows of scans."""
    rows = slice(begin, end)
    return JudgedScans(
        group=whole.group,
        sampled_us=whole.sampled_us[rows],
        judged_us=whole.judged_us[rows],
        raw=whole.raw[rows],
        value=whole.value[rows],
        quality=whole.quality[rows],
    )


class Watch:
    """An engine with its state and ticks, fed flush by flush."""

    def __init__(self, of: SitePlan) -> None:
        self.engine = SiteEngine(of)
        self.schedule = TickSchedule(of)
        self.state: EngineState = self.engine.initial_state()
        self.told: list[Transition] = []
        self.votes: dict[str, TakenVote] = {}  # The newest of each structure.

    def flush(self, *some: JudgedScans, excused: Sequence[int] = (), **inputs: Any) -> Outcome:
        """Take scans and other inputs in, and the ticks that become due with them."""
        not_waited_for = np.zeros(len(self.engine.plan.groups), dtype=np.bool_)
        not_waited_for[list(excused)] = True
        ordered = tuple(sorted(some, key=lambda one: one.group))
        ticks = self.schedule.due(self.state, ordered, not_waited_for)
        outcome = self.engine.step(self.state, Inputs(scans=ordered, ticks=ticks, **inputs))
        self.told.extend(outcome.transitions)
        self.votes |= {one.structure: one for one in outcome.votes}
        return outcome


def in_order(told: Sequence[Transition]) -> list[Transition]:
    """Sort transitions so that runs that were cut differently can be compared."""
    return sorted(told, key=lambda one: (one.sampled_us, one.channel, one.rule, one.key))
