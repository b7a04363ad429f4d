"""The journal: every transition of every alarm, numbered and hash-chained per site.

It is append-only. A number is given and an entry is chained while the site's head row is
locked, so that numbers never skip and become visible in their order. The `alarm` table
beside it says how each alarm stands now, and follows from the journal alone. So do the
instants of what came after storing (pushed, told, delivered), which may be filled in later.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alarms.annunciator import OpenAlarm, Subject
from alarms.chain import GENESIS, chain_hash, entry_body, verify
from alarms.transition import AlarmKind, AlarmState, Change, Transition
from telemetry.clock import instant_at, instant_us
from telemetry.site import Level

ENTRIES_PER_READ_MAX = 1000

BEGIN_HEAD = """
    insert into journal_head (site_id, number, hash) values (%s, 0, %s)
    on conflict (site_id) do nothing
"""
LOCK_HEAD = "select number, hash from journal_head where site_id = %s for update"
MOVE_HEAD = "update journal_head set number = %s, hash = %s where site_id = %s"
KNOWN_KEYS = "select key from journal where site_id = %s and key = any(%s)"
INSERT_ENTRY = """
    insert into journal (site_id, number, key, flush_id, occurrence, sampled_at, stored_at,
                         body, hash)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
FOLLOW_ALARM = """
    insert into alarm (site_id, occurrence, kind, structure, channel, rule, state, level,
                       worst_level, raised_at, changed_at, cleared_at, acknowledged_at,
                       acknowledged_by, comment, evidence, number)
    values (%(site_id)s, %(occurrence)s, %(kind)s, %(structure)s, %(channel)s, %(rule)s,
            %(state)s, %(level)s, %(level)s, %(at)s, %(at)s, %(cleared_at)s,
            %(acknowledged_at)s, %(acknowledged_by)s, %(comment)s, %(evidence)s, %(number)s)
    on conflict (site_id, occurrence) do update set
        state = excluded.state,
        level = case when %(acknowledges)s then alarm.level else excluded.level end,
        worst_level = case when %(acknowledges)s then alarm.worst_level
                           else greatest(alarm.worst_level, excluded.worst_level) end,
        changed_at = excluded.changed_at,
        cleared_at = case when %(acknowledges)s then alarm.cleared_at
                          else excluded.cleared_at end,
        acknowledged_at = case when %(acknowledges)s then excluded.acknowledged_at
                               when %(asks_again)s then null else alarm.acknowledged_at end,
        acknowledged_by = case when %(acknowledges)s then excluded.acknowledged_by
                               when %(asks_again)s then null else alarm.acknowledged_by end,
        comment = case when %(acknowledges)s then excluded.comment
                       when %(asks_again)s then null else alarm.comment end,
        evidence = case when %(shows_evidence)s then excluded.evidence else alarm.evidence end,
        number = excluded.number
"""
# One query for any number of sites, each from a number of its own.
READ_AFTER = """
    select site_id, number, body, hash, stored_at, pushed_at, told_at, delivered_at
    from unnest(%s::integer[], %s::bigint[]) as known (site_id, after)
    cross join lateral (
        select number, body, hash, stored_at from journal
        where journal.site_id = known.site_id and number > after
        order by number limit %s
    ) as entry
    left join journal_instant using (site_id, number)
    order by site_id, number
"""
CHAIN_AFTER = """
    select number, body, hash from journal where site_id = %s and number > %s
    order by number limit %s
"""
READ_HEAD = "select number, hash from journal_head where site_id = %s"
# Once it has cleared, an alarm has no level; the worst one stands for the last.
READ_OPEN = """
    select occurrence, kind, structure, channel, rule, state,
           case when level > 0 then level else worst_level end, changed_at, acknowledged_by
    from alarm where site_id = %s and state <> 'normal' order by number
"""
MARK_PUSHED = """
    insert into journal_instant (site_id, number, pushed_at)
    select %(site_id)s, number, pushed_at
    from unnest(%(numbers)s::bigint[], %(at)s::timestamptz[]) as pushed (number, pushed_at)
    on conflict (site_id, number) do update
        set pushed_at = coalesce(journal_instant.pushed_at, excluded.pushed_at)
"""
MARK_DELIVERED = """
    insert into journal_instant (site_id, number, told_at, delivered_at)
    values (%(site_id)s, %(number)s, %(told_at)s, %(delivered_at)s)
    on conflict (site_id, number) do update
        set told_at = coalesce(journal_instant.told_at, excluded.told_at),
            delivered_at = coalesce(journal_instant.delivered_at, excluded.delivered_at)
"""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry as it stands in the journal, with what came after it was stored."""

    number: int
    body: dict[str, Any]  # As `alarms.chain.entry_body` wrote it.
    hash: bytes
    stored_us: int
    pushed_us: int | None
    told_us: int | None
    delivered_us: int | None


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a journal is as it was written."""

    entries: int
    broken_at: int | None  # The first number that does not fit, None when the chain is whole.


async def append(
    conn: AsyncConnection[Any],
    site_id: int,
    flush_id: int,
    transitions: Sequence[Transition],
    stored_us: int,
) -> list[tuple[int, Transition]]:
    """Append what is not there yet, in order; return the new entries with their numbers.

    Call it in the flush's transaction, last: the site's head stays locked until its end.
    """
    if not transitions:
        return []
    await conn.execute(BEGIN_HEAD, (site_id, GENESIS))
    head = await (await conn.execute(LOCK_HEAD, (site_id,))).fetchone()
    assert head is not None
    new = await _unrecorded(conn, site_id, transitions)
    if not new:
        return []

    numbered = list(enumerate(new, start=head[0] + 1))
    entries = _chained(site_id, flush_id, numbered, bytes(head[1]), stored_us)
    async with conn.cursor() as cursor:
        await cursor.executemany(INSERT_ENTRY, entries)
        await cursor.executemany(
            FOLLOW_ALARM, [_alarm_row(site_id, number, one) for number, one in numbered]
        )
    await conn.execute(MOVE_HEAD, (numbered[-1][0], entries[-1][-1], site_id))
    return numbered


async def read_after(
    conn: AsyncConnection[Any], site_id: int, number: int, limit: int
) -> list[JournalEntry]:
    """Read entries of a site above a number, in order."""
    return (await read_after_each(conn, {site_id: number}, limit)).get(site_id, [])


async def read_after_each(
    conn: AsyncConnection[Any], numbers: Mapping[int, int], limit: int
) -> dict[int, list[JournalEntry]]:
    """Read entries above a number of each site, in order, as many of each as the limit."""
    cursor = await conn.execute(
        READ_AFTER,
        (list(numbers), list(numbers.values()), min(limit, ENTRIES_PER_READ_MAX)),
    )
    entries: dict[int, list[JournalEntry]] = {}
    for site_id, number, body, hash_, stored_at, *afterwards in await cursor.fetchall():
        pushed_us, told_us, delivered_us = map(_us_or_none, afterwards)
        entries.setdefault(site_id, []).append(
            JournalEntry(
                number=number,
                body=json.loads(body),
                hash=bytes(hash_),
                stored_us=instant_us(stored_at),
                pushed_us=pushed_us,
                told_us=told_us,
                delivered_us=delivered_us,
            )
        )
    return entries


async def newest_number(conn: AsyncConnection[Any], site_id: int) -> int:
    """Return the number of the newest entry, 0 while there is none."""
    return (await newest(conn, site_id))[0]


async def newest(conn: AsyncConnection[Any], site_id: int) -> tuple[int, bytes]:
    """Return number and hash of the newest entry, 0 and the chain's beginning without one."""
    row = await (await conn.execute(READ_HEAD, (site_id,))).fetchone()
    return (0, GENESIS) if row is None else (int(row[0]), bytes(row[1]))


async def read_open(conn: AsyncConnection[Any], site_id: int) -> list[OpenAlarm]:
    """Read the alarms that are not normal, as they were told."""
    cursor = await conn.execute(READ_OPEN, (site_id,))
    return [
        OpenAlarm(
            occurrence=occurrence,
            subject=Subject(AlarmKind(kind), structure, channel, rule),
            state=AlarmState(state),
            level=Level(level),
            changed_us=instant_us(changed_at),
            acknowledged_by=acknowledged_by,
        )
        for (
            occurrence,
            kind,
            structure,
            channel,
            rule,
            state,
            level,
            changed_at,
            acknowledged_by,
        ) in await cursor.fetchall()
    ]


async def verify_journal(conn: AsyncConnection[Any], site_id: int) -> Verification:
    """Compute the whole chain again: tell whether an entry was changed, taken out or cut off."""
    head_number, head_hash = await newest(conn, site_id)
    number, previous = 0, GENESIS
    while number < head_number:
        cursor = await conn.execute(CHAIN_AFTER, (site_id, number, ENTRIES_PER_READ_MAX))
        rows = [(row[0], row[1], bytes(row[2])) for row in await cursor.fetchall()]
        if not rows:
            break
        broken_at = verify(rows, number=number, previous=previous)
        if broken_at is not None:
            return Verification(entries=head_number, broken_at=broken_at)
        number, _, previous = rows[-1]
    if number != head_number or previous != head_hash:
        return Verification(entries=head_number, broken_at=min(number, head_number) + 1)
    return Verification(entries=head_number, broken_at=None)


async def mark_pushed(
    conn: AsyncConnection[Any], site_id: int, pushed_us: Mapping[int, int]
) -> None:
    """Record when entries (by number) were handed to a websocket; only the first time counts."""
    await conn.execute(
        MARK_PUSHED,
        {
            "site_id": site_id,
            "numbers": list(pushed_us),
            "at": [instant_at(us) for us in pushed_us.values()],
        },
    )


async def mark_delivered(
    conn: AsyncConnection[Any], site_id: int, number: int, *, told_us: int, delivered_us: int
) -> None:
    """Record when an entry was first handed to a way of telling, and first confirmed by it."""
    await conn.execute(
        MARK_DELIVERED,
        {
            "site_id": site_id,
            "number": number,
            "told_at": instant_at(told_us),
            "delivered_at": instant_at(delivered_us),
        },
    )


async def _unrecorded(
    conn: AsyncConnection[Any], site_id: int, transitions: Sequence[Transition]
) -> list[Transition]:
    keys = [transition.key for transition in transitions]
    cursor = await conn.execute(KNOWN_KEYS, (site_id, keys))
    known = {row[0] for row in await cursor.fetchall()}
    new: list[Transition] = []
    for transition in transitions:
        if transition.key not in known:
            known.add(transition.key)
            new.append(transition)
    return new


def _chained(
    site_id: int,
    flush_id: int,
    numbered: Sequence[tuple[int, Transition]],
    previous: bytes,
    stored_us: int,
) -> list[tuple[Any, ...]]:
    """Make the journal's rows, each with the hash that chains it to the one before."""
    stored_at = instant_at(stored_us)
    rows = []
    for number, one in numbered:
        body = entry_body(one, number, stored_us)
        previous = chain_hash(previous, body)
        at = instant_at(one.sampled_us)
        rows.append(
            (site_id, number, one.key, flush_id, one.occurrence, at, stored_at, body, previous)
        )
    return rows


def _alarm_row(site_id: int, number: int, transition: Transition) -> dict[str, Any]:
    at = instant_at(transition.sampled_us)
    change = transition.change
    acknowledges = change is Change.ACKNOWLEDGE
    return {
        "site_id": site_id,
        "occurrence": transition.occurrence,
        "kind": transition.kind.value,
        "structure": transition.structure,
        "channel": transition.channel,
        "rule": transition.rule,
        "state": transition.state.value,
        "level": int(Level.NONE if change is Change.CLEAR else transition.level),
        "at": at,
        "cleared_at": at if change is Change.CLEAR else None,
        "acknowledges": acknowledges,
        "acknowledged_at": at if acknowledges else None,
        "acknowledged_by": transition.evidence.get("person") if acknowledges else None,
        "comment": transition.evidence.get("comment") if acknowledges else None,
        "asks_again": change in {Change.RAISE, Change.RISE},
        "shows_evidence": change in {Change.RAISE, Change.RISE, Change.FALL},
        "evidence": Jsonb(transition.evidence),
        "number": number,
    }


def _us_or_none(at: datetime | None) -> int | None:
    return None if at is None else instant_us(at)
