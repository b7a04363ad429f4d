"""The sites that a store knows: their groups, channels and layouts, and what their files said.

Numbers are given out once. A group keeps its number, and a slot its channel with quantity and
unit, for ever: rows that were stored years ago mean by them what they meant then.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection

from telemetry.clock import instant_at
from telemetry.plan import ChannelPlan, GroupPlan, SitePlan

# Locks the site until the transaction ends: two registrations do not give out one number twice.
INSERT_SITE = "insert into site (key) values (%s) on conflict (key) do nothing"
SITE_ID = "select site_id from site where key = %s"
LOCK_SITE = "select site_id from site where key = %s for update"

NEWEST_OF_SITE = """
    select version, sha256 from configuration where site_id = %s order by version desc limit 1
"""
INSERT_CONFIGURATION = """
    insert into configuration (site_id, version, document, sha256, loaded_at)
    values (%s, %s, %s, %s, %s)
"""
GROUPS = "select key, group_id from scan_group where site_id = %s"
UPSERT_GROUP = """
    insert into scan_group (site_id, group_id, key, structure, station, calculated, period_s)
    values (%s, %s, %s, %s, %s, %s, %s)
    on conflict (site_id, group_id) do update set
        structure = excluded.structure, station = excluded.station,
        calculated = excluded.calculated, period_s = excluded.period_s
    where (scan_group.structure, scan_group.station, scan_group.calculated, scan_group.period_s)
        is distinct from
          (excluded.structure, excluded.station, excluded.calculated, excluded.period_s)
"""
CHANNELS = """
    select group_id, slot, channel.key, scan_group.key, quantity, unit
    from channel join scan_group using (site_id, group_id) where site_id = %s
"""
INSERT_CHANNEL = """
    insert into channel (site_id, group_id, slot, key, quantity, unit)
    values (%s, %s, %s, %s, %s, %s)
"""
INSERT_LAYOUT = """
    insert into layout (site_id, group_id, layout, slots, known_at) values (%s, %s, %s, %s, %s)
    on conflict do nothing
"""
NEWEST_CONFIGURATIONS = """
    select distinct on (site_id) site_id, key, version, document
    from configuration join site using (site_id) order by site_id, version desc
"""
DOCUMENT = "select document from configuration where site_id = %s and version = %s"
LAYOUTS = "select group_id, layout, slots from layout where site_id = %s"


class RegistrationError(Exception):
    """A site file contradicts what is stored already; the message says where."""


@dataclass(frozen=True, slots=True)
class SiteIds:
    """The numbers under which a site is stored."""

    site_id: int
    version: int  # Of the configuration that is now in force.
    group_ids: tuple[int, ...]  # By `GroupPlan.index`.


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """A channel as the store has known it since it was first registered."""

    group_id: int
    slot: int
    key: str
    group_key: str
    quantity: str
    unit: str


async def register_site(
    connection: AsyncConnection, plan: SitePlan, document: str, loaded_us: int
) -> SiteIds:
    """Make a site, or its new version, known; nothing at all changes when it is refused."""
    loaded_at = instant_at(loaded_us)
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.execute(INSERT_SITE, [plan.site.site])
        await cursor.execute(LOCK_SITE, [plan.site.site])
        row = await cursor.fetchone()
        assert row is not None
        site_id: int = row[0]
        group_ids = await _register_groups(connection, site_id, plan)
        await _register_channels(connection, site_id, plan, group_ids)
        await cursor.executemany(
            INSERT_LAYOUT,
            [
                (site_id, group_ids[group.index], group.layout, group.slot_count, loaded_at)
                for group in plan.groups
            ],
        )
        version = await _register_configuration(connection, site_id, document, loaded_at)
    return SiteIds(site_id=site_id, version=version, group_ids=group_ids)


async def site_id_of(connection: AsyncConnection, key: str) -> int | None:
    """Return the number of a site, None of one that the store does not know."""
    row = await (await connection.execute(SITE_ID, [key])).fetchone()
    return None if row is None else int(row[0])


async def groups_known(connection: AsyncConnection, site_id: int) -> dict[str, int]:
    """Return the numbers of all groups that a site has ever had, by their ids."""
    return dict(await (await connection.execute(GROUPS, [site_id])).fetchall())


async def channels_known(connection: AsyncConnection, site_id: int) -> dict[str, StoredChannel]:
    """Return all channels that a site has ever had, by their ids."""
    cursor = await connection.execute(CHANNELS, [site_id])
    return {one.key: one for one in (StoredChannel(*row) for row in await cursor.fetchall())}


async def newest_configurations(connection: AsyncConnection) -> list[tuple[int, str, int, str]]:
    """Return (site_id, key, version, document) of every site, as now in force."""
    cursor = await connection.execute(NEWEST_CONFIGURATIONS)
    return [(row[0], row[1], row[2], row[3]) for row in await cursor.fetchall()]


async def read_configuration(connection: AsyncConnection, site_id: int, version: int) -> str | None:
    """Return what a site's file said in one version."""
    row = await (await connection.execute(DOCUMENT, [site_id, version])).fetchone()
    return str(row[0]) if row else None


async def group_ids_of(
    connection: AsyncConnection, site_id: int, plan: SitePlan
) -> tuple[int, ...]:
    """Return the numbers of the groups of a plan that was registered once."""
    cursor = await connection.execute(GROUPS, [site_id])
    known: dict[str, int] = dict(await cursor.fetchall())
    return tuple(known[group.key] for group in plan.groups)


async def layouts_known(connection: AsyncConnection, site_id: int) -> dict[tuple[int, int], int]:
    """Return how many slots each known (group_id, layout) has."""
    cursor = await connection.execute(LAYOUTS, [site_id])
    return {(row[0], row[1]): row[2] for row in await cursor.fetchall()}


async def _register_groups(
    connection: AsyncConnection, site_id: int, plan: SitePlan
) -> tuple[int, ...]:
    async with connection.cursor() as cursor:
        await cursor.execute(GROUPS, [site_id])
        known: dict[str, int] = dict(await cursor.fetchall())
        next_id = max(known.values(), default=0) + 1
        for group in plan.groups:
            if group.key not in known:
                known[group.key] = next_id
                next_id += 1
        await cursor.executemany(
            UPSERT_GROUP, [_group_row(site_id, known[group.key], group) for group in plan.groups]
        )
    return tuple(known[group.key] for group in plan.groups)


def _group_row(site_id: int, group_id: int, group: GroupPlan) -> tuple[object, ...]:
    return (
        site_id,
        group_id,
        group.key,
        group.structure.id,
        group.station.id,
        group.calculated,
        group.group.period_s,
    )


async def _register_channels(
    connection: AsyncConnection, site_id: int, plan: SitePlan, group_ids: Sequence[int]
) -> None:
    async with connection.cursor() as cursor:
        await cursor.execute(CHANNELS, [site_id])
        stored = [StoredChannel(*row) for row in await cursor.fetchall()]
        by_key = {channel.key: channel for channel in stored}
        by_slot = {(channel.group_id, channel.slot): channel for channel in stored}
        new = []
        for channel in plan.channels:
            group_id = group_ids[channel.group]
            before = by_key.get(channel.key)
            _refuse_contradiction(
                plan.groups[channel.group], channel, before, by_slot.get((group_id, channel.slot))
            )
            if before is None:
                what = (channel.channel.quantity, channel.channel.unit)
                new.append((site_id, group_id, channel.slot, channel.key, *what))
        await cursor.executemany(INSERT_CHANNEL, new)


def _refuse_contradiction(
    group: GroupPlan,
    channel: ChannelPlan,
    before: StoredChannel | None,
    in_slot: StoredChannel | None,
) -> None:
    """Refuse a channel that contradicts what is stored under its name or in its slot."""
    if in_slot is not None and in_slot.key != channel.key:
        raise RegistrationError(
            f"Slot {channel.slot} of group {group.key} is given to channel {channel.key}, but "
            f"readings of channel {in_slot.key} are stored there. A slot belongs to one channel "
            f"for ever: give {channel.key} a slot that was never used."
        )
    if before is None:
        return
    if in_slot is None:
        raise RegistrationError(
            f"Channel {channel.key} is moved to slot {channel.slot} of group {group.key}, but its "
            f"readings are stored in slot {before.slot} of group {before.group_key}. Leave it "
            f"there, or give the moved channel a new id."
        )
    now = (channel.channel.quantity, channel.channel.unit)
    if now != (before.quantity, before.unit):
        raise RegistrationError(
            f"Channel {channel.key} is now {now[0]} in {now[1]}, but its stored readings are "
            f"{before.quantity} in {before.unit}. A channel keeps its quantity and unit: give the "
            f"changed channel a new id and a new slot."
        )


async def _register_configuration(
    connection: AsyncConnection, site_id: int, document: str, loaded_at: datetime
) -> int:
    sha256 = hashlib.sha256(document.encode()).digest()
    newest = await (await connection.execute(NEWEST_OF_SITE, [site_id])).fetchone()
    if newest is not None and newest[1] == sha256:
        return int(newest[0])
    version = 1 if newest is None else newest[0] + 1
    await connection.execute(INSERT_CONFIGURATION, [site_id, version, document, sha256, loaded_at])
    return int(version)
