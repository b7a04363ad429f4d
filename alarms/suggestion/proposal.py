"""What a channel's quiet history proposes for its part of a site file, and why.

A bound that somebody has set has a source, and no quiet history is a better one: bounds are only
proposed where a channel has no limits at all, and never above yellow. Deadbands and delays are
proposed for all limits, what is usual for all control charts.
"""

import math
from dataclasses import dataclass, field
from typing import Final

from alarms.suggestion.quiet import NotQuietError, Quiet
from telemetry.limits import ChartLimit, CusumLimit, EwmaLimit, Limit
from telemetry.plan import ChannelPlan
from telemetry.quantities import QUANTITIES

DEADBAND_SIGMAS: Final = 3.0  # The usual beginning for displacements; see the guide.
TOO_WIDE: Final = 5.0  # A deadband so many times as wide hides that the ground has come to rest.
PRESSURE_DELAY_S, DELAY_S = 15.0, 60.0
DELAY_PERIODS: Final = 2
SLOW_PERIOD_S: Final = 60.0  # Read more seldom, n of m readings are confirmed instead.
SIGMA_OFF: Final = 0.2
MEAN_OFF_SIGMAS: Final = 0.5

Number = float | int


@dataclass(frozen=True, slots=True)
class Change:
    """Something to write into a part of a channel: its n-th limit, or its n-th chart."""

    part: str  # "limits" or "charts".
    number: int
    key: str
    words: str  # As YAML.
    before: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """All that is proposed for a channel."""

    channel: str
    changes: list[Change] = field(default_factory=list)
    limits: str | None = None  # A whole list, for a channel without any.
    remarks: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether the file would stay as it is."""
        return not self.changes and self.limits is None


def propose(of: ChannelPlan, quiet: Quiet, *, period_s: float, source: str) -> Proposal:
    """Propose what a channel's part of the file should say; its limits must have been quiet."""
    _refuse_violated(of, quiet)
    proposal = Proposal(of.key)
    deadband = _rounded_up(max(DEADBAND_SIGMAS * quiet.noise, quiet.resolution or 0.0))
    for number, limit in enumerate(of.channel.limits):
        proposal.changes.extend(_of_limit(of, limit, number, deadband, period_s))
    for number, chart in enumerate(of.channel.charts):
        proposal.changes.extend(_of_chart(chart, number, quiet))
    if not (of.channel.limits or of.channel.rate_limits or of.channel.charts):
        words = [_new_limit(of, quiet, high, deadband, period_s, source) for high in (True, False)]
        return Proposal(of.key, [], f"[{', '.join(words)}]")
    return proposal


def _refuse_violated(of: ChannelPlan, quiet: Quiet) -> None:
    for limit in of.channel.limits:
        bounds = [one for one in limit.levels.model_dump().values() if one is not None]
        if limit.direction == "high" and quiet.high >= min(bounds):
            raise NotQuietError(
                f"it is not quiet: more than 0.1 % of the readings violate its high limit of "
                f"{min(bounds):g}"
            )
        if limit.direction == "low" and quiet.low <= max(bounds):
            raise NotQuietError(
                f"it is not quiet: more than 0.1 % of the readings violate its low limit of "
                f"{max(bounds):g}"
            )


def _of_limit(
    of: ChannelPlan, limit: Limit, number: int, deadband: float, period_s: float
) -> list[Change]:
    changes = []
    if not deadband <= limit.deadband <= TOO_WIDE * deadband:
        before = f"{limit.deadband:g}"
        changes.append(Change("limits", number, "deadband", f"{deadband:g}", before))
    if period_s > SLOW_PERIOD_S:
        if limit.confirm is None and not limit.on_delay_s:
            words = "{ at_least: 2, of_last: 3 }"
            changes.append(Change("limits", number, "confirm", words, "none"))
        return changes
    delay_s = _delay_s(of, period_s)
    for key in ("on_delay_s", "off_delay_s"):
        given_s = getattr(limit, key)
        if given_s < delay_s and limit.confirm is None:
            changes.append(Change("limits", number, key, f"{delay_s:g}", f"{given_s:g}"))
    return changes


def _of_chart(chart: ChartLimit, number: int, quiet: Quiet) -> list[Change]:
    sigma, mean = float(f"{quiet.spread:.3g}"), _rounded(quiet.median, quiet.spread)
    changes = []
    if chart.sigma is None or abs(chart.sigma - sigma) > SIGMA_OFF * sigma:
        before = "learned" if chart.sigma is None else f"{chart.sigma:g}"
        changes.append(Change("charts", number, "sigma", f"{sigma:g}", before))
    if isinstance(chart, EwmaLimit | CusumLimit) and (
        chart.mean is None or abs(chart.mean - mean) > MEAN_OFF_SIGMAS * sigma
    ):
        before = "learned" if chart.mean is None else f"{chart.mean:g}"
        changes.append(Change("charts", number, "mean", f"{mean:.10g}", before))
    return changes


def _new_limit(
    of: ChannelPlan, quiet: Quiet, high: bool, deadband: float, period_s: float, source: str
) -> str:
    """Write a limit just beyond what was usual: blue from the quantile, yellow from the extreme."""
    sign = 1.0 if high else -1.0
    usual, extreme = (quiet.high, quiet.highest) if high else (quiet.low, quiet.lowest)
    blue = _rounded(usual + sign * DEADBAND_SIGMAS * quiet.noise, quiet.noise)
    yellow = _rounded(extreme + sign * 2 * DEADBAND_SIGMAS * quiet.noise, quiet.noise)
    wait = "confirm: { at_least: 2, of_last: 3 }"
    if period_s <= SLOW_PERIOD_S:
        delay_s = _delay_s(of, period_s)
        wait = f"on_delay_s: {delay_s:g}, off_delay_s: {delay_s:g}"
    return (
        f"{{ direction: {'high' if high else 'low'}, "
        f"levels: {{ blue: {blue:.10g}, yellow: {yellow:.10g} }}, "
        f'deadband: {deadband:g}, {wait}, source: "{source}" }}'
    )


def _delay_s(of: ChannelPlan, period_s: float) -> float:
    quantity = QUANTITIES.get(of.channel.quantity)
    is_pressure = quantity is not None and quantity.dimension == "pressure"
    usual_s = PRESSURE_DELAY_S if is_pressure else DELAY_S
    return max(usual_s, DELAY_PERIODS * period_s)


def _rounded_up(number: float) -> float:
    """Round to two digits, upwards.

    >>> _rounded_up(0.1234), _rounded_up(300.0)
    (0.13, 300.0)
    """
    if number <= 0:
        return 0.0
    digit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return float(f"{math.ceil(number / digit - 1e-9) * digit:.3g}")


def _rounded(number: float, spread: float) -> float:
    """Round to a tenth of a spread.

    >>> _rounded(101.23456, 0.2)
    101.23
    """
    digits = 1 - math.floor(math.log10(spread)) if spread > 0 else 6
    return round(number, digits)
