"""The faults: each hurts the running mine once, and leaves it to mend itself."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from functools import partial

from simulators.proving.faults.comparison import Findings
from simulators.proving.faults.mine import HurtMine
from simulators.proving.processes import ProcessEndedError, kill_now
from telemetry import failpoints

REACHED_WITHIN_S = 45.0  # A notifier passes its points only when a level changes.
LASTS_S = 1.0
HEARD_WITHIN_S = 0.4
LOOK_AGAIN_S = 0.01

Fault = Callable[[HurtMine, random.Random], Awaitable[Findings]]


class NotReachedError(ProcessEndedError):
    """A failpoint was not passed in time; the message names it."""


async def kill_edge(mine: HurtMine, _chance: random.Random) -> Findings:
    """End the edge as a power cut would, and start it again."""
    await mine.edges[0].kill()
    await mine.start_edge()
    return Findings()


async def kill_service(mine: HurtMine, _chance: random.Random, *, name: str) -> Findings:
    """End a service of the centre; its supervisor starts it again."""
    before = await mine.wait_for_service(name)
    kill_now([before])
    await mine.wait_for_service(name, other_than=before)
    return Findings()


async def kill_backend(mine: HurtMine, chance: random.Random) -> Findings:
    """End one process of PostgreSQL, which then ends all others and recovers."""
    _, *backends = mine.database() or [0]
    if backends:
        kill_now([chance.choice(backends)])
    return Findings()


async def kill_postmaster(mine: HurtMine, _chance: random.Random) -> Findings:
    """End PostgreSQL's first process; its keeper starts it again."""
    kill_now(mine.database()[:1])
    return Findings()


async def freeze(mine: HurtMine, chance: random.Random, *, what: str) -> Findings:
    """Stop processes without their noticing, and let them go on."""
    found = mine.database() if what == "database" else [await mine.wait_for_service(what)]
    _signal(found, signal.SIGSTOP)
    try:
        await asyncio.sleep(LASTS_S * chance.uniform(0.5, 1.5))
        if what != "database":
            return await mine.released_too_early()
    finally:
        _signal(found, signal.SIGCONT)
    return Findings()


async def fail_at(mine: HurtMine, chance: random.Random, *, name: str) -> Findings:
    """Arm a failpoint, start the process that passes it, and see it end there."""
    mine.failpoint_file.write_text(f"{name}:{chance.randint(1, 3)}", encoding="ascii")
    if name in failpoints.EDGE:
        await mine.edges[0].kill()
        await mine.start_edge()
    else:
        service = "ingest" if name in failpoints.INGEST else "notify"
        kill_now([await mine.wait_for_service(service)])
    try:
        async with asyncio.timeout(REACHED_WITHIN_S):
            while mine.failpoint_file.exists():
                await asyncio.sleep(LOOK_AGAIN_S)
    except TimeoutError:
        mine.failpoint_file.unlink(missing_ok=True)
        raise NotReachedError(f"the failpoint {name} was not reached") from None
    # What has left the process by now reaches the edge, and is written down; then the process is
    # started again, and the edge sends what is missing.
    await asyncio.sleep(HEARD_WITHIN_S)
    findings = await mine.released_too_early()
    if name in failpoints.EDGE:
        await mine.edges[0].process.wait()
        await mine.start_edge()
    return findings


async def cut_line(mine: HurtMine, _chance: random.Random) -> Findings:
    """End the edge's connection."""
    mine.proxy.cut()
    return Findings()


async def half_open_line(mine: HurtMine, chance: random.Random) -> Findings:
    """Let nothing through for a while, then cut: either side believes the line to be open."""
    mine.proxy.passes.clear()
    await asyncio.sleep(LASTS_S * chance.uniform(0.5, 2.0))
    mine.proxy.cut()
    mine.proxy.passes.set()
    return Findings()


async def slow_line(mine: HurtMine, chance: random.Random) -> Findings:
    """Let few bytes through at a time."""
    mine.proxy.bytes_at_once, mine.proxy.delay_s = 64, 0.02
    await asyncio.sleep(LASTS_S * chance.uniform(0.5, 1.5))
    mine.proxy.bytes_at_once, mine.proxy.delay_s = 1 << 16, 0.0
    return Findings()


async def delayed_line(mine: HurtMine, chance: random.Random) -> Findings:
    """Let everything come late."""
    mine.proxy.delay_s = chance.uniform(0.2, 0.6)
    await asyncio.sleep(LASTS_S)
    mine.proxy.delay_s = 0.0
    return Findings()


def _signal(process_ids: list[int], number: signal.Signals) -> None:
    for process_id in process_ids:
        try:
            os.kill(process_id, number)
        except ProcessLookupError:
            continue


FAULTS: dict[str, Fault] = {
    "kill edge": kill_edge,
    **{f"kill {name}": partial(kill_service, name=name) for name in ("ingest", "api", "notify")},
    "kill a backend": kill_backend,
    "kill postmaster": kill_postmaster,
    "freeze ingest": partial(freeze, what="ingest"),
    "freeze database": partial(freeze, what="database"),
    "cut line": cut_line,
    "half-open line": half_open_line,
    "slow line": slow_line,
    "delayed line": delayed_line,
    **{f"fail at {name}": partial(fail_at, name=name) for name in failpoints.NAMES},
}
