"""The ingest service: the edges' line, the flush, and the ear for what the API hands on."""

import asyncio
import socket
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from alarms.notify.destinations import DestinationsError, read_destinations
from carriers.broker_settings import (
    BrokerSettingsError,
    read_broker_settings,
    read_broker_url,
    shows_password_to_all,
)
from historian.connection import connect, hung_up_after
from historian.registry import RegistrationError
from historian.writer import OwnershipLostError
from ingest.broker_readings import BrokerReadings
from ingest.broker_sessions import BrokerSessions
from ingest.callers import callers_pool, line_parts
from ingest.certificate_watch import CertificateWatch
from ingest.conversation import LineParts
from ingest.desk import SiteDesk
from ingest.encryption import Encryption, watch_files
from ingest.event_tier import EventTier
from ingest.inbox import Inbox
from ingest.line import CannotListenError, listen, open_line
from ingest.measuring import Measuring, measure_when_asked
from ingest.opening import open_read_site
from ingest.pipeline import Pipeline
from ingest.slow_tier import SlowTier
from ingest.supervisor import TAKEN_OVER
from telemetry.clock import Clock, MachineClock, SharedClock
from telemetry.lifetime import CANNOT_START, is_supervised, until_asked_to_stop
from telemetry.site_file import SiteFileError, read_and_keep
from telemetry.tls import ServerIdentity

LISTEN_AGAIN_S = 1.0
# A database that has said nothing for a while is asked whether it is there.
SILENCE_S = 30.0
ANSWER_WITHIN_S = 10.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """What the ingest service is started with."""

    sites: tuple[Path, ...]
    dsn: str
    host: str
    port: int
    webhooks: Path | None
    clock: Path | None
    open_metrics: bool = False
    broker: str | None = None  # Over which edges may deliver too.
    broker_settings: Path | None = None
    encryption: Encryption = field(default_factory=Encryption)


def run_ingest(settings: IngestSettings) -> int:
    """Run until asked to stop; return the exit code."""
    if complaints := settings.encryption.complaints():
        sys.stderr.write("\n".join([*complaints, ""]))
        return CANNOT_START
    try:
        # Before any site is taken: whoever can't have the port would end the one who has it.
        listening = listen(settings.host, settings.port)
    except CannotListenError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        with listening:
            return asyncio.run(_run(settings, listening))
    except (SiteFileError, RegistrationError, DestinationsError, BrokerSettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_START
    except OwnershipLostError as error:
        return _give_way(error)
    except ExceptionGroup as errors:
        lost, others = errors.split(OwnershipLostError)
        if lost is None or others is not None:
            raise
        return _give_way(lost.exceptions[0])


def _give_way(error: Exception) -> int:
    log.error("another ingest has taken over", error=str(error))
    return TAKEN_OVER


async def _run(settings: IngestSettings, listening: socket.socket) -> int:
    clock: Clock = MachineClock() if settings.clock is None else SharedClock(settings.clock)
    destinations = () if settings.webhooks is None else read_destinations(settings.webhooks)
    read = [read_and_keep(path) for path in settings.sites]  # A wrong one takes none of the others.
    desks = [await open_read_site(settings.dsn, *one, clock) for one in read]
    del read  # The texts of a province are half a gigabyte.
    inbox = Inbox()
    pipeline = Pipeline(settings.dsn, desks, inbox, clock, destinations)
    stop = asyncio.Event()
    async with callers_pool(settings.dsn) as pool, asyncio.TaskGroup() as tasks:
        folder = settings.encryption.authority_folder
        parts = line_parts(
            pool, desks, inbox, clock, authority_folder=folder, open_metrics=settings.open_metrics
        )
        flushing = tasks.create_task(pipeline.run(stop), name="flush")
        identity = settings.encryption.identity()
        server = await open_line(listening, parts, identity.context if identity else None)
        beside = [
            *_for_those_who_ask(settings.dsn, pipeline, Measuring(pool, desks, parts)),
            SlowTier(settings.dsn, desks, clock, pipeline.wake_for_belief).run(),
            EventTier(settings.dsn, desks, clock, pipeline.wake_for_belief).run(),
            *_watching(settings, pool, desks, clock, identity),
            *_over_broker(settings, parts, desks, pool),
        ]
        running = [tasks.create_task(one) for one in beside]
        log.info("edges may come", host=settings.host, port=settings.port)
        asked = asyncio.create_task(until_asked_to_stop(is_supervised()))
        try:
            await asyncio.wait({asked, flushing}, return_when=asyncio.FIRST_COMPLETED)
        finally:  # Also when the flush has failed, which cancels us.
            server.close()
            stop.set()
            asked.cancel()
        await flushing
        await server.wait_closed()
        for task in running:
            task.cancel()
    return 0


def _for_those_who_ask(
    dsn: str, pipeline: Pipeline, measuring: Measuring
) -> list[Coroutine[None, None, None]]:
    """Say what is to be done when the API hands something on."""
    asked = asyncio.Event()
    return [listen_for_actions(dsn, pipeline, asked), measure_when_asked(measuring, asked)]


def _watching(
    settings: IngestSettings,
    pool: AsyncConnectionPool,
    desks: Sequence[SiteDesk],
    clock: Clock,
    identity: ServerIdentity | None,
) -> list[Coroutine[None, None, None]]:
    """Say what is to be done so that no certificate ends unseen."""
    place = f"{settings.host}:{settings.port}"
    watch = CertificateWatch(pool, desks, clock, settings.encryption, identity, place)
    if identity is None:
        return [watch.run()]
    return [watch.run(), watch_files(identity, watch.note_own)]


def _over_broker(
    settings: IngestSettings,
    parts: LineParts,
    desks: Sequence[SiteDesk],
    pool: AsyncConnectionPool,
) -> list[Coroutine[None, None, None]]:
    """Say what is to be done over a broker, if there is one."""
    if settings.broker is None:
        return []
    sites = [desk.key for desk in desks]
    broker = read_broker_url(settings.broker)
    edges = BrokerSessions(parts, sites, broker, settings.broker_settings)
    secrets = read_broker_settings(settings.broker_settings)
    if shows_password_to_all(broker, secrets):
        log.warning("the broker's password travels unencrypted; use mqtts://", broker=str(broker))
    if not secrets.take_readings:
        return [edges.run()]
    gateways = BrokerReadings(pool, desks, parts.clock, broker, settings.broker_settings)
    return [edges.run(), gateways.run()]


async def listen_for_actions(
    dsn: str, pipeline: Pipeline, asked: asyncio.Event | None = None
) -> None:
    """Wake the flush when somebody asks for something; after a cut, look once anyway.

    `asked` wakes whoever tells edges what to do.
    """
    while True:
        try:
            async with await connect(dsn, name="actions", autocommit=True) as conn:
                while True:
                    with hung_up_after(conn, ANSWER_WITHIN_S):
                        await conn.execute("listen groundwatch")  # Said again, it changes nothing.
                    pipeline.wake_for_action()
                    pipeline.wake_for_submission()
                    async for notification in conn.notifies(timeout=SILENCE_S):
                        if notification.payload == "action":
                            pipeline.wake_for_action()
                            if asked is not None:
                                asked.set()
                        elif notification.payload == "submission":
                            pipeline.wake_for_submission()
        except psycopg.OperationalError:
            await asyncio.sleep(LISTEN_AGAIN_S)
