"""A small mine to be hurt: a dam and its edge, a centre with its database, a bad line between."""

import asyncio
import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import psycopg

from simulators.proving.demonstration import (
    DEMO_SITE,
    STILL_TO_TELL,
    Cast,
    Demonstration,
    database_processes,
    free_ports,
)
from simulators.proving.faults.comparison import Findings, compare, journal_of, released_too_early
from simulators.proving.faults.line_proxy import LineProxy
from simulators.proving.faults.taken import read_taken
from simulators.proving.processes import ProcessEndedError, children_of, start
from simulators.scenario import demo_site_text, read_scenario
from telemetry import fault_settings
from telemetry.plan import plan_of
from telemetry.site_file import read_site_text

EDGE = "dam-edge"
DESTINATION = "demo"
STORM_EVERY_S, STORM_LASTS_S, STORM_DEPTH_MM, STORMS = 600, 120, 200, 144
DRAINED_WITHIN_S = 60.0
LOOK_AGAIN_S = 0.05
# A measured channel that every storm takes through all levels: the site's own limits are on
# calculated ones. The numbers are the harness's, and mean nothing beyond it.
POND = "              - id: dam-pond-level\n"
POND_LIMITS = """\
                limits:
                  - direction: high
                    levels: { blue: 181.2, yellow: 181.5, orange: 181.8, red: 182.1 }
                    deadband: 0.05
                    on_delay_s: 30
                    source: "fault harness"
"""


def cast_of(folder: Path, seed: int) -> Cast:
    """Put the dam on stage, under storms that come and go."""
    packaged = resources.files("simulators.proving.faults").joinpath("scenario.toml")
    storms = ",\n".join(
        f"{{ begins_s = {n * STORM_EVERY_S + 60}.0, lasts_s = {STORM_LASTS_S}.0, "
        f"depth_mm = {STORM_DEPTH_MM}.0 }}"
        for n in range(STORMS)
    )
    path = folder / "scenario.toml"
    text = packaged.read_text(encoding="utf-8")
    path.write_text(re.sub(r"storms = \[\]", f"storms = [{storms}]", text), encoding="utf-8")
    scenario = read_scenario(str(path))
    (port,) = free_ports(1)
    return Cast(
        site=DEMO_SITE,
        site_text=demo_site_text(scenario, {"dam-bus": port}).replace(POND, POND + POND_LIMITS),
        devices=(
            ("dam", ("dam", "--scenario", str(path), "--seed", str(seed), "--port", str(port))),
        ),
        edges=(EDGE,),
        began_us=scenario.began_us,
        rate=scenario.rate,
    )


@dataclass(eq=False)
class HurtMine(Demonstration):
    """The running system, and how to get at its parts."""

    bug: str | None = None
    proxy: LineProxy = field(init=False)
    _proxy_port: int = 0

    @property
    def failpoint_file(self) -> Path:
        """The file that arms whoever starts next."""
        return self.folder / "failpoint"

    async def start(self) -> None:
        """Start everything, in processes that know of the harness."""
        (self.folder / "taken").mkdir()
        environment = {
            fault_settings.HARNESS: "1",
            fault_settings.TAKEN_LEDGER: str(self.folder / "taken"),
            fault_settings.FAILPOINT_FILE: str(self.failpoint_file),
        }
        if self.bug is not None:
            environment[fault_settings.PLANTED_BUG] = self.bug
        self.environment = environment
        self.proxy = LineProxy(lambda: self._ports[1])
        self._proxy_port = await self.proxy.start()
        await super().start()

    async def stop(self) -> None:
        """Stop whatever still runs."""
        await super().stop()
        if hasattr(self, "proxy"):
            await self.proxy.stop()

    def edge_arguments(self, name: str) -> Sequence[str]:
        """Lead the edge over the bad line."""
        return [
            f"ws://127.0.0.1:{self._proxy_port}" if one == self.addresses.line else one
            for one in super().edge_arguments(name)
        ]

    async def start_edge(self) -> None:
        """Start the edge again, after it has ended."""
        self.edges = [
            await start(EDGE, self.edge_arguments(EDGE), self.folder, environment=self.environment)
        ]

    def service(self, name: str) -> int | None:
        """Find a service of the centre by its sub-command; None while it is started again."""
        for process_id in children_of(self.centre.process.pid):
            try:
                words = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"groundwatch" in words and name.encode() in words:
                return process_id
        return None

    async def wait_for_service(self, name: str, other_than: int | None = None) -> int:
        """Wait until a service runs, as another process than before."""
        async with asyncio.timeout(DRAINED_WITHIN_S):
            while (found := self.service(name)) is None or found == other_than:
                await asyncio.sleep(LOOK_AGAIN_S)
        return found

    def database(self) -> list[int]:
        """The postmaster first, then its own."""
        return database_processes(self.folder / "data")

    async def released_too_early(self) -> Findings:
        """Hold the edge still, and see that it was let release only what is committed."""
        findings = Findings()
        edge = self.edges[0].process
        if self.edges[0].runs:
            os.kill(edge.pid, signal.SIGSTOP)
        try:
            taken = read_taken(self.folder / "taken")
            async with await self._connection() as conn:
                findings.lost = await released_too_early(conn, taken, findings)
        finally:
            if self.edges[0].runs:
                os.kill(edge.pid, signal.SIGCONT)
        return findings

    async def checkpoint(self) -> Findings:
        """Let the edge end, the centre store and tell everything; compare it all."""
        await self.edges[0].stop()
        await self.start_edge()  # What it left in its spool is delivered by the next.
        await self._wait_until_delivered()
        await self.edges[0].stop()
        async with await self._connection() as conn:
            entries = await journal_of(conn, self.cast.site)
            await self._wait_until_all_told(conn)
            plan = plan_of(read_site_text(self.cast.site_text, "site.yaml"))
            taken = read_taken(self.folder / "taken")
            return await compare(
                conn, self.cast.site, plan, taken, entries, self.sink.delivered, DESTINATION
            )

    async def _wait_until_delivered(self) -> None:
        mark = len(self.edges[0].log.read_text(encoding="utf-8", errors="replace"))
        try:
            async with asyncio.timeout(DRAINED_WITHIN_S):
                while (
                    "line to the centre is up"
                    not in self.edges[0].log.read_text(encoding="utf-8", errors="replace")[mark:]
                ):
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            raise ProcessEndedError(
                f"the edge did not reach the centre:\n{self.edges[0].last_words()}"
            ) from None

    async def _connection(self) -> psycopg.AsyncConnection:
        """Connect, as soon as the database lets us."""
        async with asyncio.timeout(DRAINED_WITHIN_S):
            while True:
                try:
                    return await psycopg.AsyncConnection.connect(
                        self.addresses.dsn, autocommit=True
                    )
                except psycopg.OperationalError:
                    await asyncio.sleep(LOOK_AGAIN_S)

    async def _wait_until_all_told(self, conn: psycopg.AsyncConnection) -> None:
        """Wait for the outbox to be empty; what stays in it is then found by the comparison."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + DRAINED_WITHIN_S
        while loop.time() < until_s:
            row = await (await conn.execute(STILL_TO_TELL)).fetchone()
            if row is not None and not row[0]:
                return
            await asyncio.sleep(LOOK_AGAIN_S)
