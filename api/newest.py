"""The newest reading of every channel, and the worst level that stands at each."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from alarms.warming import warming_words
from api.freshness import Freshness, freshness_of
from api.site_directory import SiteRecord
from api.views import LatestView
from telemetry.clock import Clock, instant_at, instant_us
from telemetry.plan import GroupPlan
from telemetry.quality import FIRST_BAD, Quality

# One query for any number of sites, each from the flush that was seen last.
NEWEST_SCANS = """
    select latest.site_id, group_id, time, raw, value, quality, silent, latest.flush_id, warming
    from latest join unnest(%s::integer[], %s::bigint[]) as seen (site_id, flush_id)
      on latest.site_id = seen.site_id and latest.flush_id > seen.flush_id
"""
STANDING_LEVELS = """
    select site_id, channel, max(level) from alarm
    where site_id = any(%s) and kind = 'process' and level > 0 and state <> 'normal'
    group by site_id, channel
"""

Levels = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NewestScan:
    """The newest scan of one group, as stored."""

    site_id: int
    group_id: int
    sampled_us: int
    raw: list[float] | None
    value: list[float]
    quality: list[int] | None
    silent: bool
    flush_id: int
    warming: list[int] | None


async def read_newest_scans(
    conn: AsyncConnection[Any], seen: Mapping[int, int]
) -> list[NewestScan]:
    """Read the groups that changed after a flush; seen maps sites to flushes, 0 means all."""
    cursor = await conn.execute(NEWEST_SCANS, (list(seen), list(seen.values())))
    return [
        NewestScan(row[0], row[1], instant_us(row[2]), *row[3:]) for row in await cursor.fetchall()
    ]


async def read_standing_levels(
    conn: AsyncConnection[Any], site_ids: Iterable[int]
) -> dict[int, dict[str, int]]:
    """Read which channels have a process alarm that stands, and its worst level."""
    cursor = await conn.execute(STANDING_LEVELS, (list(site_ids),))
    levels: dict[int, dict[str, int]] = {}
    for site_id, channel, level in await cursor.fetchall():
        levels.setdefault(site_id, {})[channel] = level
    return levels


def group_freshness(group: GroupPlan, scan: NewestScan | None, clock: Clock) -> Freshness:
    """Judge how fresh a group is now."""
    return freshness_of(
        None if scan is None else scan.sampled_us,
        silent=scan is not None and scan.silent,
        period_us=group.period_us,
        calculated=group.calculated,
        now_us=clock.now_us(),
        rate=clock.rate,
    )


def freshness_by_subject(
    record: SiteRecord, scans: Mapping[int, NewestScan], clock: Clock
) -> dict[str, Freshness]:
    """Judge everything that an alarm can be about: channels, groups and edges by their id."""
    by_subject: dict[str, Freshness] = {}
    for group_id, group in record.group_of_id.items():
        freshness = group_freshness(group, scans.get(group_id), clock)
        by_subject[group.key] = freshness
        by_subject.update((channel.key, freshness) for channel in group.channels)
    return by_subject


def latest_of_group(
    group: GroupPlan, scan: NewestScan | None, levels: Levels, freshness: Freshness
) -> list[LatestView]:
    """Show the newest reading of each channel of a group."""
    return [
        _latest(channel.key, channel.slot, scan, levels.get(channel.key, 0), freshness)
        for channel in group.channels
    ]


def _latest(
    key: str, slot: int, scan: NewestScan | None, level: int, freshness: Freshness
) -> LatestView:
    if scan is None or slot >= len(scan.value):
        quality, value, raw = int(Quality.NO_VALUE), None, None
    else:
        quality = 0 if scan.quality is None else scan.quality[slot]
        value = _finite(scan.value[slot])
        raw = None if scan.raw is None or slot >= len(scan.raw) else _finite(scan.raw[slot])
    bits = 0
    if scan is not None and scan.warming is not None and slot < len(scan.warming):
        bits = scan.warming[slot]
    return LatestView(
        channel=key,
        sampled_at=None if scan is None else instant_at(scan.sampled_us),
        value=None if quality >= FIRST_BAD else value,
        raw=raw,
        quality=quality,
        quality_reason=reason_of(quality),
        freshness=freshness,
        level=level,
        warming_up=warming_words(bits),
    )


def reason_of(quality: int) -> str:
    """Name a quality in a word.

    >>> reason_of(101)
    'no_reply'
    """
    try:
        return Quality(quality).name.lower()
    except ValueError:
        return f"quality_{quality}"


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
