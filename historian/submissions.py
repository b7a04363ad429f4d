"""What gateways send over HTTP or a broker, and what the ingest that owns the site makes of it.

As with an operator's action, whoever receives a submission writes a row, and the owning ingest
records in it, in the transaction that stores the scans, what became of them. Unlike an action a
submission may count although nobody waited for it any more: the store knows equal scans again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from telemetry.clock import instant_at, instant_us

UNDECIDED_MAX = 64  # Of a site: who sends faster than is stored is told to wait.

SUBMIT = """
    insert into submission (site_id, gateway, received_at, content)
    select %(site_id)s, %(gateway)s, %(received_at)s, %(content)s
    where %(most)s > (
        select count(*) from submission where site_id = %(site_id)s and outcome is null
    )
    returning number
"""
WAKE_INGEST = "select pg_notify('groundwatch', 'submission')"
WAKE_ASKERS = "select pg_notify('groundwatch', 'decision')"
READ_UNDECIDED = """
    select number, gateway, received_at, content from submission
    where site_id = %s and outcome is null and number <> all(%s) order by number limit %s
"""
STILL_UNDECIDED = """
    select number from submission where site_id = %s and number = any(%s) and outcome is null
"""
DECIDE = """
    update submission set outcome = %s, flush_id = %s, content = '{}'
    where site_id = %s and number = %s and outcome is null
"""
READ_OUTCOME = "select outcome from submission where site_id = %s and number = %s"
WITHDRAW = """
    delete from submission where (site_id, number) in (
        select site_id, number from submission
        where site_id = %s and number = %s and outcome is null for update skip locked
    )
"""
FORGET_DECIDED = """
    delete from submission where outcome is not null
      and asked_at < clock_timestamp() - make_interval(secs => %s::double precision)
"""


class TooManyUndecidedError(Exception):
    """So many submissions of the site wait already that this one is not taken."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Scans that could not be stored as they are, and why."""

    scans: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class SubmissionOutcome:
    """What became of the scans of a submission; true once it can be read."""

    stored: int = 0
    duplicates: int = 0  # Every number was stored already.
    merged: int = 0  # Completed a stored scan.
    conflicts: int = 0  # Contradicted a stored scan; kept beside it.
    late: int = 0  # Of these, not after the newest of their group: not judged as now.
    quarantined: tuple[Quarantined, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission that waits."""

    number: int
    gateway: str
    received_us: int
    contents: tuple[bytes, ...]


async def submit(
    conn: AsyncConnection[Any],
    *,
    site_id: int,
    gateway: str,
    received_us: int,
    contents: Sequence[bytes],
) -> int:
    """Hand a submission to the ingest that owns the site; return its number."""
    row = {
        "site_id": site_id,
        "gateway": gateway,
        "received_at": instant_at(received_us),
        "content": list(contents),
        "most": UNDECIDED_MAX,
    }
    async with conn.transaction():
        found = await (await conn.execute(SUBMIT, row)).fetchone()
        if found is None:
            raise TooManyUndecidedError(f"{UNDECIDED_MAX} submissions of the site wait already")
        await conn.execute(WAKE_INGEST)
    return int(found[0])


async def undecided(
    conn: AsyncConnection[Any], site_id: int, *, but: Collection[int], most: int
) -> list[Submission]:
    """Read the oldest submissions that wait, but those that are known."""
    cursor = await conn.execute(READ_UNDECIDED, [site_id, list(but), most])
    return [
        Submission(number, gateway, instant_us(received_at), tuple(map(bytes, contents)))
        for number, gateway, received_at, contents in await cursor.fetchall()
    ]


async def still_undecided(
    conn: AsyncConnection[Any], site_id: int, numbers: Collection[int]
) -> set[int]:
    """Tell which of these are neither decided nor withdrawn."""
    cursor = await conn.execute(STILL_UNDECIDED, [site_id, list(numbers)])
    return {number for (number,) in await cursor.fetchall()}


async def decide(
    conn: AsyncConnection[Any],
    site_id: int,
    outcomes: Mapping[int, SubmissionOutcome],
    flush_id: int,
) -> None:
    """Record what became of submissions, in the transaction that stores their scans."""
    if not outcomes:
        return
    async with conn.cursor() as cursor:
        await cursor.executemany(
            DECIDE,
            [
                (Jsonb(asdict(outcome)), flush_id, site_id, number)
                for number, outcome in outcomes.items()
            ],
        )
    await conn.execute(WAKE_ASKERS)


async def outcome_of(
    conn: AsyncConnection[Any], site_id: int, number: int
) -> SubmissionOutcome | None:
    """Read what became of a submission; None while nothing has."""
    row = await (await conn.execute(READ_OUTCOME, [site_id, number])).fetchone()
    if row is None or row[0] is None:
        return None
    quarantined = tuple(Quarantined(**one) for one in row[0]["quarantined"])
    return SubmissionOutcome(**{**row[0], "quarantined": quarantined})


async def withdraw(conn: AsyncConnection[Any], site_id: int, number: int) -> None:
    """Give up a submission for which nobody waits any more; one just being decided stays."""
    await conn.execute(WITHDRAW, [site_id, number])


async def forget_outcomes(conn: AsyncConnection[Any], *, older_than_s: float) -> int:
    """Forget outcomes that nobody waits for. Return how many."""
    return (await conn.execute(FORGET_DECIDED, [older_than_s])).rowcount
