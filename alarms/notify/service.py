"""The notifier: hand over what waits in the outbox, one task per destination."""

import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection

from alarms import journal, outbox
from alarms.notify.destinations import (
    DestinationsError,
    Webhook,
    read_destinations,
    read_secret,
)
from alarms.notify.retry import GiveUp, next_try
from alarms.notify.webhook import TRY_TIMEOUT_S, Try, WebhookSender
from alarms.outbox import Message
from historian.connection import connect
from telemetry.clock import Clock, MachineClock, SharedClock
from telemetry.failpoints import passing
from telemetry.lifetime import CANNOT_START, is_supervised, until_asked_to_stop
from telemetry.planted import planted

LEASE_S = 3 * TRY_TIMEOUT_S  # Longer than one try may take, so that nobody sends in parallel.
POLL_S = 1.0  # A wake-up can get lost; nothing waits longer than this for lack of one.
RECONNECT_FIRST_S, RECONNECT_LONGEST_S = 0.1, 5.0
DRAIN_S = 5.0  # How long a try under way may go on after we are asked to stop.

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """What the notifier is started with."""

    dsn: str
    destinations: Path | None
    clock: Path | None = None


def run_notify(settings: NotifySettings) -> int:
    """Run the notifier until it is asked to stop; return the exit code."""
    try:
        destinations = read_destinations(settings.destinations) if settings.destinations else ()
        for webhook in destinations:
            read_secret(webhook)
    except DestinationsError as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_START
    clock = SharedClock(settings.clock) if settings.clock else MachineClock()
    asyncio.run(_run_until_asked(settings.dsn, destinations, clock))
    return 0


async def run(
    dsn: str,
    destinations: Sequence[Webhook],
    clock: Clock,
    stop: asyncio.Event,
    *,
    lease_s: float = LEASE_S,
) -> None:
    """Tell every destination what waits for it, until told to stop."""
    senders = [(webhook, WebhookSender(webhook)) for webhook in destinations]
    try:
        async with asyncio.TaskGroup() as tasks:
            telling = [
                tasks.create_task(_tell(dsn, webhook.id, sender, clock, lease_s), name=webhook.id)
                for webhook, sender in senders
            ]
            await stop.wait()
            # Between two messages a task is where it may be cut off at any time; a try under
            # way may end. What is cut off all the same is sent again when its lease runs out.
            for one in telling:
                one.cancel()
    finally:
        for _, sender in senders:
            await sender.aclose()


async def _run_until_asked(dsn: str, destinations: Sequence[Webhook], clock: Clock) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(dsn, destinations, clock, stop), name="notify")
        await until_asked_to_stop(is_supervised())
        stop.set()


async def _tell(
    dsn: str, destination: str, sender: WebhookSender, clock: Clock, lease_s: float
) -> None:
    """Serve one destination on a connection of its own; come back when the database does."""
    failures = 0
    while True:
        try:
            async with await connect(dsn, name="notify", autocommit=True) as conn:
                await conn.execute("listen groundwatch")
                if failures:
                    log.info("database reached again", destination=destination)
                failures = 0
                while True:
                    await _tell_what_is_due(conn, destination, sender, clock, lease_s)
                    await _woken(conn)
        except psycopg.Error as error:
            if failures == 0:
                log.warning("database not reached", destination=destination, error=str(error))
            pause_s = min(RECONNECT_LONGEST_S, RECONNECT_FIRST_S * 2.0 ** min(failures, 10))
            failures += 1
            await asyncio.sleep(pause_s * (1 - random.random() / 2))


async def _tell_what_is_due(
    conn: AsyncConnection[Any],
    destination: str,
    sender: WebhookSender,
    clock: Clock,
    lease_s: float,
) -> None:
    while message := await outbox.claim(conn, destination, lease_s=lease_s):
        passing("notify_claimed")
        handing_over = asyncio.ensure_future(_hand_over(conn, message, sender, clock))
        try:
            await asyncio.shield(handing_over)
        except asyncio.CancelledError:
            # Whatever becomes of it, we end: a failure must not take our cancellation's place.
            await asyncio.wait({handing_over}, timeout=DRAIN_S)
            handing_over.cancel()
            await asyncio.gather(handing_over, return_exceptions=True)
            raise


async def _hand_over(
    conn: AsyncConnection[Any], message: Message, sender: WebhookSender, clock: Clock
) -> None:
    told_us = clock.now_us()
    if planted("told_before_sent"):
        await outbox.mark_delivered(conn, message)
    passing("notify_before_send")
    result = await sender.send(message, real_us=MachineClock().now_us())
    passing("notify_after_send")
    async with conn.transaction():
        if result.failure is None:
            await outbox.mark_delivered(conn, message)
            await journal.mark_delivered(
                conn, message.site_id, message.number, told_us=told_us, delivered_us=clock.now_us()
            )
        else:
            await _record_failure(conn, message, result)
    passing("notify_after_mark")


async def _record_failure(conn: AsyncConnection[Any], message: Message, result: Try) -> None:
    assert result.failure is not None
    decision = next_try(
        result.failure,
        tries=message.tries,
        age_s=message.age_s,
        dice=random.random(),
        asked_pause_s=result.asked_pause_s,
    )
    if isinstance(decision, GiveUp):
        log.error("message given up", message_id=message.message_id, error=result.error)
        await outbox.give_up(conn, message, error=result.error)
        return
    if message.tries == 1:
        log.warning("message not taken", message_id=message.message_id, error=result.error)
    await outbox.postpone(conn, message, pause_s=decision.pause_s, error=result.error)


async def _woken(conn: AsyncConnection[Any]) -> None:
    """Wait for a notification or the next poll."""
    async for _ in conn.notifies(timeout=POLL_S, stop_after=1):
        pass
