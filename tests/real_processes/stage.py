"""A demonstration on real processes, run until its answer is known, for tests to look at."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.proving.demo import report_of
from simulators.proving.demonstration import Demonstration, demo_cast
from simulators.scenario import read_scenario
from telemetry.clock import instant_at

# Rules that are judged with the readings themselves. What is judged beside the flush, and what
# votes on it, is told when the slow tier has come so far.
IN_FLUSH = ("limit_", "rate_", "ewma_", "cusum_", "page_hinkley_", "state")
VOTE = "vote"
AFTER_KNOWN_S = 1.0  # Real: what was sampled by then has come through.
Interference = Callable[[Demonstration], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run showed."""

    report: dict[str, Any]
    until: str  # Alarms sampled after this instant may be missing: the run ended early.

    def raised(self, kind: str) -> list[tuple[str, str, str]]:
        """Raises and rises of a kind, as (sampled_at, channel, level)."""
        order = ["blue", "yellow", "orange", "red"]
        found = [
            (alarm["sampled_at"], alarm["channel"], order.index(alarm["level"]))
            for alarm in self.report["alarms"]
            if alarm["kind"] == kind and alarm["sampled_at"] <= self.until
        ]
        return [(at, channel, order[level]) for at, channel, level in sorted(found)]

    def raised_in_flush(self) -> list[tuple[str, str, str, str]]:
        """Raises and rises of rules of the flush, as (sampled_at, channel, rule, level)."""
        return sorted(one for one in self._process() if one[2].startswith(IN_FLUSH))

    def believed(self) -> set[tuple[str, str, str, str]]:
        """The same of rules that are judged beside the flush, votes apart."""
        return {
            one for one in self._process() if not one[2].startswith(IN_FLUSH) and one[2] != VOTE
        }

    def voted(self, until: str) -> set[tuple[str, str]]:
        """Levels that items and structures were voted to until an instant: (channel, level)."""
        return {(one[1], one[3]) for one in self._process() if one[2] == VOTE and one[0] <= until}

    def _process(self) -> list[tuple[str, str, str, str]]:
        return [
            (alarm["sampled_at"], alarm["channel"], alarm["rule"], alarm["level"])
            for alarm in self.report["alarms"]
            if alarm["kind"] == "process" and alarm["sampled_at"] <= self.until
        ]

    def levels_by_structure(self) -> dict[str, list[str]]:
        """Process levels in the order in which each structure first showed them."""
        shown: dict[str, list[str]] = {}
        for alarm in self.report["alarms"]:
            if alarm["kind"] == "process":
                levels = shown.setdefault(alarm["structure"], [])
                if alarm["level"] not in levels:
                    levels.append(alarm["level"])
        return shown


async def run(
    name: str, folder: Path, *, seed: int = 1, interfere: Interference | None = None
) -> Answer:
    """Run a scenario until its answer is known; `interfere` may do what it likes meanwhile."""
    scenario = read_scenario(name)
    cast = demo_cast(name, scenario, rate=scenario.rate, seed=seed)
    demonstration = Demonstration(cast, folder)
    try:
        await demonstration.start()
        meddling = asyncio.create_task(interfere(demonstration)) if interfere else None
        until_us = scenario.began_us + round(scenario.expected.known_after_s * 1e6)
        await asyncio.sleep(demonstration.clock.real_s_until(until_us) + AFTER_KNOWN_S)
        if meddling is not None:
            await meddling
        report = report_of(demonstration, await demonstration.finish())
        return Answer(report, until=instant_at(until_us).isoformat())
    finally:
        await demonstration.stop()


async def reach(demonstration: Demonstration, *, minute: float) -> None:
    """Wait for a minute of the scenario."""
    at_us = demonstration.clock.began_us + round(minute * 60e6)
    await asyncio.sleep(max(0.0, demonstration.clock.real_s_until(at_us)))
