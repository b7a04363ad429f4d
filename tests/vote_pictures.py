"""The picture of the page about voting: a slope that fails, point by point and voted.

PYTHONPATH=.:tests .venv/bin/python tests/vote_pictures.py
"""

from collections.abc import Iterable

import numpy as np
from svg_chart import BLUE, GREY, ORANGE, RED, Chart
from trend_pictures import PICTURES
from watched_field import transitions_of, watch_of

from alarms.transition import AlarmKind, Change, Transition
from simulators.scenario import read_scenario

CRACKS = tuple(f"slope-crack-{number}-opening" for number in range(1, 9))
ITEM = "slope-crack-opening"


def levels_of_a_slope() -> Chart:
    """The levels of eight crack meters in the scenario `slope-failure`, and what they add up to."""
    watch = watch_of(read_scenario("slope-failure"), 1)
    told = [one for one in transitions_of(watch) if one.kind is AlarmKind.PROCESS]
    began_us = watch.scenario.began_us
    minute = np.arange(0.0, 52.0, 0.25)
    points = np.array([level_at(told, key, began_us, minute) for key in CRACKS])
    voted = np.maximum(level_at(told, ITEM, began_us, minute), points.max(axis=0))
    chart = Chart(
        "Eight crack meters on a failing slope (simulated)",
        "minutes",
        "level: 1 blue to 4 red",
        (0, 52),
        (-0.2, 4.4),
    )
    for n, level in enumerate(points):
        chart.line(minute, level + 0.02 * n, GREY, "single crack meters" if not n else "")
    chart.line(minute, points.max(axis=0) + 0.16, ORANGE, "highest point")
    chart.line(minute, voted + 0.22, RED, "voted")
    chart.line([50.0, 50.0], [-0.2, 4.4], BLUE, "failure")
    return chart


def level_at(told: Iterable[Transition], key: str, began_us: int, minute: np.ndarray) -> np.ndarray:
    """The highest level that any rule of a channel has, minute by minute."""
    by_rule: dict[str, np.ndarray] = {}
    for one in told:
        if one.channel == key:
            level = by_rule.setdefault(one.rule, np.zeros(len(minute)))
            after = minute >= (one.sampled_us - began_us) / 60e6
            level[after] = 0.0 if one.change is Change.CLEAR else float(one.level)
    return np.max([np.zeros(len(minute)), *by_rule.values()], axis=0)


if __name__ == "__main__":
    (PICTURES / "voting.svg").write_text(levels_of_a_slope().svg(), encoding="utf-8")
