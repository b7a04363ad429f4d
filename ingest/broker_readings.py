"""Readings that other people's gateways publish at an MQTT broker, as JSON.

The same JSON as over HTTP goes the same way: a submission, decided by the flush. A message is
acknowledged to the broker once what it holds is committed, or is in quarantine with the reason;
until then the broker sends it again, and the store knows equal scans again. Who may publish for a
gateway is the broker's to say (`take_readings` in its settings).
"""

import asyncio
import hashlib
import json
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from carriers.acknowledged import (
    AcknowledgedLine,
    BrokerAddress,
    Delivery,
    Window,
    acknowledged_line,
)
from carriers.broker import BrokerError
from carriers.broker_settings import BrokerSettingsError, BrokerUrl, read_broker_settings
from historian import submissions
from historian.quarantine import QuarantineWrite, write_quarantine
from historian.submissions import SubmissionOutcome, TooManyUndecidedError
from ingest import metrics
from ingest.desk import SiteDesk
from ingest.narrowing import is_stores_own
from telemetry.broker_topics import answers_topic, every_readings_topic, gateway_of
from telemetry.clock import Clock
from telemetry.submission import (
    Compiled,
    SubmissionError,
    compile_submission,
    read_document,
)

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
AGAIN_S = 0.5  # For a database that is away, or a site for which too much waits.
LOOK_EVERY_S = 1.0  # Whether a submission has been decided that nobody told us of.
Made = TypeVar("Made")

KEPT_BYTES_MAX = 1 << 20  # Of a message in quarantine; a longer one is no right one.

log = structlog.get_logger()


class RefusedReadingsError(Exception):
    """A message that can't be stored; its bytes go to quarantine."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True, eq=False)
class Came:
    """A message for one of our sites."""

    delivery: Delivery
    line: AcknowledgedLine
    gateway: str
    received_us: int


class BrokerReadings:
    """Keeps the connection to the broker, and takes what comes in."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        desks: Sequence[SiteDesk],
        clock: Clock,
        broker: BrokerUrl,
        settings_file: Path | None,
    ) -> None:
        self._pool = pool
        self._desks = {desk.key: desk for desk in desks}
        self._clock = clock
        self._broker = broker
        self._settings_file = settings_file
        self._window = Window()
        self._queues: dict[str, asyncio.Queue[Came]] = {key: asyncio.Queue() for key in self._desks}
        self._attempt = 0
        self._down: str | None = None

    async def run(self) -> None:
        """Take readings until cancelled; a broker that is away is called again and again."""
        async with asyncio.TaskGroup() as tasks:
            for desk in self._desks.values():
                tasks.create_task(self._take_of(desk, tasks), name=f"readings of {desk.key}")
            while True:
                try:
                    async with acknowledged_line(self._address(), self._window) as line:
                        await self._listen(line)
                except (BrokerError, BrokerSettingsError) as error:
                    self._tell_down(str(error))
                finally:
                    metrics.BROKER_CONNECTED.labels("gateways").set(0)
                pause_s = RETRY_S[min(self._attempt, len(RETRY_S) - 1)]
                self._attempt += 1
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))

    def _address(self) -> BrokerAddress:
        settings = read_broker_settings(self._settings_file)
        return BrokerAddress(
            host=self._broker.host,
            port=self._broker.port,
            # The same after a restart: the broker then has kept what came meanwhile.
            client_id=f"groundwatch-{min(self._desks)}-readings",
            username=settings.username,
            password=settings.password(),
            encryption=settings.encryption() if self._broker.encrypted else None,
        )

    async def _listen(self, line: AcknowledgedLine) -> None:
        await line.subscribe([every_readings_topic(site) for site in self._desks])
        log.info("gateways may send over the broker", broker=str(self._broker))
        metrics.BROKER_CONNECTED.labels("gateways").set(1)
        self._attempt, self._down = 0, None
        while True:
            for delivery in line.take():
                found = gateway_of(delivery.topic)
                if found is None or found[0] not in self._queues:
                    delivery.done()  # Nobody's: we did not ask for it.
                    metrics.BROKER_MESSAGES_REFUSED.labels("unknown").inc()
                    continue
                site, gateway = found
                came = Came(delivery, line, gateway, self._clock.now_us())
                self._queues[site].put_nowait(came)  # Bounded by the window.
            await line.wake.wait()

    async def _take_of(self, desk: SiteDesk, tasks: asyncio.TaskGroup) -> None:
        """Hand in what comes for one site, in order; its trouble holds up no other."""
        while True:
            came = await self._queues[desk.key].get()
            try:
                compiled = await asyncio.to_thread(_compiled, desk, came)
            except RefusedReadingsError as refused:
                await self._persistently(partial(self._refuse, desk, came, refused))
                continue
            if not compiled.contents:
                await self._answer(desk, came, _accepted(SubmissionOutcome(), compiled))
                continue
            number = await self._persistently(partial(self._submit, desk, came, compiled))
            decided = desk.awaited[number]
            tasks.create_task(self._await_outcome(desk, came, compiled, number, decided))

    async def _submit(self, desk: SiteDesk, came: Came, compiled: Compiled) -> int:
        async with self._pool.connection() as conn:
            number = await submissions.submit(
                conn,
                site_id=desk.ids.site_id,
                gateway=came.gateway,
                received_us=came.received_us,
                contents=compiled.contents,
            )
        desk.awaited[number] = asyncio.get_running_loop().create_future()
        return number

    async def _await_outcome(
        self,
        desk: SiteDesk,
        came: Came,
        compiled: Compiled,
        number: int,
        decided: asyncio.Future[SubmissionOutcome],  # The flush takes it off the desk.
    ) -> None:
        while not decided.done():
            await asyncio.wait([decided], timeout=LOOK_EVERY_S)
            if not decided.done():  # A flush may have been committed whose answer was lost.
                outcome = await self._persistently(partial(self._outcome, desk, number))
                if outcome is not None and not decided.done():  # Nor while we asked.
                    decided.set_result(outcome)
                elif await self._persistently(partial(self._is_gone, desk, number)):
                    desk.awaited.pop(number, None)
                    number = await self._persistently(partial(self._submit, desk, came, compiled))
                    decided = desk.awaited[number]
        desk.awaited.pop(number, None)
        await self._answer(desk, came, _accepted(decided.result(), compiled))

    async def _outcome(self, desk: SiteDesk, number: int) -> SubmissionOutcome | None:
        async with self._pool.connection() as conn:
            return await submissions.outcome_of(conn, desk.ids.site_id, number)

    async def _is_gone(self, desk: SiteDesk, number: int) -> bool:
        """Tell whether the store has forgotten a submission: it was restored to an older state."""
        async with self._pool.connection() as conn:
            if await submissions.still_undecided(conn, desk.ids.site_id, [number]):
                return False
            return await submissions.outcome_of(conn, desk.ids.site_id, number) is None

    async def _refuse(self, desk: SiteDesk, came: Came, refused: RefusedReadingsError) -> None:
        content = came.delivery.payload[:KEPT_BYTES_MAX]
        row = QuarantineWrite(
            received_us=came.received_us,
            edge=came.gateway,
            stream_id=None,
            seq=None,
            reason=refused.reason,
            message=refused.message,
            content=content,
        )
        async with self._pool.connection() as conn:
            await write_quarantine(conn, desk.ids.site_id, [row])
        metrics.BLOCKS_QUARANTINED.labels(desk.key, refused.reason).inc()
        answer = {"accepted": False, "reason": refused.reason, "message": refused.message}
        await self._answer(desk, came, answer)

    async def _answer(self, desk: SiteDesk, came: Came, answer: dict[str, Any]) -> None:
        """Acknowledge a message, and tell the gateway what became of it, if it listens."""
        came.delivery.done()
        digest = hashlib.sha256(came.delivery.payload).hexdigest()
        text = json.dumps({**answer, "sha256": digest}).encode()
        try:
            await came.line.publish(answers_topic(desk.key, came.gateway), text)
        except BrokerError:
            return  # What comes again is answered again.

    async def _persistently(self, work: Callable[[], Coroutine[Any, Any, Made]]) -> Made:
        """Work until it succeeds: the broker keeps what is not acknowledged meanwhile."""
        while True:
            try:
                return await work()
            except (psycopg.Error, TooManyUndecidedError) as error:
                if not _passes_by(error):
                    raise
                await asyncio.sleep(AGAIN_S)

    def _tell_down(self, reason: str) -> None:
        """Log the change, not every attempt."""
        if reason != self._down:
            log.warning(
                "the broker is away; gateways keep what they have",
                broker=str(self._broker),
                reason=reason,
            )
        self._down = reason


def _passes_by(error: Exception) -> bool:
    """Tell whether it is not the message that is wrong: a flush waits for such a store, too."""
    transient = isinstance(error, (psycopg.OperationalError, TooManyUndecidedError))
    return transient or is_stores_own(error)


def _compiled(desk: SiteDesk, came: Came) -> Compiled:
    """Read a message; raise RefusedReadingsError when there is nothing right in it to store."""
    buses = [bus for bus in desk.plan.site.buses if bus.gateway and bus.edge == came.gateway]
    if not buses:
        raise RefusedReadingsError(
            "unknown_gateway",
            f"the site file of '{desk.key}' has no bus of the kind gateway for '{came.gateway}'",
        )
    try:
        document = read_document(came.delivery.payload)
    except SubmissionError as error:
        raise RefusedReadingsError("malformed_readings", str(error)) from error
    if document.site != desk.key:
        raise RefusedReadingsError(
            "wrong_site", f"the readings are of another site than the topic, '{desk.key}'"
        )
    compiled = compile_submission(document, desk.plan, came.gateway)
    if compiled.complaint_count and not document.partial:
        told = "; ".join(f"{one.place}: {one.message}" for one in compiled.complaints)
        raise RefusedReadingsError("wrong_readings", f"nothing was stored: {told}")
    return compiled


def _accepted(outcome: SubmissionOutcome, compiled: Compiled) -> dict[str, Any]:
    refused = [{"place": one.place, "message": one.message} for one in compiled.complaints]
    return {
        "accepted": True,
        **asdict(outcome),
        "refused": refused,
        "refused_count": compiled.complaint_count,
    }
