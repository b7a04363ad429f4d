"""The outbox: what must be told, written in the transaction of the transition.

A message is claimed with a lease. A notifier that crashes between sending and marking leaves
the lease to run out, and the message is sent again under the same id: at least once, never
zero times, and the receiver can tell. Only what was delivered long ago is ever deleted here.
Leases and pauses are real time, by the clock of the database's machine.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import AsyncConnection

from alarms.transition import Change, Transition
from telemetry.site import Level

TOLD_CHANGES = frozenset({Change.RAISE, Change.RISE, Change.CLEAR, Change.ACKNOWLEDGE})
ERROR_CHARACTERS_MAX = 500

SITE_KEY = "select key from site where site_id = %s"
WORST_LEVELS = """
    select occurrence, worst_level from alarm where site_id = %s and occurrence = any(%s)
"""
ENQUEUE = """
    insert into outbox (message_id, site_id, number, destination, level)
    values (%s, %s, %s, %s, %s) on conflict (message_id) do nothing
"""
# The worst first: after a long cut the receiver hears of the reds before the blues.
CLAIM = """
    with claimed as (
        update outbox set
            leased_until = clock_timestamp() + make_interval(secs => %(lease_s)s),
            tries = tries + 1
        where message_id = (
            select message_id from outbox
            where destination = %(destination)s
              and delivered_at is null and given_up_at is null
              and next_try_at <= clock_timestamp()
              and (leased_until is null or leased_until <= clock_timestamp())
            order by level desc, site_id, number
            limit 1 for update skip locked
        )
        returning message_id, site_id, number, tries, enqueued_at
    )
    select message_id, site_id, site.key, number, tries,
           extract(epoch from clock_timestamp() - enqueued_at)::double precision, journal.body
    from claimed join site using (site_id) join journal using (site_id, number)
"""
MARK_DELIVERED = """
    update outbox set delivered_at = clock_timestamp(), leased_until = null, last_error = null
    where message_id = %s
"""
POSTPONE = """
    update outbox set next_try_at = clock_timestamp() + make_interval(secs => %s),
                      leased_until = null, last_error = %s
    where message_id = %s and delivered_at is null
"""
GIVE_UP = """
    update outbox set given_up_at = clock_timestamp(), leased_until = null, last_error = %s
    where message_id = %s and delivered_at is null
"""
FORGET_DELIVERED = """
    delete from outbox
    where delivered_at < clock_timestamp() - make_interval(secs => %s::double precision)
"""


class Destination(Protocol):
    """Somebody who is told of some levels."""

    @property
    def id(self) -> str:
        """Which destination it is."""

    def wants(self, level: Level) -> bool:
        """Tell whether the destination is told of a level."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that this notifier has claimed."""

    message_id: str
    site_id: int
    site: str
    number: int
    tries: int  # This one included.
    age_s: float
    entry: dict[str, Any]  # The journal's entry.


async def enqueue(
    conn: AsyncConnection[Any],
    site_id: int,
    numbered: Sequence[tuple[int, Transition]],
    destinations: Sequence[Destination],
) -> int:
    """Write what must be told of these journal entries; return how many messages that makes.

    An end or an acknowledgement goes to whoever was told of the alarm at its worst.
    """
    told = [(number, one) for number, one in numbered if one.change in TOLD_CHANGES]
    if not told or not destinations:
        return 0
    row = await (await conn.execute(SITE_KEY, (site_id,))).fetchone()
    assert row is not None
    site = str(row[0])
    occurrences = sorted({one.occurrence for _, one in told})
    cursor = await conn.execute(WORST_LEVELS, (site_id, occurrences))
    worst = {occurrence: Level(level) for occurrence, level in await cursor.fetchall()}

    rows: list[tuple[Any, ...]] = []
    for number, one in told:
        rises = one.change in {Change.RAISE, Change.RISE}
        level = one.level if rises else worst.get(one.occurrence, one.level)
        rows.extend(
            (message_id_of(site, one.key, to.id), site_id, number, to.id, int(level))
            for to in destinations
            if to.wants(level)
        )
    if rows:
        async with conn.cursor() as writer:
            await writer.executemany(ENQUEUE, rows)
    return len(rows)


async def claim(conn: AsyncConnection[Any], destination: str, *, lease_s: float) -> Message | None:
    """Take the most urgent message that is due for a destination; None when there is none."""
    cursor = await conn.execute(CLAIM, {"destination": destination, "lease_s": lease_s})
    row = await cursor.fetchone()
    if row is None:
        return None
    return Message(
        message_id=row[0],
        site_id=row[1],
        site=row[2],
        number=row[3],
        tries=row[4],
        age_s=row[5],
        entry=json.loads(row[6]),
    )


async def mark_delivered(conn: AsyncConnection[Any], message: Message) -> None:
    """Record that the destination has taken a message."""
    await conn.execute(MARK_DELIVERED, (message.message_id,))


async def postpone(
    conn: AsyncConnection[Any], message: Message, *, pause_s: float, error: str
) -> None:
    """Let a message wait for its next try."""
    await conn.execute(POSTPONE, (pause_s, error[:ERROR_CHARACTERS_MAX], message.message_id))


async def give_up(conn: AsyncConnection[Any], message: Message, *, error: str) -> None:
    """Try a message no more; it stays here, counted and visible."""
    await conn.execute(GIVE_UP, (error[:ERROR_CHARACTERS_MAX], message.message_id))


async def forget_delivered(conn: AsyncConnection[Any], *, older_than_s: float) -> int:
    """Forget messages delivered long ago; what was not delivered stays. Return how many."""
    return (await conn.execute(FORGET_DELIVERED, (older_than_s,))).rowcount


def message_id_of(site: str, transition_key: str, destination: str) -> str:
    """Name a message by what it tells and to whom: a rebuilt store makes the same id again."""
    text = "\n".join((site, transition_key, destination))
    return "msg_" + hashlib.sha256(text.encode()).hexdigest()[:40]
