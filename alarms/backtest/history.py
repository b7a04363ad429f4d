"""Stored history as inputs of an engine, by event time, under any configuration.

Raw numbers are converted anew; qualities that the line, the device or the edge gave stay, those
that the centre gave are made again. What was imported, or came late, stands where it was measured;
a scan whose clock was wrong stands at the instant that it was judged at. Ticks of calculated
channels follow from the scans alone (`alarms.ticks`); a group that sends no more is not waited for.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from alarms.engine_state import EngineState
from alarms.ticks import TICKS_AT_ONCE_MAX, TickSchedule
from alarms.transition import Inputs
from historian.measured_history import MeasuredScans, ends_of_groups, measured_scans
from telemetry.conversion import GroupConverter
from telemetry.plan import SitePlan
from telemetry.quality import Quality, is_screened
from telemetry.scan import JudgedScans, as_wide_as, joined

SCANS_AT_ONCE: Final = 20_000  # Of up to 128 readings: what a stretch needs of memory.
SCANS_REPAIRED_MAX: Final = 50_000  # With a wrong clock; all are held in memory.
STRETCH_MIN_US: Final = 1_000_000
STRETCH_MAX_US: Final = 28 * 86_400_000_000
# Where something is calculated: shorter than the gap over which ticks are not made up for.
STRETCH_WITH_TICKS_MAX_US: Final = 12 * 3_600_000_000
# What the centre found out; it is found out again.
MADE_AGAIN: Final = (
    Quality.CLOCK_SUSPECT,
    Quality.CONFLICT,
    Quality.NOT_FINITE,
    Quality.ELECTRICAL,
    Quality.OUT_OF_RANGE,
    Quality.CONVERSION_FAILED,
    Quality.UNKNOWN_STATE,
)


class TooDenseError(Exception):
    """More scans stand in one second than can be taken at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The scans of a stretch of time, by plan index."""

    until_us: int
    scans: tuple[JudgedScans, ...]


class StoredHistory:
    """What is stored of a site over a span, as a configuration understands it."""

    def __init__(
        self,
        connection: AsyncConnection,
        site_id: int,
        plan: SitePlan,
        group_ids: Sequence[int | None],  # By plan index; None: nothing is stored of it.
        span_us: range,
        *,
        with_ticks: bool = True,  # Whether calculated channels are made from it.
    ) -> None:
        self._connection, self._site_id, self._plan = connection, site_id, plan
        self.span_us = span_us
        self._group_of = {
            group_id: group.index
            for group, group_id in zip(plan.groups, group_ids, strict=True)
            if group_id is not None and not group.calculated
        }
        self._converters = [GroupConverter(group) for group in plan.groups]
        self._calculates = with_ticks and any(group.calculated for group in plan.groups)
        self._repaired: dict[int, MeasuredScans] = {}
        self.first_us = np.full(len(plan.groups), span_us.stop)
        self.last_us = np.full(len(plan.groups), span_us.start - 1)
        self.repaired_left_out = False

    async def open(self) -> None:
        """Find where each group begins and ends, and all scans whose clock was wrong."""
        ends = await ends_of_groups(
            self._connection, self._site_id, list(self._group_of), self.span_us
        )
        for group_id, (first_us, last_us) in ends.items():
            group = self._group_of[group_id]
            self.first_us[group], self.last_us[group] = first_us, last_us
        repaired = await self._read(self.span_us, SCANS_REPAIRED_MAX, repaired=True)
        self.repaired_left_out = repaired is None
        for one in repaired or ():
            self._repaired[one.group_id] = one
            group = self._group_of[one.group_id]
            self.first_us[group] = min(self.first_us[group], one.judged_us[0])
            self.last_us[group] = max(self.last_us[group], one.judged_us[-1])

    async def stretches(self) -> AsyncIterator[Stretch]:
        """Yield the scans stretch by stretch; how long one is depends on how much there is."""
        longest_us = STRETCH_WITH_TICKS_MAX_US if self._calculates else STRETCH_MAX_US
        begin_us = max(self.span_us.start, int(self.first_us.min(initial=self.span_us.stop)))
        stop_us = min(self.span_us.stop, int(self.last_us.max(initial=self.span_us.start)) + 1)
        length_us = self._planned_us(longest_us)
        while begin_us < stop_us:
            end_us = min(begin_us + length_us, stop_us)
            found = await self._read(range(begin_us, end_us), SCANS_AT_ONCE)
            if found is None:
                length_us //= 2
                if length_us < STRETCH_MIN_US:
                    raise TooDenseError(
                        f"more than {SCANS_AT_ONCE:,} scans are stored within a second"
                    )
                continue
            yield Stretch(end_us, self._judged(found, begin_us, end_us))
            begin_us = end_us
            if sum(len(one.time_us) for one in found) < SCANS_AT_ONCE // 3:
                length_us = min(2 * length_us, longest_us)

    def silent_after(self, at_us: int) -> NDArray[np.bool_]:  # [group]
        """Tell which groups have no scan from an instant on: nobody waits for those."""
        return self.last_us < at_us

    def _planned_us(self, longest_us: int) -> int:
        per_us = sum(1 / self._plan.groups[one].period_us for one in self._group_of.values())
        if not per_us:
            return longest_us
        return min(longest_us, max(STRETCH_MIN_US, int(SCANS_AT_ONCE / 2 / per_us)))

    async def _read(
        self, span_us: range, most: int, *, repaired: bool = False
    ) -> list[MeasuredScans] | None:
        group_ids = list(self._group_of)
        return await measured_scans(
            self._connection, self._site_id, group_ids, span_us, most=most, repaired=repaired
        )

    def _judged(
        self, found: Sequence[MeasuredScans], begin_us: int, end_us: int
    ) -> tuple[JudgedScans, ...]:
        parts: dict[int, list[JudgedScans]] = {}
        for one in found:
            parts.setdefault(self._group_of[one.group_id], []).append(self._as_judged(one))
        for group_id, one in self._repaired.items():
            begin, end = np.searchsorted(one.judged_us, [begin_us, end_us])
            if begin < end:
                group = self._group_of[group_id]
                parts.setdefault(group, []).append(self._as_judged(_rows(one, begin, end)))
        return tuple(_by_time(parts[group]) for group in sorted(parts))

    def _as_judged(self, scans: MeasuredScans) -> JudgedScans:
        group = self._group_of[scans.group_id]
        raw, quality = as_wide_as(self._plan.groups[group].slot_count, scans.raw, scans.quality)
        again = np.isin(quality, MADE_AGAIN) | is_screened(quality)
        again |= (quality == Quality.NO_VALUE) & np.isfinite(raw)  # The slot had no channel then.
        quality = np.where(again, np.int16(Quality.GOOD), quality).astype(np.int16)
        value, quality = self._converters[group].convert(raw, quality)
        suspect = (scans.judged_us != scans.time_us)[:, np.newaxis] & (quality == Quality.GOOD)
        quality[suspect] = Quality.CLOCK_SUSPECT
        return JudgedScans(group, scans.time_us, scans.judged_us, raw, value, quality)


def inputs_with_ticks(
    schedule: TickSchedule, state: EngineState, stretch: Stretch, silent: NDArray[np.bool_]
) -> Inputs:
    """Give an engine the scans of a stretch, with the ticks that become due by them."""
    return Inputs(scans=stretch.scans, ticks=schedule.due(state, stretch.scans, silent))


def ticks_left(
    schedule: TickSchedule, state: EngineState, given: Inputs, silent: NDArray[np.bool_]
) -> Inputs | None:
    """Give what was due beyond what one call lists; None when that was all."""
    if len(given.ticks) < TICKS_AT_ONCE_MAX:
        return None
    return Inputs(ticks=schedule.due(state, (), silent))


def _rows(scans: MeasuredScans, begin: int, end: int) -> MeasuredScans:
    rows = slice(begin, end)
    return MeasuredScans(
        scans.group_id,
        scans.time_us[rows],
        scans.judged_us[rows],
        scans.raw[rows],
        scans.quality[rows],
    )


def _by_time(parts: list[JudgedScans]) -> JudgedScans:
    whole = joined(parts)
    if len(parts) == 1:
        return whole
    order = np.argsort(whole.judged_us, kind="stable")
    return JudgedScans(
        whole.group,
        whole.sampled_us[order],
        whole.judged_us[order],
        whole.raw[order],
        whole.value[order],
        whole.quality[order],
    )
