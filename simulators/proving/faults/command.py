"""`groundwatch faults`: trials in one running mine after another, then every planted bug."""

import asyncio
import json
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from simulators.proving.faults.comparison import Findings
from simulators.proving.faults.mine import HurtMine, cast_of
from simulators.proving.faults.trials import FAULTS
from simulators.proving.processes import ProcessEndedError
from telemetry.planted import BUGS

TRIALS_A_CHECKPOINT = 10
QUIET_S = 0.5  # Between two faults, so that something is taken.
# Alarms come and go in these real seconds: a bug in how they are told must have something to tell.
WEATHER_S = 12.0
# The fault that shows each bug; None shows without one.
SHOWN_BY: dict[str, tuple[str, ...]] = {
    # Not every flush has something to acknowledge.
    "acknowledge_before_commit": ("fail at ingest_before_commit",) * 3,
    "edge_releases_when_sent": ("freeze ingest",),
    "spool_in_memory": ("half-open line", "kill edge"),
    "told_before_sent": ("fail at notify_before_send",),
    "fresh_delivery_id": (),
    "transition_forgotten": (),
    "transition_key_by_chance": (),
    "state_forgotten": ("kill ingest",),
    "last_block_not_stored": (),
    "quality_lost": (),
    "value_altered": (),
    "outbox_skipped": (),
}


@dataclass(slots=True)
class Report:
    """What the run showed, in the keys of the command's JSON."""

    seed: int
    trials: int = 0
    readings: int = 0
    alarms: int = 0
    lost: int = 0
    duplicated: int = 0
    alarms_missing: int = 0
    alarms_extra: int = 0
    planted: int = 0
    caught: int = 0
    not_caught: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    def add(self, found: Findings) -> None:
        """Count what one comparison found."""
        self.lost += found.lost
        self.duplicated += found.duplicated
        self.alarms_missing += found.alarms_missing
        self.alarms_extra += found.alarms_extra
        self.examples += found.examples

    @property
    def is_clean(self) -> bool:
        """Whether no promise was broken, and every planted bug was found."""
        broken = self.lost or self.duplicated or self.alarms_missing or self.alarms_extra
        return not broken and self.caught == self.planted


def run_faults(trials: int, seed: int, bugs: list[str], *, as_json: bool) -> int:
    """Run trials and planted bugs; return the exit code."""
    if unknown := [one for one in bugs if one not in BUGS]:
        sys.stderr.write(f"There is no bug {unknown[0]!r}; there are {', '.join(BUGS)}.\n")
        return 2
    sys.stderr.write(f"seed {seed}\n")
    try:
        report = asyncio.run(_run(trials, seed, bugs))
    except ProcessEndedError as error:
        sys.stderr.write(f"The trials could not go on. {error}\n")
        return 1
    document = {name: getattr(report, name) for name in Report.__slots__}
    if as_json:
        print(json.dumps(document), flush=True)  # noqa: T201
    else:
        for name, value in document.items():
            print(f"{name}: {value}", flush=True)  # noqa: T201
    return 0 if report.is_clean else 1


async def _run(trials: int, seed: int, bugs: list[str]) -> Report:
    report, chance = Report(seed), random.Random(seed)
    if trials:
        await _try(report, _order(trials, chance), chance)
    for bug in bugs:
        report.planted += 1
        try:
            found = await _hunt(bug, chance)
        except ProcessEndedError as error:  # With this bug the mine does not mend itself.
            found = Findings(lost=1, examples=[str(error).splitlines()[0]])
        sys.stderr.write(f"planted {bug}: {'; '.join(found.examples[:2]) or 'NOT FOUND'}\n")
        if found.is_clean:
            report.not_caught.append(bug)
        else:
            report.caught += 1
    return report


def _order(trials: int, chance: random.Random) -> list[str]:
    """Every fault once before any comes again, in an order by chance."""
    order: list[str] = []
    while len(order) < trials:
        order += chance.sample(list(FAULTS), len(FAULTS))
    return order[:trials]


async def _try(report: Report, order: list[str], chance: random.Random) -> None:
    """Hurt one mine again and again; compare every few trials."""
    with tempfile.TemporaryDirectory(prefix="groundwatch-faults-") as name:
        mine = HurtMine(cast_of(Path(name), report.seed), Path(name))
        try:
            await mine.start()
            for number, fault in enumerate(order, start=1):
                await asyncio.sleep(QUIET_S)
                sys.stderr.write(f"trial {number}: {fault}\n")
                report.add(await FAULTS[fault](mine, chance))
                report.trials += 1
                if number % TRIALS_A_CHECKPOINT == 0 or number == len(order):
                    found = await mine.checkpoint()
                    sys.stderr.write(f"compared: {found}\n")
                    report.readings, report.alarms = found.readings, found.alarms
                    if not found.is_clean:
                        report.add(found)
                        return  # What is broken would be found again at every comparison.
                    await mine.start_edge()
        finally:
            await mine.stop()


async def _hunt(bug: str, chance: random.Random) -> Findings:
    """Run a mine with a bug in it, under the faults that show it."""
    with tempfile.TemporaryDirectory(prefix="groundwatch-faults-") as name:
        mine = HurtMine(cast_of(Path(name), chance.randint(1, 1 << 20)), Path(name), bug=bug)
        try:
            await mine.start()
            await asyncio.sleep(WEATHER_S)
            for fault in SHOWN_BY[bug]:
                found = await FAULTS[fault](mine, chance)
                if not found.is_clean:
                    return found
            return await mine.checkpoint()
        finally:
            await mine.stop()
