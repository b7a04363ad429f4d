"""The centre as processes of its own: so that a slow page never delays an alarm.

`groundwatch serve` starts the database if it is embedded, brings its schema up to date and runs
`ingest`, `api` and `notify`, each restarted when it ends. They hold the reading end of a pipe from
us as their standard input: when we die, even by SIGKILL, they see its end and stop.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from telemetry.lifetime import CANNOT_START

BACK_OFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)
STEADY_AFTER_S = 30.0  # A service that has run this long starts again at the shortest back-off.
STOP_WITHIN_S = 20.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Service:
    """A process that must always run."""

    name: str
    arguments: tuple[str, ...]  # After "groundwatch".
    environment: dict[str, str] = field(default_factory=dict)  # Secrets travel here, not in argv.


class ServiceCannotStartError(Exception):
    """A service has told what is wrong and ended; the centre stops."""


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
    """Run one service again and again until told to stop; tell whether it could not start."""
    loop = asyncio.get_running_loop()
    attempt = 0
    while not stop.is_set():
        began_s = loop.time()
        code = await _run_once(service, stop)
        if stop.is_set():
            return False
        if code == CANNOT_START:
            return True
        attempt = 0 if loop.time() - began_s > STEADY_AFTER_S else attempt + 1
        pause_s = BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)]
        log.warning("service ended, starting it again", service=service.name, code=code)
        await _wait(stop, pause_s)
    return False


async def _run_once(service: Service, stop: asyncio.Event) -> int:
    process = await asyncio.create_subprocess_exec(
        *command_of(service.arguments),
        stdin=asyncio.subprocess.PIPE,
        env={**os.environ, **service.environment, "GROUNDWATCH_SUPERVISED": "1"},
        start_new_session=True,  # Ctrl-C in a terminal reaches us alone; we stop them in order.
    )
    ended = asyncio.create_task(process.wait())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            process.terminate()
            await asyncio.wait({ended}, timeout=STOP_WITHIN_S)
        if not ended.done():
            log.error("service did not stop in time and is killed", service=service.name)
            process.kill()
        return await ended
    finally:
        stopped.cancel()
        if process.stdin is not None:
            process.stdin.close()


def command_of(arguments: Sequence[str]) -> list[str]:
    """Build the command line that runs `groundwatch` with this very Python."""
    return [sys.executable, "-m", "groundwatch", *arguments]


async def _wait(stop: asyncio.Event, real_s: float) -> None:
    try:
        async with asyncio.timeout(real_s):
            await stop.wait()
    except TimeoutError:
        return
