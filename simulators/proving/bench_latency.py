"""`groundwatch bench latency`: how soon after its sample is an alarm at a websocket?

A whole centre on this machine, all channels at 1 Hz with four limits and a rate limit each, real
edges' lines, and a client of every site that hears alarms. Samples carry the instant at which they
were made, so a latency is from the sample to the client: line, queue, judging, COMMIT, push.
"""

import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulators.load import LoadEdge
from simulators.load_numbers import (
    BLUE,
    LoadNumbers,
    edge_name,
    load_sites,
    site_of,
    write_load_sites,
)
from simulators.physics.chance import Floats
from simulators.proving.bench_centre import LOOK_EVERY_S, BenchCentre
from simulators.proving.cores import cores_between
from simulators.proving.processes import ProcessEndedError
from simulators.proving.push_clients import PushClient
from telemetry.clock import MachineClock, instant_us, real_monotonic_s
from telemetry.plan import plan_of
from telemetry.scan import ScanBlock
from telemetry.site import Site

PERIOD_S: Final = 1.0
WARM_UP_S: Final = 10.0
SCANS_APART: Final = 500  # With 100 channels one reading in fifty thousand.
EDGES_APART: Final = 7  # So that they do not all violate at once.
OPENING_AT_ONCE: Final = 20
SERVED_WITHIN_S: Final = 240.0  # The API reads the files of a province, too.


class PromptEdge(LoadEdge):
    """An edge whose samples are made when they are sent."""

    def _block(self, number: int) -> ScanBlock:
        block = super()._block(number)
        now_us = np.full(1, MachineClock().now_us())
        return ScanBlock(
            site=block.site,
            group=block.group,
            layout=block.layout,
            sampled_us=now_us,
            monotonic_us=now_us,
            raw=block.raw,
            quality=block.quality,
        )


class Violations(LoadNumbers):
    """Quiet numbers, and in one scan of `SCANS_APART` a channel that is beyond its limits."""

    def of(self, edge: int, steps: NDArray[np.int64]) -> Floats:
        """What an edge reads at some steps [step, slot]."""
        found = np.minimum(super().of(edge, steps), BLUE - 1.0)
        beyond = np.flatnonzero((steps + edge * EDGES_APART) % SCANS_APART == 0)
        found[beyond, steps[beyond] % found.shape[1]] = BLUE + 0.5
        return found


@dataclass(frozen=True, slots=True)
class LatencyBench:
    """How many edges, each with so many channels, for how long."""

    edges: int
    channels: int
    for_s: float
    as_json: bool


def run_bench_latency(bench: LatencyBench) -> int:
    """Run the bench and print its report; return the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="groundwatch-bench-") as folder:
            report = asyncio.run(_Stage(bench, Path(folder)).report())
    except ProcessEndedError as error:
        sys.stderr.write(f"The bench could not go on. {error}\n")
        return 1
    lines = [f"{key:24} {value}" for key, value in report.items()]
    sys.stdout.write((json.dumps(report) if bench.as_json else "\n".join(lines)) + "\n")
    return 0


@dataclass(eq=False)
class _Listener(PushClient):
    """Hears the alarms of one site, and how old they are."""

    def take_alarm(self, text: bytes) -> None:
        """Note how long ago the sample was made that an alarm rests on."""
        now_us = MachineClock().now_us()
        entry = json.loads(text)["entry"]
        if entry["kind"] == "process":
            sampled_us = instant_us(datetime.fromisoformat(entry["sampled_at"]))
            self.latencies_s.append((now_us - sampled_us) / 1e6)


@dataclass(eq=False)
class _Stage:
    bench: LatencyBench
    folder: Path
    centre: BenchCentre = field(init=False)
    listeners: list[_Listener] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.centre = BenchCentre(self.folder)

    async def report(self) -> dict[str, Any]:
        """Start everything, measure, and stop everything."""
        bench = self.bench
        began_s = real_monotonic_s()
        stop = asyncio.Event()
        try:
            await self.centre.start(write_load_sites(bench.edges, bench.channels, self.folder))
            ready_s = real_monotonic_s() - began_s
            edges = self._edges(await self.centre.edge_tokens(bench.edges))
            await self._listen(load_sites(bench.edges, 1))
            gate = asyncio.Semaphore(OPENING_AT_ONCE)
            await asyncio.gather(*(edge.open(self.centre.addresses.line, gate) for edge in edges))
            begin_s = real_monotonic_s()
            sending = [asyncio.create_task(edge.send(stop, begin_s)) for edge in edges]
            await asyncio.sleep(WARM_UP_S)
            for listener in self.listeners:
                listener.latencies_s.clear()
            before, committed = self.centre.cpu(), _committed(edges)
            await asyncio.sleep(bench.for_s)
            cores = cores_between(before, self.centre.cpu())
            readings = (_committed(edges) - committed) * bench.channels
            stop.set()
            await asyncio.gather(*sending)
            found = [one for listener in self.listeners for one in listener.latencies_s]
            return self._found(found, readings, ready_s) | {"cores": cores}
        finally:
            for listener in self.listeners:
                listener.close()
            await self.centre.stop()

    def _found(self, found_s: list[float], readings: int, ready_s: float) -> dict[str, Any]:
        return {
            "channels": self.bench.edges * self.bench.channels,
            "readings_per_s": round(readings / self.bench.for_s),
            "alarms": len(found_s),
            "p50_ms": _percentile_ms(found_s, 50),
            "p99_ms": _percentile_ms(found_s, 99),
            "worst_ms": _percentile_ms(found_s, 100),
            "ready_after_s": round(ready_s, 1),
        }

    async def _listen(self, sites: dict[str, Any]) -> None:
        until_s = real_monotonic_s() + SERVED_WITHIN_S
        for site in sites:
            while True:
                listener = _Listener(self.centre.live, self.centre.viewer, site, channels=())
                try:
                    await listener.open()
                except ConnectionError as error:
                    if real_monotonic_s() > until_s:
                        raise ProcessEndedError(str(error)) from error
                    await asyncio.sleep(LOOK_EVERY_S)
                else:
                    break
            self.listeners.append(listener)

    def _edges(self, tokens: list[str]) -> list[LoadEdge]:
        bench = self.bench
        sites = load_sites(bench.edges, bench.channels)
        plans = {key: plan_of(Site.model_validate(tree)) for key, tree in sites.items()}
        numbers = Violations(bench.channels)
        return [
            PromptEdge(
                index=n,
                plan=plans[site_of(n)].group_by_key[edge_name(n)],
                numbers=numbers,
                token=tokens[n],
                first_step=0,
                scans_per_block=1,
                pace_s=PERIOD_S,
                share=n / bench.edges,
            )
            for n in range(bench.edges)
        ]


def _committed(edges: list[LoadEdge]) -> int:
    return sum(edge.committed_scans for edge in edges)


def _percentile_ms(latencies_s: list[float], percent: float) -> float | None:
    return round(1000.0 * float(np.percentile(latencies_s, percent)), 1) if latencies_s else None
