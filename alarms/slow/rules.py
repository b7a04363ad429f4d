"""The slow rules of a site: which channel is asked what, over which bins, together with which."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.rounds import Cells
from alarms.transition import AlarmKind
from telemetry.plan import ChannelPlan, SitePlan
from telemetry.site import Level
from telemetry.trends import (
    AnyTrend,
    Drift,
    FittedTrend,
    TangentAngleTrend,
    WindowTrend,
)

DRIFT: Final = "drift"
BINS_AHEAD: Final = 64  # So far one group may be ahead of another before bins fall out of the ring.
US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class SlowRule:
    """One slow method about one channel."""

    key: str
    channel: int
    group: int
    trend: AnyTrend | Drift
    others: tuple[int, ...]  # Channels that it needs beside its own, in the method's order.
    kind: AlarmKind
    levels: tuple[float | None, float | None, float | None, float | None]

    @property
    def method(self) -> str:
        """The method's name in the site file."""
        return DRIFT if isinstance(self.trend, Drift) else self.trend.method

    @property
    def sign(self) -> float:
        """Bounds of low limits are negated: see `alarms.detectors.limits`."""
        return -1.0 if not isinstance(self.trend, Drift) and self.trend.direction == "low" else 1.0

    @property
    def width_us(self) -> int:
        """The width of its bins."""
        return round(self.trend.width_s * US)

    @property
    def bins(self) -> int:
        """How many bins it looks at."""
        span_s = self.trend.window_s if isinstance(self.trend, Drift) else self.trend.span_s
        return max(2, -(-round(span_s * US) // self.width_us))


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Rules of one method with the same words, which are asked together."""

    rules: NDArray[np.int64]  # [rule] ascending
    trend: AnyTrend | Drift
    method: str
    bins: int


@dataclass(frozen=True, slots=True, eq=False)
class BinSet:
    """The channels whose means of one width are needed, and who needs them."""

    width_us: int
    length: int
    channels: NDArray[np.int64]  # [row] ascending
    cells: Cells  # Slots of scans to rows.
    families: tuple[Family, ...]
    sources: tuple[tuple[int, ...], ...]  # [rule of the site] other groups it waits for

    def rows_of(self, channels: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the rows of channels."""
        return np.searchsorted(self.channels, np.asarray(channels, dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class SlowRules:
    """All slow rules of a site; columns named [rule] have a row for each."""

    rules: tuple[SlowRule, ...]
    names: tuple[str, ...]  # [rule] "<channel>/<key>"
    sign: NDArray[np.float64]  # [rule]
    bounds: NDArray[np.float64]  # [level, rule] signed; infinite where not used
    used: NDArray[np.bool_]  # [level, rule]
    deadband: NDArray[np.float64]  # [rule]
    on_delay_us: NDArray[np.int64]  # [rule]
    off_delay_us: NDArray[np.int64]  # [rule]
    bin_sets: tuple[BinSet, ...]
    groups: frozenset[int]  # Whose scans are needed.

    def __len__(self) -> int:
        return len(self.rules)

    @property
    def span_us(self) -> int:
        """How far back anything looks."""
        return max((one.width_us * one.length for one in self.bin_sets), default=0)


def compile_slow_rules(plan: SitePlan) -> SlowRules:
    """Lay the slow rules of a site out."""
    rules = tuple(one for channel in plan.channels for one in _rules_of(plan, channel))
    limits = [rule.levels for rule in rules]
    sign = np.array([rule.sign for rule in rules])
    bounds = sign * np.array(limits, dtype=np.float64).reshape(-1, 4).T
    plain = [None if isinstance(rule.trend, Drift) else rule.trend for rule in rules]
    bin_sets = tuple(_bin_sets(plan, rules))
    return SlowRules(
        rules=rules,
        names=tuple(f"{plan.channels[rule.channel].key}/{rule.key}" for rule in rules),
        sign=sign,
        bounds=np.where(np.isnan(bounds), np.inf, bounds),
        used=np.isfinite(bounds),
        deadband=np.array([one.deadband if one else 0.0 for one in plain]),
        on_delay_us=_microseconds([one.on_delay_s if one else 0.0 for one in plain]),
        off_delay_us=_microseconds([one.off_delay_s if one else 0.0 for one in plain]),
        bin_sets=bin_sets,
        groups=frozenset(
            plan.channels[channel].group for one in bin_sets for channel in one.channels.tolist()
        ),
    )


def _rules_of(plan: SitePlan, channel: ChannelPlan) -> Iterator[SlowRule]:
    taken: dict[str, int] = {}
    for trend in channel.channel.trends:
        key = _key_of(trend)
        taken[key] = taken.get(key, 0) + 1
        yield SlowRule(
            key=key if taken[key] == 1 else f"{key}_{taken[key]}",
            channel=channel.index,
            group=channel.group,
            trend=trend,
            others=tuple(plan.channel_by_key[one].index for one in trend.others),
            kind=AlarmKind.PROCESS,
            levels=(
                trend.levels.blue,
                trend.levels.yellow,
                trend.levels.orange,
                trend.levels.red,
            ),
        )
    drift = channel.channel.drift
    if drift is not None:
        technical = Level[plan.site.technical_level.upper()]
        yield SlowRule(
            key=DRIFT,
            channel=channel.index,
            group=channel.group,
            trend=drift,
            others=tuple(plan.channel_by_key[one].index for one in drift.against),
            kind=AlarmKind.TECHNICAL,
            levels=tuple(drift.tolerance if level == technical else None for level in range(1, 5)),  # type: ignore[arg-type]
        )


def _key_of(trend: AnyTrend) -> str:
    """Name a rule by what makes it another one: a rate limit of the same window, a new fit."""
    if isinstance(trend, WindowTrend):
        if isinstance(trend, TangentAngleTrend):
            return trend.method
        name = "trend_rate" if trend.method == "rate" else trend.method
        return f"{name}_{trend.direction}_{trend.window_s:.15g}"
    if isinstance(trend, FittedTrend):
        return f"{trend.method}_{trend.direction}_v{trend.version}"
    return trend.method


def _bin_sets(plan: SitePlan, rules: tuple[SlowRule, ...]) -> Iterator[BinSet]:
    numbered = sorted(enumerate(rules), key=lambda one: (one[1].width_us, one[1].method, one[0]))
    for width_us, of_width in groupby(numbered, key=lambda one: one[1].width_us):
        members = list(of_width)
        channels = {channel for _, rule in members for channel in (rule.channel, *rule.others)}
        ordered = np.array(sorted(channels), dtype=np.int64)
        yield BinSet(
            width_us=width_us,
            length=max(rule.bins for _, rule in members) + BINS_AHEAD,
            channels=ordered,
            cells=_cells_of(plan, ordered),
            families=tuple(_families(members)),
            sources=tuple(
                tuple(sorted({plan.channels[one].group for one in rule.others} - {rule.group}))
                for rule in rules
            ),
        )


def _families(members: Sequence[tuple[int, SlowRule]]) -> Iterator[Family]:
    """Gather rules whose words differ in nothing that the method asks."""
    together: dict[object, list[tuple[int, SlowRule]]] = {}
    for number, rule in members:
        together.setdefault(_asked(rule), []).append((number, rule))
    for some in together.values():
        first = some[0][1]
        yield Family(
            rules=np.array([number for number, _ in some], dtype=np.int64),
            trend=first.trend,
            method=first.method,
            bins=first.bins,
        )


def _asked(rule: SlowRule) -> object:
    """What a method is asked, bounds and delays left out; others differ from rule to rule."""
    left_out = {"levels", "deadband", "source", "on_delay_s", "off_delay_s", "direction", "confirm"}
    if isinstance(rule.trend, Drift):
        left_out |= {"against", "tolerance"}
    if isinstance(rule.trend, TangentAngleTrend):
        left_out |= {"uniform_per_h"}
    words = rule.trend.model_dump(exclude=left_out)
    return (rule.method, rule.bins, tuple(sorted((key, str(one)) for key, one in words.items())))


def _cells_of(plan: SitePlan, channels: NDArray[np.int64]) -> Cells:
    """Lay slots out so that each channel that is needed stands at its row, all others past it."""
    all_cells = Cells.of(plan)
    place = np.full(len(plan.channels) + 1, len(channels), dtype=np.int64)
    place[channels] = np.arange(len(channels))
    return Cells(all_cells.first, place[all_cells.channel])


def _microseconds(seconds: list[float]) -> NDArray[np.int64]:
    return np.round(np.array(seconds, dtype=np.float64) * US).astype(np.int64)
