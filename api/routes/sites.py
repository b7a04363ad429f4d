"""Sites, their structures and channels, and the newest readings."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.alarm_list import count_alarms, level_word
from api.freshness import worst_freshness
from api.newest import (
    NewestScan,
    group_freshness,
    latest_of_group,
    read_newest_scans,
    read_standing_levels,
)
from api.parts import Parts, PartsDep, SiteDep, TokenDep, check_structure
from api.plan_views import channel_view
from api.site_directory import SiteRecord
from api.views import (
    ChannelView,
    ClockView,
    LatestView,
    SiteView,
    StructureQuery,
    StructureView,
)
from telemetry.clock import instant_at
from telemetry.site import Structure

router = APIRouter(prefix="/api/v1")

StructureFilter = Annotated[StructureQuery, Query()]
Counts = dict[str | None, tuple[int, int, int]]
NO_ALARMS = (0, 0, 0)


@router.get("/clock", summary="What time the centre goes by")
async def clock(parts: PartsDep) -> ClockView:
    """Tell the time that all instants are in."""
    return ClockView(now_at=instant_at(parts.clock.now_us()), rate=parts.clock.rate)


@router.get("/sites", summary="Sites and their structures, with worst level and freshness")
async def sites(parts: PartsDep, token: TokenDep) -> list[SiteView]:
    """Show every site that the token may see."""
    records = [one for one in await parts.directory.all() if token.may_see(one.key)]
    views = []
    async with parts.pool.connection() as conn:
        scans = await read_newest_scans(conn, {record.site_id: 0 for record in records})
        for record in records:
            counts = await count_alarms(conn, record.site_id)
            of_site = {one.group_id: one for one in scans if one.site_id == record.site_id}
            views.append(_site_view(parts, record, of_site, counts))
    return views


@router.get("/sites/{site}/channels", summary="Channels as the site file describes them")
async def channels(record: SiteDep, query: StructureFilter) -> list[ChannelView]:
    """Show the channels of a site or of one of its structures."""
    check_structure(record, query.structure)
    return [
        channel_view(
            record.group_of_channel(channel), channel, record.rules_of_channel[channel.index]
        )
        for channel in record.plan.channels
        if query.structure in {None, channel.structure.id}
    ]


@router.get("/sites/{site}/latest", summary="The newest reading of each channel")
async def latest(record: SiteDep, query: StructureFilter, parts: PartsDep) -> list[LatestView]:
    """Show the newest readings of a site or of one of its structures."""
    check_structure(record, query.structure)
    async with parts.pool.connection() as conn:
        scans = await read_newest_scans(conn, {record.site_id: 0})
        levels = await read_standing_levels(conn, [record.site_id])
    of_group = {scan.group_id: scan for scan in scans}
    of_channel = levels.get(record.site_id, {})
    return [
        view
        for group_id, group in record.group_of_id.items()
        if query.structure in {None, group.structure.id}
        for view in latest_of_group(
            group,
            of_group.get(group_id),
            of_channel,
            group_freshness(group, of_group.get(group_id), parts.clock),
        )
    ]


def _site_view(
    parts: Parts, record: SiteRecord, scans: dict[int, NewestScan], counts: Counts
) -> SiteView:
    site = record.plan.site
    structures = [
        _structure_view(parts, record, structure, scans, counts) for structure in site.structures
    ]
    return SiteView(
        site=site.site,
        name=site.name,
        time_zone=site.time_zone,
        worst_level=level_word(max((level for level, _, _ in counts.values()), default=0)),
        unacknowledged=sum(waiting for _, waiting, _ in counts.values()),
        structures=structures,
    )


def _structure_view(
    parts: Parts,
    record: SiteRecord,
    structure: Structure,
    scans: dict[int, NewestScan],
    counts: Counts,
) -> StructureView:
    worst, unacknowledged, active = counts.get(structure.id, NO_ALARMS)
    groups = [
        (group, scans.get(group_id))
        for group_id, group in record.group_of_id.items()
        if group.structure.id == structure.id
    ]
    newest_us = max((scan.sampled_us for _, scan in groups if scan is not None), default=None)
    return StructureView(
        structure=structure.id,
        kind=structure.kind,
        name=structure.name,
        worst_level=level_word(worst),
        unacknowledged=unacknowledged,
        active=active,
        freshness=worst_freshness(
            [group_freshness(group, scan, parts.clock) for group, scan in groups]
        ),
        newest_at=None if newest_us is None else instant_at(newest_us),
    )
