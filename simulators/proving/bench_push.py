"""`groundwatch bench push`: how soon do thousands of live pages have what was measured?

A whole centre on this machine, one edge that sends a scan ten times a second, and clients that
subscribe to everything. The reading is the instant of its sending, so a latency is from the edge's
hand to the client's: over the line, through judging and COMMIT, out of the database, to a socket.
Some clients freeze half-way: the others must not notice, and the frozen ones are cut.
"""

import asyncio
import json
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from simulators.load import LoadEdge
from simulators.load_numbers import LoadNumbers, edge_name, load_sites, site_of, write_load_sites
from simulators.physics.chance import Floats
from simulators.proving.bench_centre import LOOK_EVERY_S, BenchCentre
from simulators.proving.cores import cores_between
from simulators.proving.processes import ProcessEndedError
from simulators.proving.push_clients import PushClient, instant_as_reading
from telemetry.clock import MachineClock, real_monotonic_s
from telemetry.plan import plan_of
from telemetry.site import Site

CHANNELS: Final = 2
OPENING_AT_ONCE: Final = 50
SETTLE_S: Final = 3.0
CUT_WITHIN_S: Final = 40.0  # How long is waited for; the report says how long it took.
RESUME_WITHIN_S: Final = 30.0


class InstantsAsReadings(LoadNumbers):
    """In place of a mine's numbers: when each scan was made."""

    def __init__(self) -> None:
        """Needs no numbers of its own."""

    def of(self, edge: int, steps: NDArray[np.int64]) -> Floats:  # noqa: ARG002
        """Say now, in every slot."""
        return np.full((len(steps), CHANNELS), instant_as_reading(real_monotonic_s()))


@dataclass(frozen=True, slots=True)
class PushBench:
    """How many clients, for how long."""

    clients: int
    frozen: int  # Of them.
    scans_per_s: float
    for_s: float  # Before, and again after some froze.
    as_json: bool


def run_bench_push(bench: PushBench) -> int:
    """Run the bench and print its report; return the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="groundwatch-bench-") as folder:
            report = asyncio.run(_Stage(bench, Path(folder)).report())
    except ProcessEndedError as error:
        sys.stderr.write(f"The bench could not go on. {error}\n")
        return 1
    lines = [f"{key:28} {value}" for key, value in report.items()]
    sys.stdout.write((json.dumps(report) if bench.as_json else "\n".join(lines)) + "\n")
    return 0


@dataclass(eq=False)
class _Stage:
    bench: PushBench
    folder: Path
    centre: BenchCentre = field(init=False)
    clients: list[PushClient] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.centre = BenchCentre(self.folder)

    async def report(self) -> dict[str, Any]:
        """Start everything, measure, and stop everything."""
        try:
            await self.centre.start(write_load_sites(1, CHANNELS, self.folder))
            (token,) = await self.centre.edge_tokens(1)
            await self._open_clients()
            stop = asyncio.Event()
            edge = self._edge(token)
            await edge.open(self.centre.addresses.line, asyncio.Semaphore(1))
            sending = asyncio.create_task(edge.send(stop, real_monotonic_s()))
            try:
                return await self._measured()
            finally:
                stop.set()
                await sending
        finally:
            for client in self.clients:
                client.close()
            await self.centre.stop()

    async def _measured(self) -> dict[str, Any]:
        bench = self.bench
        await asyncio.sleep(SETTLE_S)
        begin = self.centre.cpu()
        before = await self._heard(self.clients)
        cores = cores_between(begin, self.centre.cpu())
        frozen, others = self.clients[: bench.frozen], self.clients[bench.frozen :]
        for client in frozen:
            client.freeze()
        after, cut_s = await asyncio.gather(self._heard(others), self._cut_after(len(others)))
        return {
            "clients": bench.clients,
            "messages_per_client_per_s": round(len(before) / bench.clients / bench.for_s, 2),
            "p50_ms": _percentile_ms(before, 50),
            "p99_ms": _percentile_ms(before, 99),
            "frozen": bench.frozen,
            "p99_ms_beside_frozen": _percentile_ms(after, 99),
            "frozen_cut_after_s": cut_s,
            "others_cut": sum(one.cut for one in others),
            "resumed": await self._resumed(frozen),
            "cores": cores,
        }

    async def _heard(self, clients: list[PushClient]) -> list[float]:
        """Let it run; return how old each message was that these clients got meanwhile."""
        for client in clients:
            client.latencies_s.clear()
        await asyncio.sleep(self.bench.for_s)
        return [one for client in clients for one in client.latencies_s]

    async def _cut_after(self, left: int) -> float | None:
        """Wait until only so many lines are open at the centre; None if that does not come."""
        began_s = real_monotonic_s()
        while (passed_s := real_monotonic_s() - began_s) < CUT_WITHIN_S:
            if await self.centre.open_lines() <= left:
                return round(passed_s, 1)
            await asyncio.sleep(LOOK_EVERY_S)
        return None

    async def _resumed(self, frozen: list[PushClient]) -> int:
        """Let those that were cut come again with their cursors; return how many are served."""
        again = [PushClient(one.uri, one.token, one.site, cursor=one.cursor) for one in frozen]
        self.clients += again
        with suppress(TimeoutError):
            async with asyncio.timeout(RESUME_WITHIN_S):
                for client in again:
                    await client.open()
        return sum(one.greeted.is_set() for one in again)

    async def _open_clients(self) -> None:
        gate = asyncio.Semaphore(OPENING_AT_ONCE)

        async def open_one() -> None:
            client = PushClient(self.centre.live, self.centre.viewer, site_of(0))
            self.clients.append(client)
            async with gate:
                await client.open()

        await asyncio.gather(*(open_one() for _ in range(self.bench.clients)))

    def _edge(self, token: str) -> LoadEdge:
        plan = plan_of(Site.model_validate(load_sites(1, CHANNELS)[site_of(0)]))
        begins_us = MachineClock().now_us() - 12 * 3600 * 1_000_000
        return LoadEdge(
            index=0,
            plan=plan.group_by_key[edge_name(0)],
            numbers=InstantsAsReadings(),
            token=token,
            first_step=begins_us // 1_000_000,
            scans_per_block=1,
            pace_s=1.0 / self.bench.scans_per_s,
            share=0.0,
        )


def _percentile_ms(latencies_s: list[float], percent: float) -> float | None:
    return round(1000.0 * float(np.percentile(latencies_s, percent)), 1) if latencies_s else None
