"""How long before its event each scenario is announced, by level: what the README's table shows.

Run as a script it prints JSON: `PYTHONPATH=.:tests python tests/lead_times.py --seeds 5`.
An event follows from the scenario's physics, never from what was told: the slope fails at
`fails_s`, the rock bursts at `bursts_s`, and the storm's is the lowest freeboard.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from statistics import median

import numpy as np
from watched_field import Watch, raises, transitions_of, watch_of

from alarms.transition import AlarmKind, Transition
from simulators.scenario import Scenario, read_scenario
from telemetry.site import Level

ANNOUNCED = ("slope-failure", "storm", "rockburst")
STRUCTURE_OF = {"slope-failure": "east-slope", "storm": "north-dam", "rockburst": "deep-mine"}
AFTERMATH_S = 3 * 3_600.0  # Within which a storm's pond is at its highest.
LEVELS = (Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED)


def event_s(scenario: Scenario, seed: int) -> float:
    """The instant of the event, in seconds of scenario time."""
    if scenario.slope_failure is not None:
        return scenario.slope_failure.fails_s
    if scenario.rockburst is not None:
        return scenario.rockburst.bursts_s
    at_s = np.arange(0.0, scenario.lasts_s + AFTERMATH_S, 30.0)
    level = scenario.basin.level_m(scenario.weather_of(seed), at_s)
    return float(at_s[np.argmax(level)])


def leads_min(
    watch: Watch, transitions: list[Transition], structure: str, event: float
) -> dict[str, float]:
    """Minutes from the first announcement of each level to the event; what came after is left out.

    An announcement counts from the end of the bin or the scan that it rests on.
    """
    found: dict[str, float] = {}
    for one in raises(transitions, AlarmKind.PROCESS):
        at_s = (one.sampled_us - watch.scenario.began_us) / 1e6
        if one.structure == structure and at_s < event:
            found.setdefault(one.level.name.lower(), (event - at_s) / 60.0)
    return found


def lead_times(seeds: Sequence[int]) -> list[dict[str, object]]:
    """Watch each scenario under each seed."""
    told: list[dict[str, object]] = []
    for name in ANNOUNCED:
        runs = []
        for seed in seeds:
            watch = watch_of(read_scenario(name), seed)
            event = event_s(watch.scenario, seed)
            leads = leads_min(watch, transitions_of(watch), STRUCTURE_OF[name], event)
            runs.append({"seed": seed, "event_min": event / 60.0, "lead_min": leads})
        told.append({"scenario": name, "runs": runs, "median_lead_min": _medians(runs)})
    return told


def _medians(runs: Sequence[dict[str, object]]) -> dict[str, float | None]:
    """Medians over all seeds; a level that one of them did not see before the event has none."""
    found: dict[str, float | None] = {}
    for level in LEVELS:
        name = level.name.lower()
        leads = [one["lead_min"].get(name) for one in runs]  # type: ignore[attr-defined]
        found[name] = None if None in leads else round(median(leads), 1)
    return found


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seeds", type=int, default=5, help="How many seeds, from 1.")
    found = lead_times(range(1, words.parse_args().seeds + 1))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
