"""Calculated channels: what other channels, also of other stations, say together.

A calculated group is computed at the ticks of event time that `alarms.ticks` finds due. At a
tick each input counts with its last good value, unless that is older than the channel allows.
Values newer than the tick wait in a memory, because one flush may bring several instants.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alarms.detectors.rate import NEVER_US
from alarms.vote_plan import sources_of_votes
from telemetry.formula import Formula, formula_of
from telemetry.plan import ChannelPlan, SitePlan
from telemetry.quality import Quality, is_bad
from telemetry.scan import JudgedScans
from telemetry.site import CalculatedChannel

# A source far ahead of a group that nobody excuses; older values are then given up.
REMEMBERED_SCANS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class SourceMemory:
    """The scans of a group that calculated channels may still need; columns are its slots."""

    horizon_us: int  # No scan up to here stands in the rows below any more.
    held_us: NDArray[np.int64]  # [slot] the last good value before the rows below
    held_value: NDArray[np.float64]  # [slot]
    held_quality: NDArray[np.int16]  # [slot]
    at_us: NDArray[np.int64]  # [scan]
    value: NDArray[np.float64]  # [scan, slot] NaN where bad
    quality: NDArray[np.int16]  # [scan, slot]

    @classmethod
    def empty(cls, slots: int) -> "SourceMemory":
        """Remember nothing."""
        return cls(
            horizon_us=NEVER_US,
            held_us=np.full(slots, NEVER_US),
            held_value=np.full(slots, np.nan),
            held_quality=np.zeros(slots, dtype=np.int16),
            at_us=np.zeros(0, dtype=np.int64),
            value=np.zeros((0, slots)),
            quality=np.zeros((0, slots), dtype=np.int16),
        )

    def with_scans(
        self,
        at_us: NDArray[np.int64],
        value: NDArray[np.float64],
        quality: NDArray[np.int16],
    ) -> "SourceMemory":
        """Remember later scans too."""
        longer = SourceMemory(
            horizon_us=self.horizon_us,
            held_us=self.held_us,
            held_value=self.held_value,
            held_quality=self.held_quality,
            at_us=np.concatenate([self.at_us, at_us]),
            value=np.concatenate([self.value, np.where(is_bad(quality), np.nan, value)]),
            quality=np.concatenate([self.quality, quality]),
        )
        surplus = len(longer.at_us) - REMEMBERED_SCANS_MAX
        return longer if surplus <= 0 else longer.without_rows(surplus)

    def without_rows(self, count: int) -> "SourceMemory":
        """Forget the first rows, but hold the last good value of each slot."""
        good = ~np.isnan(self.value[:count])
        # Row 0 is what was held; row n is the n-th that goes.
        last = np.max(np.where(good, np.arange(1, count + 1)[:, np.newaxis], 0), axis=0, initial=0)
        row, slots = np.maximum(last - 1, 0), np.arange(len(last))
        newer = last > 0
        return SourceMemory(
            horizon_us=int(self.at_us[count - 1]),
            held_us=np.where(newer, self.at_us[row], self.held_us),
            held_value=np.where(newer, self.value[row, slots], self.held_value),
            held_quality=np.where(newer, self.quality[row, slots], self.held_quality),
            at_us=self.at_us[count:],
            value=self.value[count:],
            quality=self.quality[count:],
        )

    def as_of(
        self, slot: int, at_us: NDArray[np.int64], max_age_us: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        """Return a slot's last good value at each instant, NaN where too old or none."""
        good = ~np.isnan(self.value[:, slot])
        times = np.concatenate([self.held_us[slot : slot + 1], self.at_us[good]])
        values = np.concatenate([self.held_value[slot : slot + 1], self.value[good, slot]])
        qualities = np.concatenate([self.held_quality[slot : slot + 1], self.quality[good, slot]])
        row = np.maximum(np.searchsorted(times, at_us, side="right") - 1, 0)
        age_us = at_us - times[row]
        usable = (age_us >= 0) & (age_us <= max_age_us)
        return np.where(usable, values[row], np.nan), np.where(usable, qualities[row], 0)

    def last_us(
        self, at_us: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # [instant, slot], [instant]
        """Return when each slot had its last good value, and when the last scan was."""
        row = np.searchsorted(self.at_us, at_us, side="right")
        good_us = np.where(np.isnan(self.value), NEVER_US, self.at_us[:, np.newaxis])
        good_us = np.maximum.accumulate(np.vstack([self.held_us, good_us]), axis=0)
        return good_us[row], np.concatenate([[self.horizon_us], self.at_us])[row]


@dataclass(frozen=True, slots=True, eq=False)
class Calculation:
    """How one calculated channel comes about."""

    slot: int
    channel: CalculatedChannel
    formula: Formula
    inputs: tuple[tuple[str, ChannelPlan], ...]
    max_age_us: int

    def at(
        self, at_us: NDArray[np.int64], memory: dict[int, SourceMemory]
    ) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        """Compute the channel at instants, and say how far each result can be trusted."""
        columns: dict[str, NDArray[np.float64]] = {}
        quality = np.zeros(len(at_us), dtype=np.int16)
        missing = np.zeros(len(at_us), dtype=np.bool_)
        for name, source in self.inputs:
            value, doubt = memory[source.group].as_of(source.slot, at_us, self.max_age_us)
            columns[name] = value
            quality = np.maximum(quality, doubt)
            missing |= np.isnan(value)
        result = np.broadcast_to(self.formula.evaluate(columns), at_us.shape)
        quality[~np.isfinite(result)] = Quality.CONVERSION_FAILED
        if self.channel.range is not None:
            low, high = self.channel.range
            quality[(result < low) | (result > high)] = Quality.OUT_OF_RANGE
        if self.channel.states is not None:
            known = np.isin(result, np.array(list(self.channel.states), dtype=np.float64))
            quality[np.isfinite(result) & ~known] = Quality.UNKNOWN_STATE
        # A formula may look at one of two inputs only; then the other one may be missing.
        quality[missing & np.isnan(result)] = Quality.STALE_INPUT
        return np.where(is_bad(quality), np.nan, result), quality


class Derivation:
    """All calculated channels of a site, and what they need."""

    def __init__(self, plan: SitePlan) -> None:
        self._plan = plan
        self._calculations = {
            group.index: tuple(_calculation(plan, one) for one in group.channels)
            for group in plan.groups
            if group.calculated and not group.voting
        }
        self.sources = {
            group: frozenset(source.group for one in calculations for _, source in one.inputs)
            for group, calculations in self._calculations.items()
        } | sources_of_votes(plan)
        self.order = calculation_order(self.sources)
        # Votes have ticks as well, but are taken elsewhere: see `alarms.vote_taking`.
        self.computed = tuple(group for group in self.order if group in self._calculations)
        self._dependents: dict[int, list[int]] = {}
        for group, sources in self.sources.items():
            for source in sources:
                self._dependents.setdefault(source, []).append(group)

    def empty_memory(self) -> dict[int, SourceMemory]:
        """Begin with nothing remembered, of all groups that something is computed from."""
        return {
            group: SourceMemory.empty(self._plan.groups[group].slot_count)
            for group in sorted(self._dependents)
        }

    def remember(self, memory: dict[int, SourceMemory], scans: Iterable[JudgedScans]) -> None:
        """Keep scans that calculated channels may need."""
        for one in scans:
            if one.group in memory:
                memory[one.group] = memory[one.group].with_scans(
                    one.judged_us, one.value, one.quality
                )

    def calculate(
        self, memory: dict[int, SourceMemory], group: int, at_us: NDArray[np.int64]
    ) -> JudgedScans:
        """Compute the scans of a calculated group at its ticks."""
        plan = self._plan.groups[group]
        value = np.full((len(at_us), plan.slot_count), np.nan)
        quality = np.full(value.shape, Quality.NO_VALUE, dtype=np.int16)
        for one in self._calculations[group]:
            value[:, one.slot], quality[:, one.slot] = one.at(at_us, memory)
        return JudgedScans(
            group=group, sampled_us=at_us, judged_us=at_us, raw=value, value=value, quality=quality
        )

    def forget(self, memory: dict[int, SourceMemory], last_tick_us: NDArray[np.int64]) -> None:
        """Let go of what lies before the last ticks of all that is computed from it."""
        for group, dependents in self._dependents.items():
            passed_us = min(int(last_tick_us[one]) for one in dependents)
            rows = int(np.searchsorted(memory[group].at_us, passed_us, side="right"))
            if rows:
                memory[group] = memory[group].without_rows(rows)


def calculation_order(sources: dict[int, frozenset[int]]) -> tuple[int, ...]:
    """Order calculated groups so that each comes after those it is computed from."""
    order: list[int] = []
    waiting = sorted(sources)
    while waiting:
        ready = [
            group
            for group in waiting
            if all(source in order or source not in sources for source in sources[group])
        ]
        assert ready, "calculated groups depend on each other in a circle; the site file forbids it"
        order.extend(ready)
        waiting = [group for group in waiting if group not in ready]
    return tuple(order)


def _calculation(plan: SitePlan, of: ChannelPlan) -> Calculation:
    channel = of.channel
    assert isinstance(channel, CalculatedChannel)
    return Calculation(
        slot=of.slot,
        channel=channel,
        formula=formula_of(channel),
        inputs=tuple(
            (name, plan.channel_by_key[key]) for name, key in sorted(channel.inputs.items())
        ),
        max_age_us=round(channel.max_age_s * 1e6),
    )
