"""What people ask about the quarantine: what is in it, what a block says, and to have it stored.

The database is asked; a release is carried out by the ingest that owns the site.
"""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from psycopg import AsyncConnection

from historian import actions
from historian.connection import connect
from historian.quarantine import QuarantineRow, find_quarantined, read_quarantined
from telemetry.clock import MachineClock, instant_at, real_monotonic_s
from telemetry.event import EventBlock
from telemetry.event_wire import decode_events, is_event_block
from telemetry.wire import WireError, decode_block

DECIDED_WITHIN_S = 20.0
LISTEN = "listen groundwatch"


class QuarantineError(Exception):
    """What was asked for can't be done; the message says why."""


def list_kept(dsn: str, *, site: str | None, reason: str | None, limit: int) -> list[str]:
    """Describe the oldest blocks, a line each."""
    return asyncio.run(_list(dsn, site, reason, limit))


def show_kept(dsn: str, number: int, out: Path | None) -> list[str]:
    """Describe a block; write its bytes into a new file if one is named."""
    row = asyncio.run(_read(dsn, number))
    if out is not None:
        try:
            with out.open("xb") as file:
                file.write(row.content)
        except OSError as error:
            raise QuarantineError(f"{out} can't be written: {error.strerror}.") from error
    return [_line(row), row.message, *_said_by(row.content)]


def release_kept(
    dsn: str, numbers: Iterable[int], *, site: str | None, reason: str | None
) -> Iterator[tuple[int, str]]:
    """Ask for blocks by number, or for all of a reason; yield each with what was refused, or ''."""
    chosen = list(numbers) or asyncio.run(_numbers(dsn, site, reason))
    for number in chosen:
        yield number, asyncio.run(_release(dsn, number))


async def _list(dsn: str, site: str | None, reason: str | None, limit: int) -> list[str]:
    async with await connect(dsn, name="quarantine", autocommit=True) as conn:
        return [_line(row) async for row in find_quarantined(conn, site, reason, limit)]


async def _numbers(dsn: str, site: str | None, reason: str | None) -> list[int]:
    async with await connect(dsn, name="quarantine", autocommit=True) as conn:
        return [row.number async for row in find_quarantined(conn, site, reason, None)]


async def _read(dsn: str, number: int) -> QuarantineRow:
    async with await connect(dsn, name="quarantine", autocommit=True) as conn:
        row = await read_quarantined(conn, number)
    if row is None:
        raise QuarantineError(f"Number {number} is not in quarantine.")
    return row


async def _release(dsn: str, number: int) -> str:
    """Ask for a block, and wait for what becomes of it."""
    async with await connect(dsn, name="quarantine", autocommit=True) as conn:
        row = await read_quarantined(conn, number)
        if row is None:
            return "it is not in quarantine"
        await conn.execute(LISTEN)
        action_id = await actions.ask_release(
            conn,
            site_id=row.site_id,
            number=number,
            asked_us=MachineClock().now_us(),
            lifetime_s=DECIDED_WITHIN_S,
        )
        ends_s = real_monotonic_s() + DECIDED_WITHIN_S
        while (remaining_s := ends_s - real_monotonic_s()) > 0:
            if (decision := await actions.decision_on(conn, action_id)) is not None:
                return decision.reason
            await _something_happens(conn, remaining_s)
        await actions.withdraw(conn, action_id)
        decision = await actions.decision_on(conn, action_id)
    if decision is not None and decision.reason != actions.EXPIRED:
        return decision.reason
    return (
        f"nobody has answered within {DECIDED_WITHIN_S:g} s: does the ingest run that owns "
        f"{row.site}? It is where it was"
    )


async def _something_happens(conn: AsyncConnection, within_s: float) -> None:
    async for _ in conn.notifies(timeout=within_s, stop_after=1):
        pass


def _line(row: QuarantineRow) -> str:
    seq = "" if row.seq is None else f"  block {row.seq}"
    return (
        f"{row.number}  {_written(row.received_us)}  {row.site}/{row.edge}{seq}  "
        f"{row.reason}  {row.size} bytes"
    )


def _said_by(content: bytes) -> list[str]:
    try:
        if is_event_block(content):
            return _said_by_events(decode_events(content))
        block = decode_block(content)
    except WireError as error:
        return [f"Its bytes are no block: {error.message}."]
    first, last = int(block.sampled_us[0]), int(block.sampled_us[-1])
    scans, slots = block.raw.shape
    return [
        f"It says: site {block.site}, scan group {block.group}, layout {block.layout}, "
        f"{scans} scans of {slots} slots, stamped {_written(first)} to {_written(last)}.",
    ]


def _said_by_events(block: EventBlock) -> list[str]:
    first, last = int(block.sampled_us.min()), int(block.sampled_us.max())
    return [
        f"It says: site {block.site}, event source {block.source}, {len(block)} events of the kind "
        f"{block.kind}, stamped {_written(first)} to {_written(last)}.",
    ]


def _written(us: int) -> str:
    try:
        instant: datetime = instant_at(us)
    except (OverflowError, ValueError):  # A wild stamp may be more than a calendar holds.
        return f"{us} µs"
    return instant.isoformat(timespec="seconds")
