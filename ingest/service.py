"""The ingest service: the edges' line, the flush, and the ear for operators' actions."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool

from alarms.notify.destinations import DestinationsError, read_destinations
from historian.connection import connect, connection_arguments
from historian.lifetime import until_asked_to_stop
from historian.registry import RegistrationError
from historian.streams import open_stream
from historian.tokens import Token, verify_token
from historian.writer import OwnershipLostError
from ingest.desk import SiteDesk
from ingest.inbox import Inbox, Stream
from ingest.line import LineParts, StreamRefusedError, open_line
from ingest.opening import open_site
from ingest.pipeline import Pipeline
from ingest.supervisor import CANNOT_START
from telemetry.clock import Clock, MachineClock, SharedClock
from telemetry.frames import Hello
from telemetry.ranges import RangeSet
from telemetry.site_file import SiteFileError

LISTEN_AGAIN_S = 1.0

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


def run_ingest(settings: IngestSettings) -> int:
    """Run until asked to stop; return the exit code."""
    try:
        return asyncio.run(_run(settings))
    except (SiteFileError, RegistrationError, DestinationsError) as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_START
    except OwnershipLostError as error:
        log.error("another ingest has taken over", error=str(error))  # noqa: TRY400
        return 1


async def _run(settings: IngestSettings) -> int:
    clock: Clock = MachineClock() if settings.clock is None else SharedClock(settings.clock)
    destinations = () if settings.webhooks is None else read_destinations(settings.webhooks)
    desks = [await open_site(settings.dsn, path, clock) for path in settings.sites]
    inbox = Inbox()
    pipeline = Pipeline(settings.dsn, desks, inbox, clock, destinations)
    stop = asyncio.Event()
    supervised = os.environ.get("GROUNDWATCH_SUPERVISED") == "1"
    async with (
        AsyncConnectionPool(
            settings.dsn,
            min_size=1,
            max_size=4,
            open=False,
            kwargs={"autocommit": True, **connection_arguments("edge line")},
        ) as pool,
        asyncio.TaskGroup() as tasks,
    ):
        parts = LineParts(
            inbox=inbox,
            clock=clock,
            verify=lambda token: _verify(pool, token),
            open_stream=lambda hello: _open_stream(pool, desks, hello),
        )
        listening = tasks.create_task(_listen(settings.dsn, pipeline), name="actions")
        flushing = tasks.create_task(pipeline.run(stop), name="flush")
        server = await open_line(settings.host, settings.port, parts)
        log.info("edges may come", host=settings.host, port=settings.port)
        asked = asyncio.create_task(until_asked_to_stop(supervised))
        await asyncio.wait({asked, flushing}, return_when=asyncio.FIRST_COMPLETED)
        server.close()
        stop.set()
        await flushing
        await server.wait_closed()
        listening.cancel()
        asked.cancel()
    return 0


async def _verify(pool: AsyncConnectionPool, token: str) -> Token | None:
    async with pool.connection() as conn:
        return await verify_token(conn, token)


async def _open_stream(
    pool: AsyncConnectionPool, desks: Sequence[SiteDesk], hello: Hello
) -> Stream:
    """Find the stream of a spool that has just said hello, or begin it."""
    desk = next((one for one in desks if one.key == hello.site), None)
    if desk is None:
        raise StreamRefusedError("wrong_site", f"this centre does not own site '{hello.site}'")
    if not desk.plan.groups_of_edge(hello.edge):
        raise StreamRefusedError(
            "wrong_site", f"the site file of '{hello.site}' has no bus for an edge '{hello.edge}'"
        )
    known = desk.streams.get((hello.edge, hello.epoch))
    if known is not None:
        return known
    async with pool.connection() as conn:
        stored = await open_stream(conn, desk.ids.site_id, hello.edge, hello.epoch)
    return desk.streams.setdefault(
        (hello.edge, hello.epoch),
        Stream(
            site=hello.site,
            edge=hello.edge,
            epoch=hello.epoch,
            stream_id=stored.stream_id,
            delivered=RangeSet([*stored.delivered, *stored.lost]),
        ),
    )


async def _listen(dsn: str, pipeline: Pipeline) -> None:
    """Wake the flush when an operator asks for something; after a cut, look once anyway."""
    while True:
        try:
            async with await connect(dsn, name="actions", autocommit=True) as conn:
                await conn.execute("listen groundwatch")
                pipeline.wake_for_action()
                async for notification in conn.notifies():
                    if notification.payload == "action":
                        pipeline.wake_for_action()
        except psycopg.OperationalError:
            await asyncio.sleep(LISTEN_AGAIN_S)
