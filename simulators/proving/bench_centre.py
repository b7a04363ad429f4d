"""A whole centre of a bench's own: started on site files, asked what it costs, stopped."""

import asyncio
import re
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg

from historian.tokens import Scope, create_token
from simulators.load_numbers import edge_name, site_of
from simulators.proving.cores import CpuTimes, command_of, cpu_times
from simulators.proving.demonstration import database_processes, free_ports
from simulators.proving.processes import (
    ProcessEndedError,
    Worker,
    children_of,
    start,
    wait_for_file,
    wait_for_line,
)
from simulators.proving.ready import Addresses, read_addresses
from telemetry.clock import MachineClock, real_monotonic_s

READY_WITHIN_S: Final = 400.0  # Reading the files of a province takes a while.
ANSWERS_WITHIN_S: Final = 120.0
STOP_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.5
OPEN_LINES: Final = re.compile(r"^groundwatch_live_clients (\S+)$", re.MULTILINE)


@dataclass(eq=False)
class BenchCentre:
    """`groundwatch serve` with its embedded database, in a folder."""

    folder: Path
    addresses: Addresses = field(init=False)
    viewer: str = field(init=False)  # A token that sees all sites.
    _worker: Worker | None = None

    async def start(self, sites: Sequence[Path]) -> None:
        """Start it; return when edges may come and the API answers."""
        api_port, line_port = free_ports(2)
        ready = self.folder / "ready.json"
        arguments = ["serve", "--data", str(self.folder / "data")]
        for path in sites:
            arguments += ["--site", str(path)]
        arguments += ["--port", str(api_port), "--line-port", str(line_port)]
        worker = self._worker = await start(
            "centre", [*arguments, "--ready-file", str(ready)], self.folder
        )
        await wait_for_file(ready, worker, READY_WITHIN_S)
        self.addresses = read_addresses(ready)
        await wait_for_line("edges may come", worker, READY_WITHIN_S)
        async with await psycopg.AsyncConnection.connect(self.addresses.dsn) as conn:
            now_us = MachineClock().now_us()
            self.viewer = await create_token(conn, Scope.VIEWER, None, None, "bench", now_us)
        await self._api_answers()

    @property
    def live(self) -> str:
        """The address of the live line."""
        return self.addresses.api.replace("http", "ws", 1) + "/api/v1/live"

    async def edge_tokens(self, edges: int) -> list[str]:
        """Make a token for each edge of the load's sites."""
        now_us = MachineClock().now_us()
        async with (
            await psycopg.AsyncConnection.connect(self.addresses.dsn) as conn,
            conn.transaction(),
        ):
            return [
                await create_token(conn, Scope.EDGE, site_of(n), edge_name(n), "bench", now_us)
                for n in range(edges)
            ]

    def cpu(self) -> CpuTimes:
        """Say what its processes have used so far, by what they are."""
        assert self._worker is not None
        groups: dict[str, list[int]] = {"postgres": database_processes(self.folder / "data")}
        known = {*groups["postgres"]}
        for process_id in children_of(self._worker.process.pid):
            words = command_of(process_id).split()
            if process_id not in known and "groundwatch" in words:
                name = words[words.index("groundwatch") + 1]
                groups.setdefault(name, []).append(process_id)
        return cpu_times(groups)

    async def open_lines(self) -> float:
        """Ask how many live lines are open."""
        return await asyncio.to_thread(_open_lines, self.addresses.api, self.viewer)

    async def stop(self) -> None:
        """Stop it, if it runs."""
        if self._worker is not None:
            await self._worker.stop(STOP_WITHIN_S)

    async def _api_answers(self) -> None:
        until_s = real_monotonic_s() + ANSWERS_WITHIN_S
        while real_monotonic_s() < until_s:
            with suppress(OSError):
                await self.open_lines()
                return
            await asyncio.sleep(LOOK_EVERY_S)
        raise ProcessEndedError("The API does not answer.")


def _open_lines(api: str, token: str) -> float:
    request = urllib.request.Request(  # noqa: S310 - our own centre
        f"{api}/metrics", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10.0) as answer:  # noqa: S310
        found = OPEN_LINES.search(answer.read().decode())
    return float(found[1]) if found else float("inf")
