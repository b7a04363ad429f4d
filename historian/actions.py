"""What operators ask for, and what the ingest that owns the site decides.

An action counts only if it is decided before it expires, by the real time of the database's
machine. Whoever asked is told after a second that nothing was decided, and relies on it that
the action then never counts. So both sides lock the row: `undecided` keeps the rows locked
until the deciding transaction ends, and `withdraw` cannot pass it.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from alarms.transition import Acknowledgement, Decision
from telemetry.clock import instant_at, instant_us

EXPIRED = "expired"

ASK = """
    insert into action (action_id, site_id, kind, body, asked_at, expires_at)
    values (%s, %s, %s, %s, %s,
            clock_timestamp() + make_interval(secs => %s::double precision))
"""
WAKE_INGEST = "select pg_notify('groundwatch', 'action')"
REJECT_EXPIRED = """
    update action set accepted = false, reason = %s
    where action_id in (
        select action_id from action
        where site_id = %s and accepted is null and expires_at <= clock_timestamp()
        for update skip locked
    )
"""
LOCK_UNDECIDED = """
    select action_id, body, asked_at, (
        select journal.body::jsonb ->> 'level' from journal
        where journal.site_id = action.site_id
          and journal.occurrence = action.body ->> 'occurrence'
          and journal.number > (action.body ->> 'seen_number')::bigint
          and journal.body::jsonb ->> 'change' in ('raise', 'rise')
        order by journal.number desc limit 1
    ) from action
    where site_id = %s and accepted is null and expires_at > clock_timestamp()
      and kind = 'acknowledgement'
    order by asked_at, action_id
    for update skip locked
"""
RELEASES = """
    select action_id, (body ->> 'number')::bigint from action
    where site_id = %s and accepted is null and expires_at > clock_timestamp() and kind = 'release'
    order by asked_at, action_id
"""
DECIDE = """
    update action set accepted = %s, reason = %s, flush_id = %s
    where action_id = %s and accepted is null
"""
WAKE_ASKERS = "select pg_notify('groundwatch', 'decision')"
READ_DECISION = "select accepted, reason from action where action_id = %s"
WITHDRAW = """
    update action set accepted = false, reason = %s where action_id = %s and accepted is null
"""
FORGET_DECIDED = """
    delete from action
    where accepted is not null and kind <> 'measure'
      and expires_at < clock_timestamp() - make_interval(secs => %s::double precision)
"""


class ActionWithdrawnError(Exception):
    """An accepted action was withdrawn by its asker before the flush: decide again without it."""


async def ask(
    conn: AsyncConnection[Any],
    *,
    site_id: int,
    occurrence: str,
    person: str,
    comment: str,
    asked_us: int,
    lifetime_s: float,
    seen_number: int | None = None,
) -> UUID:
    """Ask for an acknowledgement and wake the ingest that decides it.

    Whoever says which journal entry was seen is refused when the alarm has risen after it.
    """
    body: dict[str, object] = {"occurrence": occurrence, "person": person, "comment": comment}
    if seen_number is not None:
        body["seen_number"] = seen_number
    return await _ask(conn, site_id, "acknowledgement", body, asked_us, lifetime_s)


async def ask_release(
    conn: AsyncConnection[Any], *, site_id: int, number: int, asked_us: int, lifetime_s: float
) -> UUID:
    """Ask for what is kept in quarantine under a number, and wake the ingest that decides it."""
    return await _ask(conn, site_id, "release", {"number": number}, asked_us, lifetime_s)


async def ask_measurement(
    conn: AsyncConnection[Any],
    *,
    site_id: int,
    group: str,
    person: str,
    asked_us: int,
    lifetime_s: float,
) -> UUID:
    """Ask for a scan of a group now, and wake the ingest that holds the edge's line."""
    body: dict[str, object] = {"group": group, "person": person}
    return await _ask(conn, site_id, "measure", body, asked_us, lifetime_s)


async def undecided(conn: AsyncConnection[Any], site_id: int) -> tuple[Acknowledgement, ...]:
    """Take the actions that wait for a decision, in order; reject those that came too late.

    Call it in the transaction that will `decide` them: their rows stay locked until its end.
    """
    await conn.execute(REJECT_EXPIRED, (EXPIRED, site_id))
    cursor = await conn.execute(LOCK_UNDECIDED, (site_id,))
    return tuple(
        Acknowledgement(
            action_id=str(action_id),
            occurrence=body["occurrence"],
            person=body["person"],
            comment=body["comment"],
            at_us=instant_us(asked_at),
            seen_number=body.get("seen_number"),
            risen_to=risen_to,
        )
        for action_id, body, asked_at, risen_to in await cursor.fetchall()
    )


async def undecided_releases(conn: AsyncConnection[Any], site_id: int) -> list[tuple[str, int]]:
    """Find the releases that wait, in order, each as (action_id, number); reject the expired."""
    await conn.execute(REJECT_EXPIRED, (EXPIRED, site_id))
    cursor = await conn.execute(RELEASES, (site_id,))
    return [(str(action_id), number) for action_id, number in await cursor.fetchall()]


async def decide(
    conn: AsyncConnection[Any], decisions: Sequence[Decision], flush_id: int | None
) -> None:
    """Record what became of the actions, in the transaction of the flush that judged them.

    Raises `ActionWithdrawnError` when one was accepted that its asker had already given up; the
    flush must then not be committed.
    """
    for decision in decisions:
        cursor = await conn.execute(
            DECIDE, (decision.accepted, decision.reason, flush_id, decision.action_id)
        )
        if cursor.rowcount == 0 and decision.accepted:
            raise ActionWithdrawnError(
                f"action {decision.action_id} was withdrawn before it could be recorded"
            )
    if decisions:
        await conn.execute(WAKE_ASKERS)


async def decision_on(conn: AsyncConnection[Any], action_id: UUID) -> Decision | None:
    """Read what became of an action; None while nothing has."""
    row = await (await conn.execute(READ_DECISION, (action_id,))).fetchone()
    if row is None or row[0] is None:
        return None
    return Decision(action_id=str(action_id), accepted=row[0], reason=row[1] or "")


async def withdraw(conn: AsyncConnection[Any], action_id: UUID) -> None:
    """Give an action up, so that it cannot count later; a decision made before stands.

    Waits while a flush is just deciding it; bound that wait by the connection's lock_timeout.
    """
    await conn.execute(WITHDRAW, (EXPIRED, action_id))


async def forget_decided(conn: AsyncConnection[Any], *, older_than_s: float) -> int:
    """Forget decisions that nobody waits for; the journal has them. Return how many."""
    return (await conn.execute(FORGET_DECIDED, (older_than_s,))).rowcount


async def _ask(
    conn: AsyncConnection[Any],
    site_id: int,
    kind: str,
    body: dict[str, object],
    asked_us: int,
    lifetime_s: float,
) -> UUID:
    action_id = uuid4()
    async with conn.transaction():
        await conn.execute(
            ASK, (action_id, site_id, kind, Jsonb(body), instant_at(asked_us), lifetime_s)
        )
        await conn.execute(WAKE_INGEST)
    return action_id
