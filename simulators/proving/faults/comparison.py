"""What the edges took against what the centre has: readings, alarms and messages, never counts."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from psycopg import AsyncConnection

from alarms.outbox import TOLD_CHANGES, message_id_of
from alarms.transition import Change
from simulators.proving.faults.judged import Judgement, judge
from simulators.proving.faults.taken import Numbers, Scan, Taken
from telemetry.clock import instant_us
from telemetry.plan import SitePlan
from telemetry.quality import Quality

STORED = """
    select scan_group.key, scan.time, scan.raw, coalesce(scan.value, scan.raw), scan.quality
    from scan join scan_group using (site_id, group_id) join site using (site_id)
    where site.key = %s and scan.stream_id is not null
"""
STREAMS = "select epoch, delivered + declared_lost from stream"
JOURNAL = "select journal.key, body from journal join site using (site_id) where site.key = %s"

Entry = tuple[str, dict[str, Any]]  # Key and body of a transition.
Reading = tuple[str, int, int, float, int]  # Group, instant, slot, value, quality.


@dataclass(slots=True)
class Findings:
    """What the comparison found; all zero when every promise was kept."""

    readings: int = 0
    lost: int = 0
    duplicated: int = 0
    alarms: int = 0
    alarms_missing: int = 0
    alarms_extra: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, stored twice, missed or invented."""
        return not (self.lost or self.duplicated or self.alarms_missing or self.alarms_extra)

    def compare(self, what: str, expected: Counter[Any], found: Counter[Any]) -> tuple[int, int]:
        """Compare two multisets; return how many are missing and how many too many."""
        missing, extra = expected - found, found - expected
        for sign, difference in (("missing", missing), ("extra", extra)):
            if difference:
                first = min(difference, key=repr)
                self.examples.append(f"{what}: {difference.total()} {sign}, like {first}")
        return missing.total(), extra.total()


async def compare(
    conn: AsyncConnection[Any],
    site: str,
    plan: SitePlan,
    taken: Taken,
    entries: list[Entry],
    delivered: Counter[str],
    destination: str,
) -> Findings:
    """Compare everything once the system has drained; `delivered` are the webhooks by their id.

    `entries` are the journal before the outbox was waited for: all of them must have been told.
    """
    findings = Findings()
    stored, keys, raw = await _stored(conn, site)
    judgement = judge(plan, _chosen(taken, keys, raw))
    findings.readings = judgement.readings.total()
    lost, duplicated = findings.compare("readings", judgement.readings, stored)
    findings.lost, findings.duplicated = lost, duplicated
    findings.lost += await released_too_early(conn, taken, findings)
    _compare_alarms(findings, judgement, entries)
    told = _to_tell(site, entries, destination)
    heard = set(delivered)
    # What is judged beside the flush may have been told since the journal was read.
    known = _to_tell(site, await journal_of(conn, site), destination)
    messages = findings.compare("messages", Counter(told), Counter(heard - (known - told)))
    findings.alarms_missing += messages[0]
    findings.alarms_extra += messages[1]
    return findings


async def journal_of(conn: AsyncConnection[Any], site: str) -> list[Entry]:
    """Read all of a site's journal."""
    cursor = await conn.execute(JOURNAL, (site,))
    return [(str(key), json.loads(body)) for key, body in await cursor.fetchall()]


def _to_tell(site: str, entries: list[Entry], destination: str) -> set[str]:
    return {message_id_of(site, key, destination) for key, one in entries if _is_told(one)}


async def released_too_early(conn: AsyncConnection[Any], taken: Taken, findings: Findings) -> int:
    """Count blocks that an edge was let release although they are not committed."""
    settled: dict[UUID, Any] = dict(await (await conn.execute(STREAMS)).fetchall())
    early = 0
    for epoch, first, last in taken.released:
        ranges = settled.get(UUID(epoch), ())
        if not any(one.lower <= first and last < one.upper for one in ranges):
            early += 1
            findings.examples.append(f"released but not committed: {epoch} {first} to {last}")
    return early


def _is_told(entry: dict[str, Any]) -> bool:
    return Change(entry["change"]) in TOLD_CHANGES


def _compare_alarms(findings: Findings, judgement: Judgement, entries: list[Entry]) -> None:
    ours = [(key, one) for key, one in entries if (one["channel"], one["rule"]) in judgement.rules]
    keys = Counter(key for key, _ in ours)
    plain = Counter(
        (one["channel"], one["rule"], one["change"], one["level"], one["sampled_us"])
        for _, one in ours
    )
    findings.alarms = keys.total()
    by_engine = findings.compare("alarms by the engine", judgement.keys, keys)
    by_hand = findings.compare("alarms by plain limits", judgement.plain, plain)
    findings.alarms_missing = max(by_engine[0], by_hand[0])
    findings.alarms_extra = max(by_engine[1], by_hand[1])


async def _stored(
    conn: AsyncConnection[Any], site: str
) -> tuple[Counter[Reading], set[Scan], dict[Scan, bytes]]:
    stored: Counter[Reading] = Counter()
    raws: dict[Scan, bytes] = {}
    cursor = await conn.execute(STORED, (site,))
    async for group, time, raw, value, quality in cursor:
        at_us = instant_us(time)
        raws[group, at_us] = np.array(raw, "<f8").tobytes()
        words = quality or [int(Quality.GOOD)] * len(value)
        stored.update(
            (group, at_us, slot, number if number == number else np.inf, word)  # noqa: PLR0124
            for slot, (number, word) in enumerate(zip(value, words, strict=True))
        )
    return stored, set(raws), raws


def _chosen(
    taken: Taken, stored: set[Scan], raw: dict[Scan, bytes]
) -> dict[str, list[tuple[int, Numbers]]]:
    """Choose the scans that must be there: what was kept, and of the uncertain what is stored."""
    chosen: defaultdict[str, list[tuple[int, Numbers]]] = defaultdict(list)
    for key in sorted(taken.kept | (stored & taken.intended.keys())):
        versions = taken.intended[key]
        same = [one for one in versions if one.raw == raw.get(key)]
        chosen[key[0]].append((key[1], (same or versions)[0]))
    return chosen
