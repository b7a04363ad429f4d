"""The embedded database below a centre: started, watched, and started again when it ends.

The services connect again by themselves, so a database that has died (out of memory, a full
disk, a hand that slipped) is an interruption of seconds: edges keep in their spools what comes
meanwhile. Starting and stopping wait in a thread, so that signals are heard all the time.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import structlog

from historian.embedded import EmbeddedError, EmbeddedPostgres, StartGivenUpError
from ingest.stopping import done_or_stopped, pause

LOOK_EVERY_S = 1.0
START_AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0)  # When it does not start, a disk that is full say.

log = structlog.get_logger()


@asynccontextmanager
async def kept_database(data: Path, stop: asyncio.Event) -> AsyncIterator[str]:
    """Keep an embedded database running while we are inside; say how to connect to it.

    Raises StartGivenUpError when told to stop before it runs. Whatever happens, it is stopped
    in the end, also a half-started one; no signal cuts that short, since all are caught.
    """
    with _for_us_alone(data):
        async with _kept(EmbeddedPostgres(data), stop) as dsn:
            yield dsn


@contextmanager
def _for_us_alone(data: Path) -> Iterator[None]:
    """Hold a folder's lock: a second centre here would end the database under the first."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data / "centre.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise EmbeddedError(
            f"The data folder {data} can't be used ({error.strerror}).\n"
            "Remedy: name a folder that this user may write to with --data."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise EmbeddedError(
            f"The data folder {data} is in use by another centre.\n"
            "Remedy: stop that one, or name another folder with --data."
        ) from None
    else:
        yield
    finally:
        os.close(lock)


@asynccontextmanager
async def _kept(database: EmbeddedPostgres, stop: asyncio.Event) -> AsyncIterator[str]:
    try:
        dsn = await _start(database, stop)
        watching = asyncio.create_task(_watch(database, stop), name="database")
        watching.add_done_callback(lambda _: stop.set())  # Nobody works on without a watch.
        try:
            yield dsn
        finally:
            stop.set()
            await watching
    finally:
        await asyncio.to_thread(database.stop)


async def _start(database: EmbeddedPostgres, stop: asyncio.Event) -> str:
    starting = asyncio.create_task(asyncio.to_thread(database.start))
    if not await done_or_stopped(starting, stop):
        database.give_up()
    return await starting


async def _watch(database: EmbeddedPostgres, stop: asyncio.Event) -> None:
    failures = 0
    while not stop.is_set():
        if database.pid is not None:
            await pause(stop, LOOK_EVERY_S)
            continue
        if failures == 0:
            log.error("the embedded database has ended and is started again")
        try:
            await _start(database, stop)
        except StartGivenUpError:
            return
        except (EmbeddedError, psycopg.Error) as error:
            pause_s = START_AGAIN_S[min(failures, len(START_AGAIN_S) - 1)]
            failures += 1
            log.error("the embedded database does not start", error=str(error), again_s=pause_s)  # noqa: TRY400
            await pause(stop, pause_s)
        else:
            failures = 0
            log.info("the embedded database runs again")
