"""A whole mine on one machine: simulators, edges, centre and a consumer, as real processes.

`Demonstration` starts them, lets the scenario begin when all are ready, and ends them in the
order in which nothing is lost. What people see of it is `simulators.proving.demo`.
"""

import asyncio
import base64
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from historian.tokens import Scope, create_token
from simulators.proving.ledger import Balance, balance
from simulators.proving.processes import (
    ProcessEndedError,
    Worker,
    children_of,
    kill_now,
    start,
    start_each,
    wait_for_file,
    wait_for_line,
)
from simulators.proving.ready import Addresses, read_addresses
from simulators.proving.sink import WebhookSink
from simulators.proving.watcher import Watcher
from simulators.scenario import DEVICES, Scenario, demo_site_text
from telemetry.clock import MachineClock, ScenarioClock, write_clock_file

READY_WITHIN_S = 60.0
TOLD_WITHIN_S = 10.0
JUDGED_WITHIN_S = 60.0
LOOKS_WITHIN_S = 1.0  # The slow tier, twice.
BEHIND = "groundwatch_slow_tier_behind_flushes{"
BELIEFS_WAIT = "select from belief where taken_flush_id is null limit 1"
LEAD_IN_S = 0.3  # Real seconds between writing the clock file and the scenario's beginning.
LOOK_AGAIN_S = 0.05
JOURNAL_PAGE = 500
CENTRE_NICENESS = 5  # On one small machine, the instruments are asked first.

DEMO_SITE = "demo-mine"

STILL_TO_TELL = "select count(*) from outbox where delivered_at is null and given_up_at is null"


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays in a demonstration: a site, its simulated devices and its edges."""

    site: str
    site_text: str
    devices: tuple[tuple[str, tuple[str, ...]], ...]  # Name, and what follows "simulate".
    edges: tuple[str, ...]
    began_us: int
    rate: float


def demo_cast(name: str, scenario: Scenario, *, rate: float, seed: int) -> Cast:
    """Put the demo mine on stage, under a scenario, on free ports."""
    ports = dict(zip(DEVICES, free_ports(len(DEVICES)), strict=True))
    return Cast(
        site=DEMO_SITE,
        site_text=demo_site_text(
            scenario, {f"{device}-bus": port for device, port in ports.items()}
        ),
        devices=tuple(
            (device, (device, "--scenario", name, "--seed", str(seed), "--port", str(port)))
            for device, port in ports.items()
        ),
        edges=tuple(f"{device}-edge" for device in DEVICES),
        began_us=scenario.began_us,
        rate=rate,
    )


@dataclass(eq=False)
class Demonstration:
    """Everything that runs in one demonstration."""

    cast: Cast
    folder: Path
    sink: WebhookSink = field(init=False)
    centre: Worker = field(init=False)
    watcher: Watcher = field(init=False)
    addresses: Addresses = field(init=False)
    clock: ScenarioClock = field(init=False)
    devices: list[Worker] = field(default_factory=list)
    edges: list[Worker] = field(default_factory=list)
    environment: Mapping[str, str] = field(default_factory=dict)  # Of centre and edges, besides.
    _watching: asyncio.Task[None] | None = None
    _ports: list[int] = field(default_factory=list)  # Of page and line; kept over restarts.

    @property
    def clock_file(self) -> Path:
        """Where all processes read the scenario's clock."""
        return self.folder / "clock.json"

    @property
    def site_file(self) -> Path:
        """The demo site, with this demonstration's ports and periods."""
        return self.folder / "site.yaml"

    def spool(self, edge: str) -> Path:
        """The spool of an edge."""
        return self.folder / f"{edge}.spool"

    async def start(self) -> None:
        """Start everything and begin the scenario when all of it is ready."""
        self._ports = free_ports(2)
        self.site_file.write_text(self.cast.site_text, encoding="utf-8")
        self._prepare_webhook()
        await self.start_centre()
        clock = ("--clock", str(self.clock_file))
        devices = (
            (f"{name}-simulator", ("simulate", *arguments, *clock))
            for name, arguments in self.cast.devices
        )
        await start_each(self.devices, devices, self.folder)
        await self._wait_for_centre()
        watcher_token = await self._make_tokens()
        edges = ((name, self.edge_arguments(name)) for name in self.cast.edges)
        await start_each(self.edges, edges, self.folder, self.environment)
        live = self.addresses.api.replace("http://", "ws://") + "/api/v1/live"
        self.watcher = Watcher(live, self.cast.site, watcher_token)
        self._watching = asyncio.create_task(self.watcher.run(), name="watch")
        for worker in self.devices:
            await wait_for_line("listening on", worker, READY_WITHIN_S)
        await self._wait_until_connected()
        self._begin()

    async def start_centre(self) -> None:
        """Start the centre, or start it again after a kill: same ports, same data."""
        (self.folder / "ready.json").unlink(missing_ok=True)
        api_port, line_port = self._ports
        arguments = ["serve", "--site", str(self.site_file), "--data", str(self.folder / "data")]
        arguments += ["--open-metrics"]  # This is a laptop, and there is no proxy.
        arguments += ["--port", str(api_port), "--line-port", str(line_port)]
        arguments += ["--clock", str(self.clock_file)]
        arguments += ["--webhooks", str(self.folder / "webhooks.toml")]
        arguments += ["--ready-file", str(self.folder / "ready.json")]
        self.centre = await start(
            "centre", arguments, self.folder, niceness=CENTRE_NICENESS, environment=self.environment
        )

    async def kill_centre(self, *, with_database: bool) -> None:
        """End the whole centre as a power cut would: supervisor, services, perhaps database."""
        victims = [self.centre.process.pid, *children_of(self.centre.process.pid)]
        if with_database:
            victims += database_processes(self.folder / "data")
        kill_now(victims)
        await self.centre.process.wait()

    async def finish(self) -> Balance:
        """End in the order in which nothing is lost; compare spools with rows."""
        await asyncio.gather(*(edge.stop() for edge in self.edges))
        async with await psycopg.AsyncConnection.connect(
            self.addresses.dsn, autocommit=True
        ) as conn:
            await self._wait_until_judged(conn)
            await self._wait_until_told(conn)
            await self._complete_entries()
            spools = [self.spool(name) for name in self.cast.edges]
            return await balance(conn, self.cast.site, spools)

    async def stop(self) -> None:
        """Stop whatever still runs; called in any case."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        workers = [*self.edges, *self.devices]
        await asyncio.gather(*(worker.stop() for worker in workers))
        if hasattr(self, "centre"):
            await self.centre.stop()
        if hasattr(self, "sink"):
            self.sink.stop()

    async def _wait_until_judged(self, conn: psycopg.AsyncConnection) -> None:
        """Wait, within reason, until the slow tier has seen all flushes, and they what it believes.

        It says how far it was behind when it looked last; so it has to look once more first.
        """
        page = self.addresses.line.replace("ws://", "http://") + "/metrics"
        async with httpx.AsyncClient() as client:
            try:
                async with asyncio.timeout(JUDGED_WITHIN_S):
                    while True:
                        await asyncio.sleep(LOOKS_WITHIN_S)
                        lines = (await _text(client, page)).splitlines()
                        behind = [one for one in lines if one.startswith(BEHIND)]
                        waiting = await (await conn.execute(BELIEFS_WAIT)).fetchone()
                        if all(one.endswith(" 0.0") for one in behind) and waiting is None:
                            return
            except TimeoutError:
                return  # The report lacks what has not been told.

    async def _complete_entries(self) -> None:
        """Read the journal until it says of each entry when it was pushed, within reason."""
        headers = {"Authorization": f"Bearer {self.watcher.token}"}
        async with httpx.AsyncClient(headers=headers) as client:
            try:
                async with asyncio.timeout(TOLD_WITHIN_S):
                    while not await self._is_journal_complete(client):
                        await asyncio.sleep(LOOK_AGAIN_S)
            except TimeoutError:
                return  # The report shows it.

    async def _is_journal_complete(self, client: httpx.AsyncClient) -> bool:
        """Read the journal; a centre that just does not answer costs no report, only the rest."""
        try:
            return await self._read_journal(client)
        except httpx.HTTPError:
            return False

    async def _read_journal(self, client: httpx.AsyncClient) -> bool:
        """Read every entry; tell whether all have been pushed."""
        url = f"{self.addresses.api}/api/v1/sites/{self.cast.site}/journal"
        after = 0
        while True:
            answer = await client.get(url, params={"after": after, "limit": JOURNAL_PAGE})
            entries = answer.raise_for_status().json()["entries"]
            if not entries:
                return all(one["pushed_at"] for one in self.watcher.entries.values())
            self.watcher.entries |= {int(one["number"]): one for one in entries}
            after = max(int(one["number"]) for one in entries)

    def failed_worker(self) -> Worker | None:
        """Find a process that has ended although nobody asked it to."""
        workers = [self.centre, *self.devices, *self.edges]
        return next((worker for worker in workers if not worker.runs), None)

    def _begin(self) -> None:
        real_us = MachineClock().now_us() + round(LEAD_IN_S * 1e6)
        self.clock = ScenarioClock(real_us, self.cast.began_us, self.cast.rate)
        self.watcher.clock = self.clock
        write_clock_file(self.clock_file, self.clock)

    def _prepare_webhook(self) -> None:
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self.sink = WebhookSink(secret)
        self.sink.start()
        secret_file = self._write_secret("webhook.secret", secret)
        (self.folder / "webhooks.toml").write_text(
            f'[[webhook]]\nid = "demo"\nurl = "{self.sink.url}"\nsecret_file = "{secret_file}"\n',
            encoding="utf-8",
        )

    def _write_secret(self, name: str, secret: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(secret, encoding="utf-8")
        return path

    async def _make_tokens(self) -> str:
        """Give each edge a token of its own; return one for the watcher."""
        async with await psycopg.AsyncConnection.connect(
            self.addresses.dsn, autocommit=True
        ) as conn:
            now_us = MachineClock().now_us()
            for edge in self.cast.edges:
                token = await create_token(conn, Scope.EDGE, self.cast.site, edge, "demo", now_us)
                self._write_secret(f"{edge}.token", token)
            return await create_token(conn, Scope.VIEWER, None, None, "demo", now_us)

    def edge_arguments(self, name: str) -> Sequence[str]:
        """Build the command line of an edge."""
        return [
            *("edge", "--site", str(self.site_file), "--edge", name),
            *("--centre", self.addresses.line, "--clock", str(self.clock_file)),
            *("--token-file", str(self.folder / f"{name}.token")),
            *("--spool", str(self.spool(name))),
        ]

    async def _wait_for_centre(self) -> None:
        ready = self.folder / "ready.json"
        await wait_for_file(ready, self.centre, READY_WITHIN_S)
        self.addresses = read_addresses(ready)
        await self.wait_until_ready()

    async def wait_until_ready(self) -> None:
        """Wait until the API says that the centre works."""
        try:
            async with asyncio.timeout(READY_WITHIN_S), httpx.AsyncClient() as client:
                while not await _answers_ok(client, f"{self.addresses.api}/readyz"):
                    self.see_that_all_run()
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            raise ProcessEndedError(
                f"The centre was not ready after {READY_WITHIN_S:.0f} s:\n"
                f"{self.centre.last_words()}"
            ) from None

    async def _wait_until_connected(self) -> None:
        """Wait until every edge's line is open and the watcher has been greeted."""
        page = self.addresses.line.replace("ws://", "http://") + "/metrics"
        wanted = f"groundwatch_edge_lines_open {len(self.cast.edges)}.0"
        try:
            async with asyncio.timeout(READY_WITHIN_S), httpx.AsyncClient() as client:
                while not self.watcher.connected.is_set() or wanted not in await _text(
                    client, page
                ):
                    self.see_that_all_run()
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            raise ProcessEndedError(
                f"Not every edge had reached the centre after {READY_WITHIN_S:.0f} s:\n"
                + "\n".join(edge.last_words() for edge in self.edges)
            ) from None

    def see_that_all_run(self) -> None:
        """Raise `ProcessEndedError` when a process has ended although nobody asked it to.

        Or the watcher, whose silence would look like a mine without alarms.
        """
        watching = self._watching
        if watching is not None and watching.done() and not watching.cancelled():
            error = watching.exception()
            raise ProcessEndedError(f"The watcher has ended: {error!r}") from error
        failed = self.failed_worker()
        if failed is not None:
            raise ProcessEndedError(f"{failed.name} has ended:\n{failed.last_words()}")

    async def _wait_until_told(self, conn: psycopg.AsyncConnection[tuple[int]]) -> None:
        """Wait until every notification has been delivered, within reason."""
        try:
            async with asyncio.timeout(TOLD_WITHIN_S):
                while (row := await (await conn.execute(STILL_TO_TELL)).fetchone()) and row[0]:
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            return  # The report's count shows it.


async def _answers_ok(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def _text(client: httpx.AsyncClient, url: str) -> str:
    try:
        return (await client.get(url)).text
    except httpx.TransportError:
        return ""


def free_ports(count: int) -> list[int]:
    """Find ports of the loopback address that nobody uses."""
    with ExitStack() as open_probes:
        probes = [open_probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def database_processes(data: Path) -> list[int]:
    """List the processes of an embedded database: the one that its pid file names, and its own."""
    for pid_file in data.rglob("postmaster.pid"):
        try:
            lines = pid_file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:  # A database that is started again has just removed it.
            return []
        if not lines:  # And is just writing it.
            return []
        return [int(lines[0]), *children_of(int(lines[0]))]
    return []
