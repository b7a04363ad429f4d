"""Back-tests that were asked for over the API: a queue, and what the newest of them found.

One runs at a time in a database, however many API processes there are: that of whoever has taken
the turn, a lock of a session, which ends with it even when the process is killed. So what still
stands as running when a turn begins was cut, and is said to have failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

State = Literal["queued", "running", "finished", "failed", "cancelled"]

TURN_KEY: Final = 0x6261636B74657374  # "backtest"
KEPT_PER_SITE: Final = 20
KEPT_DAYS: Final = 365
WAITING_MAX: Final = 8  # In the whole database.

TAKE_TURN = "select pg_try_advisory_lock(%s)"
END_CUT = """
    update back_test set state = 'failed', reason = %s, ended_at = clock_timestamp(), files = null
    where state = 'running'
"""
# Whoever asks at the same time waits, so that both count right.
LOCK_QUEUE = "lock table back_test in share row exclusive mode"
COUNT_WAITING = "select count(*) from back_test where state in ('queued', 'running')"
ASK = """
    insert into back_test (site_id, asked_by, request, files) values (%s, %s, %s, %s)
    returning back_test_id
"""
FORGET = """
    delete from back_test
    where site_id = %(site)s and state not in ('queued', 'running') and (
        ended_at < clock_timestamp() - make_interval(days => %(days)s)
        or back_test_id not in (
            select back_test_id from back_test where site_id = %(site)s
            order by back_test_id desc limit %(kept)s
        )
    )
"""
BEGIN_NEXT = """
    update back_test set state = 'running', begun_at = clock_timestamp()
    where back_test_id = (
        select back_test_id from back_test where state = 'queued' order by back_test_id limit 1
        for update skip locked
    )
    returning back_test_id, site_id, request, files
"""
TELL = """
    update back_test set doing = %s, progress = %s where back_test_id = %s and state = 'running'
    returning true
"""
END = """
    update back_test
    set state = %s, reason = %s, report = %s, page = %s, ended_at = clock_timestamp(),
        progress = case when %s = 'finished' then 1 else progress end, doing = null, files = null
    where back_test_id = %s and state = 'running'
"""
CANCEL = """
    update back_test
    set state = 'cancelled', ended_at = clock_timestamp(), doing = null, files = null
    where site_id = %s and back_test_id = %s and state in ('queued', 'running') returning true
"""
COLUMNS = """
    select back_test_id, asked_at, asked_by, request, state, begun_at, ended_at, doing, progress,
           reason, page is not null as has_page
    from back_test where site_id = %s
"""
LIST = COLUMNS + "order by back_test_id desc"
ONE = COLUMNS + "and back_test_id = %s"
REPORT = "select report from back_test where site_id = %s and back_test_id = %s"
PAGE = "select page from back_test where site_id = %s and back_test_id = %s"


@dataclass(frozen=True, slots=True)
class BackTestRow:
    """A back-test as it stands."""

    back_test_id: int
    asked_at: datetime
    asked_by: str
    request: dict[str, Any]
    state: State
    begun_at: datetime | None
    ended_at: datetime | None
    doing: str | None
    progress: float  # 0 to 1, of what is being done.
    reason: str | None  # Why it failed.
    has_page: bool


@dataclass(frozen=True, slots=True)
class BegunBackTest:
    """What whoever has the turn is to run."""

    back_test_id: int
    site_id: int
    request: dict[str, Any]
    files: dict[str, str]  # Their texts, by name.


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a run."""

    state: Literal["finished", "failed"]
    reason: str | None = None
    report: str | None = None
    page: str | None = None


async def take_turn(conn: AsyncConnection[Any]) -> bool:
    """Try to become the one who runs back-tests, until this session ends."""
    row = await (await conn.execute(TAKE_TURN, [TURN_KEY])).fetchone()
    return bool(row and row[0])


async def end_cut(conn: AsyncConnection[Any], reason: str) -> int:
    """Say of what was cut that it has failed; whoever calls has the turn. Return how many."""
    return (await conn.execute(END_CUT, [reason])).rowcount


async def ask(
    conn: AsyncConnection[Any],
    site_id: int,
    asked_by: str,
    request: Mapping[str, Any],
    files: Mapping[str, str],
) -> int | None:
    """Put a back-test into the queue, and forget the oldest; None when too many wait."""
    async with conn.transaction():
        await conn.execute(LOCK_QUEUE)
        row = await (await conn.execute(COUNT_WAITING)).fetchone()
        if row is not None and row[0] >= WAITING_MAX:
            return None
        asked = [site_id, asked_by, Jsonb(dict(request)), Jsonb(dict(files))]
        row = await (await conn.execute(ASK, asked)).fetchone()
        bounds = {"site": site_id, "days": KEPT_DAYS, "kept": KEPT_PER_SITE}
        await conn.execute(FORGET, bounds)
    return None if row is None else int(row[0])


async def begin_next(conn: AsyncConnection[Any]) -> BegunBackTest | None:
    """Begin the one that waits longest; None where nothing waits."""
    row = await (await conn.execute(BEGIN_NEXT)).fetchone()
    return None if row is None else BegunBackTest(row[0], row[1], row[2], row[3] or {})


async def tell(conn: AsyncConnection[Any], back_test_id: int, doing: str, progress: float) -> bool:
    """Say how far it is; False when nobody wants it any more."""
    cursor = await conn.execute(TELL, [doing, progress, back_test_id])
    return await cursor.fetchone() is not None


async def end(conn: AsyncConnection[Any], back_test_id: int, ending: Ending) -> None:
    """Keep what became of a run, unless it was cancelled meanwhile."""
    found = [ending.state, ending.reason, ending.report, ending.page, ending.state, back_test_id]
    await conn.execute(END, found)


async def cancel(conn: AsyncConnection[Any], site_id: int, back_test_id: int) -> bool:
    """Cancel what waits or runs; False where there is no such thing."""
    cursor = await conn.execute(CANCEL, [site_id, back_test_id])
    return await cursor.fetchone() is not None


async def back_tests_of(conn: AsyncConnection[Any], site_id: int) -> list[BackTestRow]:
    """List what is kept of a site, the newest first."""
    async with conn.cursor(row_factory=class_row(BackTestRow)) as cursor:
        return await (await cursor.execute(LIST, [site_id])).fetchall()


async def back_test(
    conn: AsyncConnection[Any], site_id: int, back_test_id: int
) -> BackTestRow | None:
    """Return one, if it is of this site."""
    async with conn.cursor(row_factory=class_row(BackTestRow)) as cursor:
        return await (await cursor.execute(ONE, [site_id, back_test_id])).fetchone()


async def report_of(conn: AsyncConnection[Any], site_id: int, back_test_id: int) -> str | None:
    """Return the report as JSON; None where there is none."""
    row = await (await conn.execute(REPORT, [site_id, back_test_id])).fetchone()
    return None if row is None else row[0]


async def page_of(conn: AsyncConnection[Any], site_id: int, back_test_id: int) -> str | None:
    """Return the page as HTML; None where there is none."""
    row = await (await conn.execute(PAGE, [site_id, back_test_id])).fetchone()
    return None if row is None else row[0]
