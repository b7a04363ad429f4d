"""`groundwatch bench ingest`: how many readings a second does one centre take, for good?

Everything runs on this machine, as real processes: many edges in one sender, a whole centre
(`groundwatch serve`), its embedded database with durable commits. The limits, rates and
freshness of every channel are judged. The rate is what was *committed* between the end of the
warm-up and the end of the load, as the senders saw it acknowledged.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from historian.tokens import Scope, create_token
from simulators.load_numbers import edge_name, site_of, write_load_sites
from simulators.proving.cores import CpuTimes, command_of, cores_between, cpu_times
from simulators.proving.demonstration import database_processes, free_ports
from simulators.proving.load_ledger import LoadBalance, load_balance
from simulators.proving.processes import (
    ProcessEndedError,
    Worker,
    children_of,
    start,
    wait_for_file,
    wait_for_line,
)
from simulators.proving.ready import Addresses, read_addresses
from telemetry.clock import MachineClock

READY_WITHIN_S: Final = 300.0  # Reading the files of a province takes a while.
CONNECTED_WITHIN_S: Final = 180.0
STOP_WITHIN_S: Final = 90.0
WARM_UP_S: Final = 5.0

WAL_POSITION = "select pg_current_wal_lsn() - '0/0'::pg_lsn"
SCAN_BYTES = """
    select coalesce(sum(pg_total_relation_size(inhrelid)), 0)
    from pg_inherits where inhparent = 'scan'::regclass
"""
TRANSITIONS = "select count(*) from journal"


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """How much load, for how long."""

    edges: int
    channels: int
    for_s: float  # After the warm-up.
    scans_per_block: int
    offered_per_s: float | None
    as_json: bool
    warm_up_s: float = WARM_UP_S


@dataclass(frozen=True, slots=True)
class Mark:
    """What had been committed and used up at an instant."""

    at_s: float
    committed: int
    wal: int
    cpu: CpuTimes


def run_bench_ingest(settings: BenchSettings) -> int:
    """Run the bench and print its report; return the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="groundwatch-bench-") as folder:
            report = asyncio.run(_bench(settings, Path(folder)))
    except ProcessEndedError as error:
        sys.stderr.write(f"The bench could not go on. {error}\n")
        return 1
    if settings.as_json:
        print(json.dumps(report))  # noqa: T201
    else:
        for key, value in report.items():
            print(f"{key:24} {value}")  # noqa: T201
    return 0 if not report["lost"] and not report["duplicated"] else 1


async def _bench(settings: BenchSettings, folder: Path) -> dict[str, Any]:
    stage = _Stage(settings, folder)
    try:
        await stage.start()
        async with await psycopg.AsyncConnection.connect(
            stage.addresses.dsn, autocommit=True
        ) as conn:
            begin, end = await stage.measure(conn)
            await stage.load.stop(STOP_WITHIN_S)
            found = await load_balance(conn, stage.ledger)
            return await _report(settings, conn, begin, end, found)
    finally:
        await stage.stop()


@dataclass(eq=False)
class _Stage:
    """The processes of one run."""

    settings: BenchSettings
    folder: Path
    addresses: Addresses = field(init=False)
    centre: Worker = field(init=False)
    load: Worker = field(init=False)

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.json"

    async def start(self) -> None:
        """Start the centre and the senders; return when all lines are open."""
        api_port, line_port = free_ports(2)
        ready = self.folder / "ready.json"
        arguments = ["serve", "--data", str(self.folder / "data")]
        for path in write_load_sites(self.settings.edges, self.settings.channels, self.folder):
            arguments += ["--site", str(path)]
        arguments += ["--port", str(api_port), "--line-port", str(line_port)]
        self.centre = await start("centre", [*arguments, "--ready-file", str(ready)], self.folder)
        await wait_for_file(ready, self.centre, READY_WITHIN_S)
        self.addresses = read_addresses(ready)
        await wait_for_line("edges may come", self.centre, READY_WITHIN_S)
        self.load = await start("load", [*self._load_arguments(await self._tokens())], self.folder)
        await wait_for_line("connected", self.load, CONNECTED_WITHIN_S)

    async def measure(self, conn: psycopg.AsyncConnection[Any]) -> tuple[Mark, Mark]:
        """Let it run; return what was so after the warm-up, and at the end."""
        await self._run_for(self.settings.warm_up_s)
        begin = await self._mark(conn)
        await self._run_for(self.settings.for_s)
        return begin, await self._mark(conn)

    async def stop(self) -> None:
        """Stop whatever still runs."""
        for name in ("load", "centre"):
            if (worker := getattr(self, name, None)) is not None:
                await worker.stop(STOP_WITHIN_S)

    async def _tokens(self) -> Path:
        path = self.folder / "tokens"
        path.touch(mode=0o600)
        now_us = MachineClock().now_us()
        async with (
            await psycopg.AsyncConnection.connect(self.addresses.dsn) as conn,
            conn.transaction(),
        ):
            tokens = [
                await create_token(conn, Scope.EDGE, site_of(n), edge_name(n), "bench", now_us)
                for n in range(self.settings.edges)
            ]
        path.write_text("\n".join(tokens), encoding="utf-8")
        return path

    def _load_arguments(self, tokens: Path) -> Sequence[str]:
        settings = self.settings
        arguments = ["simulate", "load", "--edges", str(settings.edges)]
        arguments += ["--channels", str(settings.channels), "--centre", self.addresses.line]
        arguments += ["--tokens", str(tokens), "--ledger", str(self.ledger)]
        arguments += ["--scans-per-block", str(settings.scans_per_block)]
        if settings.offered_per_s is not None:
            arguments += ["--offered", str(settings.offered_per_s)]
        return arguments

    async def _run_for(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.wait(
                    [
                        asyncio.ensure_future(worker.process.wait())
                        for worker in (self.load, self.centre)
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
        except TimeoutError:
            return
        ended = next(one for one in (self.load, self.centre) if not one.runs)
        raise ProcessEndedError(f"{ended.name} has ended:\n{ended.last_words()}")

    async def _mark(self, conn: psycopg.AsyncConnection[Any]) -> Mark:
        progress = _last_progress(self.load)
        row = await (await conn.execute(WAL_POSITION)).fetchone()
        assert row is not None
        return Mark(
            at_s=progress["at_s"],
            committed=int(progress["committed"]),
            wal=int(row[0]),
            cpu=cpu_times(self._process_groups()),
        )

    def _process_groups(self) -> dict[str, list[int]]:
        """Sort the processes of the run by what they are."""
        groups: dict[str, list[int]] = {"senders": [self.load.process.pid]}
        groups["supervisor"] = [self.centre.process.pid]
        groups["postgres"] = database_processes(self.folder / "data")
        known = {*groups["postgres"]}
        for process_id in children_of(self.centre.process.pid):
            if process_id not in known:
                words = command_of(process_id).split()
                name = words[words.index("groundwatch") + 1] if "groundwatch" in words else "other"
                groups.setdefault(name, []).append(process_id)
        return groups


def _last_progress(load: Worker) -> dict[str, float]:
    lines = load.log.read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if line.startswith("progress ") and line.endswith("}")]
    if not told:
        raise ProcessEndedError(f"the senders have told nothing yet:\n{load.last_words()}")
    progress: dict[str, float] = json.loads(told[-1].removeprefix("progress "))
    return progress


async def _report(
    settings: BenchSettings,
    conn: psycopg.AsyncConnection[Any],
    begin: Mark,
    end: Mark,
    found: LoadBalance,
) -> dict[str, Any]:
    committed = end.committed - begin.committed
    bytes_row = await (await conn.execute(SCAN_BYTES)).fetchone()
    transitions = await (await conn.execute(TRANSITIONS)).fetchone()
    assert bytes_row is not None
    assert transitions is not None
    return {
        "edges": settings.edges,
        "channels": settings.channels,
        "scans_per_block": settings.scans_per_block,
        "measured_s": round(end.at_s - begin.at_s, 2),
        "readings_per_s": round(committed / (end.at_s - begin.at_s)),
        "stored": found.stored,
        "lost": found.lost,
        "duplicated": found.duplicated,
        "transitions": int(transitions[0]),
        "cores": cores_between(begin.cpu, end.cpu),
        "wal_bytes_per_reading": round((end.wal - begin.wal) / max(committed, 1), 1),
        "bytes_per_reading": round(int(bytes_row[0]) / max(found.stored, 1), 1),
    }
