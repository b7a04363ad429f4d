"""The sites as their newest configuration says, read from the store and kept until it changes."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from alarms.rules import Rule, compile_rules
from historian.registry import read_configuration
from telemetry.clock import real_monotonic_s
from telemetry.plan import ChannelPlan, GroupPlan, SitePlan, plan_of
from telemetry.site_file import SiteFileError, read_site_text

LOOKS_APART_S = 1.0

VERSIONS = """
    select site_id, key, max(version) from configuration join site using (site_id)
    group by site_id, key order by key
"""
GROUPS = "select key, group_id from scan_group where site_id = %s"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class SiteRecord:
    """A site, its plan, and the numbers under which it is stored."""

    site_id: int
    key: str
    version: int
    plan: SitePlan
    group_ids: tuple[int, ...]  # By `GroupPlan.index`.

    @cached_property
    def group_of_id(self) -> dict[int, GroupPlan]:
        """Groups by their number in the store."""
        return dict(zip(self.group_ids, self.plan.groups, strict=True))

    @cached_property
    def rules_of_channel(self) -> dict[int, list[Rule]]:
        """The rules of each channel, by its index, as the engine has them."""
        rules: dict[int, list[Rule]] = defaultdict(list)
        for rule in compile_rules(self.plan).rules:
            if rule.channel is not None:
                rules[rule.channel].append(rule)
        return rules

    def group_of_channel(self, channel: ChannelPlan) -> GroupPlan:
        """The group that a channel is read in."""
        return self.plan.groups[channel.group]


class SiteDirectory:
    """Looks the sites up, at most once a second."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._records: dict[int, SiteRecord] = {}
        self._refused: set[tuple[int, int]] = set()
        self._looked_s = self._failed_s = float("-inf")
        self._lock = asyncio.Lock()

    async def all(self) -> list[SiteRecord]:
        """Return every site, by key."""
        asked_s = real_monotonic_s()
        async with self._lock:
            now_s = real_monotonic_s()
            if now_s - self._looked_s >= LOOKS_APART_S:
                if asked_s < self._failed_s:  # Else they would wait for it in turn, one by one.
                    raise psycopg.OperationalError("it failed for whoever asked at the same time")
                try:
                    async with self._pool.connection() as conn:
                        await self._refresh(conn)
                except psycopg.OperationalError:
                    self._failed_s = real_monotonic_s()
                    raise
                self._looked_s = now_s
        return sorted(self._records.values(), key=lambda record: record.key)

    async def find(self, key: str) -> SiteRecord | None:
        """Return a site by its id."""
        return next((record for record in await self.all() if record.key == key), None)

    async def _refresh(self, conn: AsyncConnection[Any]) -> None:
        cursor = await conn.execute(VERSIONS)
        for site_id, key, version in await cursor.fetchall():
            known = self._records.get(site_id)
            if (known is None or known.version != version) and (
                (site_id, version) not in self._refused
            ):
                await self._read(conn, site_id, key, version)

    async def _read(self, conn: AsyncConnection[Any], site_id: int, key: str, version: int) -> None:
        document = await read_configuration(conn, site_id, version)
        assert document is not None
        try:
            # Reading a long file takes a while; the live line must not wait for it.
            site = await asyncio.to_thread(
                read_site_text, document, f"{key}, configuration version {version}"
            )
        except SiteFileError as error:
            # Written by a newer Groundwatch: what was known before is still mostly right.
            self._refused.add((site_id, version))
            log.warning("configuration refused", site=key, version=version, error=str(error))
            return
        plan = plan_of(site)
        cursor = await conn.execute(GROUPS, (site_id,))
        id_of_key: dict[str, int] = dict(await cursor.fetchall())
        self._records[site_id] = SiteRecord(
            site_id=site_id,
            key=key,
            version=version,
            plan=plan,
            group_ids=tuple(id_of_key[group.key] for group in plan.groups),
        )
