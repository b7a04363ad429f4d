"""The demo mine as a real one would be watched: every ten minutes, over hours, days and weeks.

The demonstration's ground acts within minutes, and its templates are given short windows for that.
In a calm month it is ordinary ground; so the templates keep their own windows, and what they ask
for is what an engineer would write for this ground: a few times what weather and mining do to it.
"""

import re

from simulators.scenario import Periods, Scenario, demo_site_text, read_scenario

PERIOD_S = 600.0
GIVEN = {
    "pore-pressure": "rises_per_h: 0.5",
    "phreatic-depth": "nears_per_h: 0.1",
    "pond-level": "rises_per_h: 0.05",
    "rain": "soaked_mm: 150",
    # Forecasts over bins of some hours only: they are what takes long in a test.
    "crack-opening": "bin_s: 14400, uniform_per_h: 0.05, lasts_h: 240, leaps_per_h: 100",
    "surface-displacement": "bin_s: 21600, lasts_h: 240, leaps_per_h: 3600",
    "vertical-displacement": "sinks_per_h: 0.4",  # 10 mm a day.
    "tilt": "tilts_per_h: 0.002, lasts_h: 240, leaps_per_h: 60",
    "borehole-stress": "loads_per_h: 0.6",
    "convergence": "closes_per_h: 0.08, lasts_h: 240, leaps_per_h: 100",
    "microseismic-energy": "grows_per_h: 3000",
    "microseismic-count": "learn_readings: 1000",
    "bearing-temperature": "window_s: 43200",
}
USE = re.compile(r"(?m)^  - \{ use: ([a-z-]+)(?:, with: \{.*\})? \}.*$")


def month_of(name: str) -> Scenario:
    """A scenario, read every ten minutes."""
    return read_scenario(name).model_copy(update={"periods": Periods(default_s=PERIOD_S)})


def month_site_text(scenario: Scenario, ports: dict[str, int]) -> str:
    """The demo site with a real mine's windows; what counts readings counts as many of them."""
    text = USE.sub(_given, demo_site_text(scenario, ports))
    text = text.replace("max_age_s: 95", f"max_age_s: {3 * PERIOD_S + 5:g}")
    # Votes as often as there is something to vote on.
    text = text.replace("every_s: 60\n", f"every_s: {PERIOD_S:g}\n")
    text = text.replace("max_age_s: 180\n", f"max_age_s: {3 * PERIOD_S:g}\n")
    return text.replace("after_s: 1200", f"after_s: {40 * PERIOD_S:g}")


def _given(use: re.Match[str]) -> str:
    given = GIVEN.get(use[1], "")
    return f"  - {{ use: {use[1]}, with: {{ {given} }} }}" if given else f"  - {{ use: {use[1]} }}"
