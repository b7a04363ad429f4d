"""Evidence of slow rules, and in which unit each method's figure is."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from alarms.slow.rules import SlowRule
from telemetry.plan import SitePlan
from telemetry.trends import Drift, FittedTrend, WindowTrend

UNITS: Final[Mapping[str, str]] = {
    "hydrostatic": "σ",
    "seasonal": "σ",
    "acceleration": "h",
    "tangent_angle": "°",
    "failure_time": "h",
    "intensity_duration": "×",
    "antecedent_rain": "mm",
    "recent_rain": "mm",
}
PER_HOUR: Final = ("rate", "theil_sen", "mann_kendall")


def unit_of(plan: SitePlan, rule: SlowRule) -> str:
    """Name the unit of a rule's figure, and so of its bounds."""
    unit = plan.channels[rule.channel].channel.unit
    return f"{unit}/h" if rule.method in PER_HOUR else UNITS.get(rule.method, unit)


def slow_evidence(
    plan: SitePlan, rule: SlowRule, figure: float, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Say what a belief rests on; the bound of the level is added where the level is told."""
    trend = rule.trend
    said: dict[str, Any] = {
        "method": rule.method,
        "figure": float(figure) if np.isfinite(figure) else None,
        "figure_unit": unit_of(plan, rule),
        "unit": plan.channels[rule.channel].channel.unit,
        "bin_s": trend.width_s,
        "source": trend.source,
    }
    if isinstance(trend, Drift):
        return said | {"window_s": trend.window_s, "against": list(trend.against)} | dict(facts)
    said |= {
        "direction": trend.direction,
        "deadband": trend.deadband,
        "on_delay_s": trend.on_delay_s,
        "off_delay_s": trend.off_delay_s,
    }
    if isinstance(trend, WindowTrend):
        said["window_s"] = trend.window_s
    if isinstance(trend, FittedTrend):
        said["learn_days"] = trend.learn_days
    return said | dict(facts)
