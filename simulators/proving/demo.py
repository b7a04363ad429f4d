"""`groundwatch demo`: what people see of a demonstration, and the report at its end."""

import asyncio
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from simulators.proving.demonstration import Demonstration, demo_cast
from simulators.proving.ledger import Balance
from simulators.proving.processes import ProcessEndedError
from simulators.proving.watcher import RAISING, Watcher
from simulators.scenario import Scenario, ScenarioError, read_scenario
from telemetry.clock import instant_at, real_monotonic_s

PROGRESS_EVERY_S = 5.0
COLOURS = {"blue": "blue", "yellow": "yellow", "orange": "dark_orange", "red": "bold red"}


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What a user may choose."""

    scenario: str
    rate: float | None  # None: the scenario's own.
    seed: int
    for_s: float | None  # Real seconds, start included; None: until Ctrl-C.
    headless: bool  # Print no link and no progress.
    as_json: bool
    keep: Path | None  # Leave everything in this folder; None: a temporary one, removed.


def run_demo(settings: DemoSettings) -> int:
    """Run a demonstration; return the exit code."""
    try:
        return asyncio.run(_demonstrate(settings))
    except ScenarioError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except ProcessEndedError as error:
        sys.stderr.write(f"The demonstration could not go on. {error}\n")
        return 1


async def _demonstrate(settings: DemoSettings) -> int:
    began_s = real_monotonic_s()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    scenario = read_scenario(settings.scenario)
    console = Console(stderr=True, quiet=settings.headless)
    with _folder(settings.keep) as folder:
        rate = settings.rate or scenario.rate
        cast = demo_cast(settings.scenario, scenario, rate=rate, seed=settings.seed)
        demonstration = Demonstration(cast, folder)
        console.print(f"Starting the scenario [bold]{settings.scenario}[/] …")
        async with _running(demonstration, stop):
            if not stop.is_set():
                _introduce(console, scenario, demonstration)
                left_s = None
                if settings.for_s is not None:
                    left_s = settings.for_s - (real_monotonic_s() - began_s)
                await _follow(demonstration, stop, left_s, console)
            console.print("Draining, and comparing the spools with the database …")
            found = await demonstration.finish()
            report = {
                "scenario": settings.scenario,
                "seed": settings.seed,
                "rate": rate,
                **report_of(demonstration, found),
            }
    if settings.as_json:
        print(json.dumps(report, ensure_ascii=False), flush=True)  # noqa: T201
    else:
        _tell_result(Console(), report)
    return 0 if report["lost"] == report["duplicated"] == 0 else 1


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The folder of a demonstration: the user's, or a temporary one that goes away."""
    if keep is None:
        path = Path(tempfile.mkdtemp(prefix="groundwatch-demo-"))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
        return
    try:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        used = any(keep.iterdir())
    except OSError as error:
        raise ScenarioError(
            f"The folder {keep} can't be used ({error.strerror}); name another with --keep."
        ) from error
    if used:
        raise ScenarioError(
            f"The folder {keep} is not empty; a demonstration needs one of its own: "
            "empty it, or name another with --keep."
        )
    yield keep.resolve()


@asynccontextmanager
async def _running(demonstration: Demonstration, stop: asyncio.Event) -> AsyncIterator[None]:
    """Have the demonstration running; a Ctrl-C during its start ends it cleanly as well."""
    starting = asyncio.create_task(demonstration.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            raise ProcessEndedError("It was stopped while it was starting.")
        await starting
        yield
    finally:
        stopping.cancel()
        await demonstration.stop()


async def _follow(
    demonstration: Demonstration, stop: asyncio.Event, left_s: float | None, console: Console
) -> None:
    """Show alarms as they come until time is up, somebody stops us, or a process ends."""
    loop = asyncio.get_running_loop()
    until_s = None if left_s is None else loop.time() + left_s
    shown: set[int] = set()
    progress_at_s = loop.time() + PROGRESS_EVERY_S
    while not stop.is_set() and (until_s is None or loop.time() < until_s):
        demonstration.see_that_all_run()
        _show_new(console, demonstration.watcher, shown)
        if loop.time() >= progress_at_s:
            progress_at_s += PROGRESS_EVERY_S
            _show_progress(console, demonstration)
        rest_s = 0.5 if until_s is None else max(0.0, min(0.5, until_s - loop.time()))
        try:
            async with asyncio.timeout(rest_s):
                await stop.wait()
        except TimeoutError:
            continue


def _introduce(console: Console, scenario: Scenario, demonstration: Demonstration) -> None:
    console.print(f"[bold]{scenario.name.en}[/] · {scenario.name.zh}")
    console.print(scenario.description.en)
    console.print(f"\nOpen the page: [bold]{demonstration.addresses.sign_in}[/]", soft_wrap=True)
    console.print("Ctrl-C ends everything.\n")


def _show_new(console: Console, watcher: Watcher, shown: set[int]) -> None:
    for number, entry in sorted(watcher.entries.items()):
        if number in shown:
            continue
        shown.add(number)
        colour = COLOURS.get(entry["level"], "white")
        console.print(
            f"  {entry['sampled_at'][11:19]}  [{colour}]{entry['level']:<6}[/] "
            f"{entry['change']:<11} {entry['structure'] or '':<11} {entry['channel']}  "
            f"({entry['kind']}, {entry['rule']})",
            highlight=False,
            soft_wrap=True,
        )


def _show_progress(console: Console, demonstration: Demonstration) -> None:
    at = instant_at(demonstration.clock.now_us())
    console.print(
        f"[dim]{at:%Y-%m-%d %H:%M:%S} UTC in the scenario, "
        f"{demonstration.clock.rate:g} times as fast as real time[/]",
        highlight=False,
    )


def report_of(demonstration: Demonstration, found: Balance) -> dict[str, Any]:
    """Put together what the demonstration showed."""
    watcher = demonstration.watcher
    alarms = [
        {
            "site": demonstration.cast.site,
            "structure": entry["structure"],
            "channel": entry["channel"],
            "rule": entry["rule"],
            "level": entry["level"],
            "kind": entry["kind"],
            "sampled_at": entry["sampled_at"],
            "stored_at": entry["stored_at"],
            "pushed_at": entry["pushed_at"],
        }
        for _, entry in sorted(watcher.entries.items())
        if entry["change"] in RAISING
    ]
    return {
        "scans": found.scans,
        "readings": found.readings,
        "lost": found.lost,
        "duplicated": found.duplicated,
        "alarms": alarms,
        "webhooks_delivered": len(demonstration.sink.delivered),
        "latency_ms": {"p50": watcher.percentile_ms(50), "p99": watcher.percentile_ms(99)},
    }


def _tell_result(console: Console, report: dict[str, Any]) -> None:
    console.print(
        f"{report['readings']} readings stored in {report['scans']} scans: "
        f"{report['lost']} lost, {report['duplicated']} duplicated; "
        f"{len(report['alarms'])} alarm levels raised, "
        f"{report['webhooks_delivered']} webhooks delivered.",
        highlight=False,
    )
