"""Evidence: what an alarm rests on, as plain values that people and programs can read."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from alarms.rules import Rule, RuleKind
from alarms.transition import Change
from telemetry.limits import (
    ChartLimit,
    CusumLimit,
    EwmaLimit,
    PageHinkleyLimit,
    RateLimit,
)
from telemetry.plan import ChannelPlan, GroupPlan, SitePlan
from telemetry.quality import Quality
from telemetry.site import Level, ScanGroup

QUALITIES = {int(quality): quality.name.lower() for quality in Quality}


@dataclass(frozen=True, slots=True)
class Finding:
    """A reading, or a whole scan, that changed what is believed about a rule."""

    rule: int
    before: int
    after: int
    at_us: int
    since_us: tuple[int, ...]  # By level: since when it is, or is not, violated.
    value: float  # The reading itself; NaN for rules about whole groups.
    quality: int
    # What bounds are held to, if not the reading: a rate per hour, what a chart shows.
    figure: float = np.nan
    usual: tuple[float, float] | None = None  # A chart's mean (NaN if it needs none) and sigma.
    # For rules about whole groups: how many channels could not be read, and which of them for
    # the reason that `quality` names.
    unread: int = 0
    examples: tuple[int, ...] = ()


def evidence_of(
    plan: SitePlan, rule: Rule, found: Finding, change: Change, level: Level
) -> dict[str, Any]:
    """Say what a change of a rule rests on; level is the one that was reached, or left."""
    began = "onset_us" if change in {Change.RAISE, Change.RISE} else "returned_us"
    lasted: dict[str, Any] = {
        began: found.since_us[level - 1],
        "on_delay_s": rule.on_delay_s,
        "off_delay_s": rule.off_delay_s,
    }
    if rule.channel is None:
        return _of_group(plan, plan.groups[rule.group], found) | lasted
    return _of_channel(plan.channels[rule.channel], rule, found, change, level) | lasted


def _of_channel(
    channel: ChannelPlan, rule: Rule, found: Finding, change: Change, level: Level
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "value": _number(found.value),
        "unit": channel.channel.unit,
        "quality": QUALITIES.get(found.quality, str(found.quality)),
    }
    if rule.kind is RuleKind.QUALITY:
        good = change is Change.CLEAR
        facts["reason"] = "good" if good else _reason(found)
    elif rule.kind is RuleKind.STATE:
        facts |= _state(channel, found)
    elif rule.limit is not None:
        limit = rule.limit
        facts |= {
            "direction": limit.direction,
            "bound": getattr(limit.levels, level.name.lower(), None),
            "deadband": limit.deadband,
            "source": limit.source,
        }
        if isinstance(limit, RateLimit):
            facts |= {
                "rate": _number(found.figure),
                "rate_unit": f"{channel.channel.unit}/h",
                "window_s": limit.window_s,
            }
        elif isinstance(limit, ChartLimit):
            facts |= _chart(limit, found)
        if limit.confirm is not None:
            facts |= {
                "at_least": limit.confirm.at_least,
                "of_last": limit.confirm.of_last,
            }
    return facts


def _of_group(plan: SitePlan, group: GroupPlan, found: Finding) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "reason": QUALITIES[found.quality],
        "channels_unread": found.unread,
        "channels": len(group.channels),
        "edge": group.edge,
    }
    if isinstance(group.group, ScanGroup):
        facts |= {"bus": group.group.bus, "device_id": group.group.device_id}
    if found.unread:  # The first by name, so that the order of a file cannot be seen.
        facts["example"] = min(plan.channels[one].key for one in found.examples)
    return facts


def _chart(limit: ChartLimit, found: Finding) -> dict[str, Any]:
    """Bound, deadband and statistic of a chart are multiples of its standard deviation."""
    mean, sigma = found.usual or (np.nan, np.nan)
    facts = {
        "statistic": _number(found.figure),
        "statistic_unit": "σ",
        "mean": _number(mean),
        "sigma": _number(sigma),
    }
    if isinstance(limit, EwmaLimit):
        return facts | {"weight": limit.weight}
    if isinstance(limit, CusumLimit | PageHinkleyLimit):
        return facts | {"slack_sigma": limit.slack_sigma}
    return facts


def _number(number: float) -> float | None:
    """Return what JSON can hold; the rate between the ends of all numbers is infinite."""
    return number if np.isfinite(number) else None


def _reason(found: Finding) -> str:
    named = QUALITIES.get(found.quality, str(found.quality))
    return "not_finite" if found.quality < Quality.NO_VALUE else named


def _state(channel: ChannelPlan, found: Finding) -> dict[str, Any]:
    states = channel.channel.states or {}
    number = None if np.isnan(found.value) else int(found.value)
    state = None if number is None else states.get(number)
    return {
        "state": number,
        "state_name": None if state is None else {"en": state.name.en, "zh": state.name.zh},
    }
