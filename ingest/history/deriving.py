"""Calculated channels over imported history, with the meaning that they have at live ticks.

A tick is computed from each input's last good value not after it and not older than `max_age`, up
to the instant that all inputs have passed. So what is computed follows from what is stored, in
whatever order that came. A tick at which no channel can be computed is left out: a gap stays a
gap. Whatever changes is owed week by week (`historian.imported_files`), and paid here; paying
twice changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from alarms.derivation import Derivation, SourceMemory
from alarms.engine_state import NEVER_US
from historian.derived_history import newest_us, read_scans, replace_history
from historian.imported_files import OwedWeek, begin_foreign_flush, settle_weeks, weeks_owed
from historian.partition import WEEK_US, ensure_partitions, week_of, weeks_of
from historian.registry import SiteIds
from historian.scan_rows import ScanWrite
from telemetry.plan import SitePlan
from telemetry.quality import Quality, is_bad
from telemetry.scan import JudgedScans
from telemetry.site import CalculatedChannel

# Of one group, computed and stored in one transaction; and what they may be computed from.
TICKS_AT_ONCE: Final = 5_000
SOURCE_SCANS_AT_ONCE: Final = 50_000

Begin = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True, slots=True)
class Derived:
    """What was computed of a group."""

    group: int  # Index into the plan's groups.
    scans: int


async def derive_owed(
    conn: AsyncConnection, maker: AsyncConnection, plan: SitePlan, ids: SiteIds, begin: Begin
) -> list[Derived]:
    """Compute whatever calculated groups are owed; return those of which something is stored."""
    owed = await weeks_owed(conn, ids.site_id)
    if not owed:
        return []
    deriving = _Deriving(conn, maker, plan, ids)
    due = await deriving.due(owed)
    told = begin("calculating", sum(map(len, due.values())))
    derived: list[Derived] = []
    for group, weeks_us in due.items():
        passed_us, scans = await deriving.passed_us(group), 0
        for week_us in sorted(weeks_us):
            scans += await deriving.compute_week(group, week_us, passed_us)
            told(1)
        derived.append(Derived(group, scans))
    await settle_weeks(conn, ids.site_id, owed)
    return [one for one in derived if one.scans]


class _Deriving:
    """The calculated groups of a site, over what is stored."""

    def __init__(
        self, conn: AsyncConnection, maker: AsyncConnection, plan: SitePlan, ids: SiteIds
    ) -> None:
        self._conn = conn
        self._maker = maker
        self._plan = plan
        self._ids = ids
        self._derivation = Derivation(plan)

    async def due(self, owed: Sequence[OwedWeek]) -> dict[int, set[int]]:
        """Find the weeks of each calculated group that changes reach, in order of calculation."""
        index = {group_id: n for n, group_id in enumerate(self._ids.group_ids)}
        changed: dict[int, set[int]] = {}
        for one in owed:
            if one.group_id in index:
                changed.setdefault(index[one.group_id], set()).add(one.week_us)
        for group in list(changed):
            changed[group] |= await self._waiting_weeks(group, changed[group])
        due: dict[int, set[int]] = {}
        for group in self._derivation.computed:  # Levels of the past are not known: no votes.
            sources = self._derivation.sources[group]
            weeks_us = {week_us for one in sources for week_us in changed.get(one, ())}
            if weeks_us:
                # What is measured in a week is still an input in the next, for so long.
                due[group] = changed[group] = _reached(weeks_us, self._max_age_us(group))
        return due

    async def _waiting_weeks(self, group: int, weeks_us: set[int]) -> set[int]:
        """Find the weeks back to the scans before: their last ticks waited for what has come."""
        found: set[int] = set()
        for week_us in weeks_us:
            if week_us - WEEK_US in weeks_us:
                continue
            site_id, group_id = self._ids.site_id, self._ids.group_ids[group]
            before_us = await newest_us(self._conn, site_id, group_id, before_us=week_us)
            if before_us is not None:
                found.update(weeks_of(range(before_us, week_us)))
        return found

    async def passed_us(self, group: int) -> int:
        """Return the instant up to which every input of a calculated group has come."""
        passed_us = []
        for source in sorted(self._derivation.sources[group]):
            plan = self._plan.groups[source]
            newest = await newest_us(self._conn, self._ids.site_id, self._ids.group_ids[source])
            if newest is None:
                return NEVER_US
            passed_us.append(newest + (plan.period_us - 1 if plan.calculated else 0))
        return min(passed_us)

    async def compute_week(self, group: int, week_us: int, passed_us: int) -> int:
        """Compute a group over a week; return how many scans are stored."""
        period_us = self._plan.groups[group].period_us
        first_us = -(-week_us // period_us) * period_us
        sources = [self._plan.groups[one] for one in self._derivation.sources[group]]
        quickest_us = min(one.period_us for one in sources)
        ticks = min(TICKS_AT_ONCE, max(1, SOURCE_SCANS_AT_ONCE * quickest_us // period_us))
        stored = 0
        for begin_us in range(first_us, week_us + WEEK_US, period_us * ticks):
            end_us = min(begin_us + period_us * ticks, week_us + WEEK_US)
            stored += await self._compute(group, range(begin_us, end_us, period_us), passed_us)
        return stored

    async def _compute(self, group: int, ticks_us: range, passed_us: int) -> int:
        computed = await self._calculated(group, ticks_us)
        some = np.flatnonzero(_tried(computed) & (computed.sampled_us <= passed_us))
        span_us = range(ticks_us.start, ticks_us.stop)
        if len(some):
            for week_us in np.unique(week_of(computed.sampled_us[some])).tolist():
                await ensure_partitions(self._maker, range(week_us, week_us + 1))
        write = ScanWrite(
            group_id=self._ids.group_ids[group],
            stream_id=None,
            seq=None,
            time_us=computed.sampled_us,
            judged_us=computed.judged_us,
            ordinal=np.full(len(computed.sampled_us), -1, np.int16),
            raw=None,
            value=computed.value,
            quality=computed.quality,
        ).rows(some)
        site_id = self._ids.site_id
        async with self._conn.transaction():
            flush_id = await begin_foreign_flush(self._conn, site_id)
            return await replace_history(self._conn, site_id, flush_id, write, span_us)

    async def _calculated(self, group: int, ticks_us: range) -> JudgedScans:
        memory: dict[int, SourceMemory] = {}
        since_us = ticks_us.start - self._max_age_us(group)
        for source in sorted(self._derivation.sources[group]):
            of_source = self._plan.groups[source]
            stored = await read_scans(
                self._conn,
                self._ids.site_id,
                self._ids.group_ids[source],
                range(since_us, ticks_us.stop),
                of_source.slot_count,
            )
            empty = SourceMemory.empty(of_source.slot_count)
            memory[source] = replace(
                empty,
                at_us=stored.at_us,
                value=np.where(is_bad(stored.quality), np.nan, stored.value),
                quality=stored.quality,
            )
        return self._derivation.calculate(memory, group, np.array(ticks_us, np.int64))

    def _max_age_us(self, group: int) -> int:
        channels = (one.channel for one in self._plan.groups[group].channels)
        ages = [one.max_age_s for one in channels if isinstance(one, CalculatedChannel)]
        return round(max(ages) * 1e6)


def _tried(computed: JudgedScans) -> NDArray[np.bool_]:
    """Tell at which ticks some channel had its inputs, even if nothing good came of them."""
    nothing = (computed.quality == Quality.STALE_INPUT) | (computed.quality == Quality.NO_VALUE)
    return np.asarray(~nothing.all(axis=1))


def _reached(weeks_us: Iterable[int], max_age_us: int) -> set[int]:
    return {
        later_us
        for week_us in weeks_us
        for later_us in range(week_us, week_us + WEEK_US + max_age_us + 1, WEEK_US)
    }
