"""The centre as processes of its own: so that a slow page never delays an alarm.

`groundwatch serve` starts the database if it is embedded, brings its schema up to date and runs
`ingest`, `api` and `notify`, each restarted when it ends. They hold the reading end of a pipe from
us as their standard input: when we die, even by SIGKILL, they see its end and stop. When we are
asked to stop, all are asked at once, and waited for: each stores or sends what it still has, and
none needs another for that.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from ingest.stopping import done_or_stopped, pause
from telemetry.lifetime import CANNOT_START

# A service's exit code for "someone else does my work now, on the same database". Both would take
# it from each other for ever, so whoever loses it waits; what is stored is right at any time.
TAKEN_OVER = 4
NOT_STARTED = -1  # In place of an exit code: there was no process.

BACK_OFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)
CANNOT_START_BACK_OFF_S = (1.0, 2.0, 5.0, 10.0)  # Someone has to mend a file first.
TAKEN_OVER_PAUSE_S = 30.0
STEADY_AFTER_S = 30.0  # A service that has run this long starts again at the shortest back-off.
STOP_WITHIN_S = 20.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Service:
    """A process that must always run."""

    name: str
    arguments: tuple[str, ...]  # After "groundwatch".
    environment: dict[str, str] = field(default_factory=dict)  # Secrets travel here, not in argv.


async def supervise(services: Sequence[Service], stop: asyncio.Event) -> int:
    """Run services until told to stop; return the exit code of the whole."""
    failed = False
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(_keep_running(service, stop), name=service.name)
            for service in services
        ]
        for one in asyncio.as_completed(running):
            failed |= await one
            stop.set()
    return CANNOT_START if failed else 0


async def _keep_running(service: Service, stop: asyncio.Event) -> bool:
    """Run one service again and again until told to stop; tell whether it could not start.

    That ends the centre only where it is said at the very start, to whoever started it. Later a
    file that has been spoiled in the meantime must not end the services that still work.
    """
    loop = asyncio.get_running_loop()
    attempt = starts = 0
    while not stop.is_set():
        began_s = loop.time()
        try:
            code = await _run_once(service, stop)
        except OSError as error:  # No memory is left for another process, or no file.
            log.error("service can't be started now", service=service.name, error=str(error))  # noqa: TRY400
            code = NOT_STARTED
        starts += 1
        if stop.is_set():
            return False
        if code == CANNOT_START and starts == 1:
            return True
        attempt = 0 if loop.time() - began_s > STEADY_AFTER_S else attempt + 1
        pause_s = pause_before_next_start(code, attempt)
        _tell(service, code, pause_s)
        await pause(stop, pause_s)
    return False


def pause_before_next_start(code: int, attempt: int) -> float:
    """Say how long a service stays ended, by its exit code and how often it has ended lately."""
    if code == TAKEN_OVER:
        return TAKEN_OVER_PAUSE_S
    steps_s = CANNOT_START_BACK_OFF_S if code == CANNOT_START else BACK_OFF_S
    return steps_s[min(attempt, len(steps_s) - 1)]


def _tell(service: Service, code: int, pause_s: float) -> None:
    told = log.bind(service=service.name, again_s=pause_s)
    if code == TAKEN_OVER:
        told.error("another centre on this database has taken the service's work over")
    elif code == CANNOT_START:
        told.error("service cannot start again until what it said above is mended")
    else:
        told.warning("service ended, starting it again", code=code)


async def _run_once(service: Service, stop: asyncio.Event) -> int:
    process = await asyncio.create_subprocess_exec(
        *command_of(service.arguments),
        stdin=asyncio.subprocess.PIPE,
        env={**os.environ, **service.environment, "GROUNDWATCH_SUPERVISED": "1"},
        start_new_session=True,  # Ctrl-C in a terminal reaches us alone; we ask them to stop.
    )
    ended = asyncio.create_task(process.wait())
    try:
        if not await done_or_stopped(ended, stop):
            process.terminate()
            await asyncio.wait({ended}, timeout=STOP_WITHIN_S)
        if not ended.done():
            log.error("service did not stop in time and is killed", service=service.name)
            process.kill()
        return await ended
    finally:
        if process.stdin is not None:
            process.stdin.close()


def command_of(arguments: Sequence[str]) -> list[str]:
    """Build the command line that runs `groundwatch` with this very Python."""
    return [sys.executable, "-m", "groundwatch", *arguments]
