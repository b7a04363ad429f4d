"""Edges under load: many real lines to one centre from one process, without spools.

Each edge speaks the real delivery protocol (`telemetry.uplink.EdgeSide`) over a websocket of its
own and sends as fast as the centre commits, or at an offered pace. What it has sent stands in a
ledger: every block until it is acknowledged, and how many scans were taken in all.
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException

from simulators.load_numbers import PERIOD_US, LoadNumbers, edge_name, load_sites, site_of
from telemetry.clock import MachineClock, real_monotonic_s
from telemetry.frames import FRAME_BYTES_MAX
from telemetry.lifetime import is_supervised, until_asked_to_stop
from telemetry.plan import GroupPlan, plan_of
from telemetry.ranges import RangeSet
from telemetry.scan import ScanBlock
from telemetry.site import Site
from telemetry.uplink import EdgeSide, Refused, Released
from telemetry.wire import encode_block

BEGINS_BEFORE_US: Final = 12 * 3600 * 1_000_000  # Event time runs up to now, and never gets there.
OPENING_AT_ONCE: Final = 20
OPEN_WITHIN_S: Final = 30.0
DRAIN_WITHIN_S: Final = 60.0
PROGRESS_EVERY_S: Final = 0.25
# About a second of work for the centre, as it has with live edges; the protocol allows 64 blocks.
SCANS_IN_FLIGHT: Final = 80
BLOCKS_IN_FLIGHT_LEAST: Final = 8


class LoadFailedError(Exception):
    """The load can't go on; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """How much comes from how many."""

    edges: int
    channels: int
    centre: str  # ws://HOST:PORT
    tokens: Path  # A line for each edge.
    ledger: Path  # Written at the end, as JSON.
    scans_per_block: int
    offered_per_s: float | None = None  # Readings a second of all edges; None: as fast as it goes.
    supervised: bool = field(default_factory=is_supervised)


def run_load(settings: LoadSettings) -> int:
    """Send until asked to stop, wait for what is on its way, and write the ledger."""
    complaints: list[str] = []
    try:
        asyncio.run(_run(settings))
    except* LoadFailedError as errors:
        complaints = list(dict.fromkeys(map(str, _each(errors))))
    for complaint in complaints:
        print(complaint, file=sys.stderr)  # noqa: T201
    return 1 if complaints else 0


def _each(errors: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for one in errors.exceptions:
        if isinstance(one, ExceptionGroup):
            yield from _each(one)
        else:
            yield one


async def _run(settings: LoadSettings) -> None:
    stop = asyncio.Event()
    asked = asyncio.create_task(until_asked_to_stop(settings.supervised))
    asked.add_done_callback(lambda _: stop.set())
    edges = edges_of(settings)
    gate = asyncio.Semaphore(OPENING_AT_ONCE)
    async with asyncio.TaskGroup() as tasks:
        opened = [tasks.create_task(one.open(settings.centre, gate)) for one in edges]
        await asyncio.gather(*opened)
        print(f"connected {len(edges)} edges", flush=True)  # noqa: T201 - read by who started us
        begin_s = real_monotonic_s()
        progress = tasks.create_task(_report(settings, edges))
        await asyncio.gather(*(tasks.create_task(one.send(stop, begin_s)) for one in edges))
        progress.cancel()
    asked.cancel()
    write_ledger(settings, edges)


async def _report(settings: LoadSettings, edges: Sequence["LoadEdge"]) -> None:
    """Say again and again what has been committed, so that others can see it grow."""
    while True:
        committed = sum(one.committed_scans for one in edges) * settings.channels
        line = {"at_s": real_monotonic_s(), "committed": committed}
        print("progress " + json.dumps(line), flush=True)  # noqa: T201
        await asyncio.sleep(PROGRESS_EVERY_S)


def edges_of(settings: LoadSettings) -> list["LoadEdge"]:
    """Make the edges; raise `LoadFailedError` when they can't all be let in."""
    try:
        tokens = settings.tokens.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise LoadFailedError(f"The tokens {settings.tokens} can't be read: {error}.") from error
    if len(tokens) < settings.edges:
        raise LoadFailedError(f"{settings.tokens} has {len(tokens)} tokens, not {settings.edges}.")
    sites = load_sites(settings.edges, settings.channels)
    plans = {site: plan_of(Site.model_validate(tree)) for site, tree in sites.items()}
    numbers = LoadNumbers(settings.channels)
    begin_step = (MachineClock().now_us() - BEGINS_BEFORE_US) // PERIOD_US
    pace_s = None
    if settings.offered_per_s is not None:
        per_block = settings.scans_per_block * settings.channels
        pace_s = per_block * settings.edges / settings.offered_per_s
    return [
        LoadEdge(
            index=n,
            plan=plans[site_of(n)].group_by_key[edge_name(n)],
            numbers=numbers,
            token=tokens[n],
            first_step=begin_step,
            scans_per_block=settings.scans_per_block,
            pace_s=pace_s,
            share=n / settings.edges,
        )
        for n in range(settings.edges)
    ]


@dataclass(eq=False)
class LoadEdge:
    """One edge: what it has taken, what is on its way, what has been committed."""

    index: int
    plan: GroupPlan
    numbers: LoadNumbers
    token: str
    first_step: int
    scans_per_block: int
    pace_s: float | None  # Between two blocks.
    share: float  # Where in its pace it begins, so that not all send at once.
    blocks: int = 0  # Taken so far; a block's number is its place among them, from 1.
    committed_blocks: int = 0
    resent: int = 0
    _unacknowledged: dict[int, bytes] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def _window(self) -> int:
        return max(BLOCKS_IN_FLIGHT_LEAST, SCANS_IN_FLIGHT // self.scans_per_block)

    @property
    def committed_scans(self) -> int:
        """How many scans the centre has committed."""
        return self.committed_blocks * self.scans_per_block

    async def open(self, centre: str, gate: asyncio.Semaphore) -> None:
        """Call the centre and say hello."""
        self._side = EdgeSide(site=site_of(self.index), edge=edge_name(self.index), epoch=uuid4())
        try:
            async with gate, asyncio.timeout(OPEN_WITHIN_S):
                await self._say_hello(centre)
        except (OSError, WebSocketException, InvalidURI, TimeoutError) as error:
            said = str(error) or type(error).__name__
            raise LoadFailedError(f"The centre {centre} takes no edge: {said}.") from error

    async def _say_hello(self, centre: str) -> None:
        self._socket: ClientConnection = await connect(
            f"{centre}/edge/v1/{site_of(self.index)}",
            additional_headers={"Authorization": f"Bearer {self.token}"},
            compression=None,
            proxy=None,
            max_size=FRAME_BYTES_MAX,
            ping_interval=None,
        )
        for frame in self._side.opened(held=RangeSet(), next_seq=1, at_s=real_monotonic_s()):
            await self._socket.send(frame)
        await self._hear(await self._socket.recv())

    async def send(self, stop: asyncio.Event, begin_s: float) -> None:
        """Send until told to stop; then wait until all is committed, and hang up."""
        reading = asyncio.create_task(self._read())
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._news.set())
        try:
            while not stop.is_set() and not reading.done():
                self._news.clear()
                await self._send_what_is_due(begin_s)
                await self._wait(begin_s)
            async with asyncio.timeout(DRAIN_WITHIN_S):
                while self._unacknowledged and not reading.done():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise LoadFailedError(f"edge {self.index}: not all was committed in time.") from None
        finally:
            stopping.cancel()
            await self._socket.close()
            await reading

    async def _send_what_is_due(self, begin_s: float) -> None:
        while len(self._unacknowledged) < self._window and self._due_in_s(begin_s) <= 0:
            self.blocks += 1
            content = encode_block(self._block(self.blocks))
            self._unacknowledged[self.blocks] = content
            self._side.appended(self.blocks)
            frame = self._side.sending(self.blocks, content, at_s=real_monotonic_s())
            assert frame is not None
            await self._socket.send(frame)

    def _due_in_s(self, begin_s: float) -> float:
        if self.pace_s is None:
            return 0.0
        return begin_s + (self.blocks + self.share) * self.pace_s - real_monotonic_s()

    async def _wait(self, begin_s: float) -> None:
        full = len(self._unacknowledged) >= self._window
        try:
            async with asyncio.timeout(None if full else max(0.0, self._due_in_s(begin_s))):
                await self._news.wait()
        except TimeoutError:
            return

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                await self._hear(message)
        except ConnectionClosed:
            pass
        finally:
            self._news.set()

    async def _hear(self, message: str | bytes) -> None:
        assert isinstance(message, bytes)
        events, frames = self._side.received(message, at_s=real_monotonic_s())
        for frame in frames:
            await self._socket.send(frame)
        for event in events:
            if isinstance(event, Refused):
                raise LoadFailedError(f"edge {self.index} was refused: {event.message}")
            if isinstance(event, Released):
                for first, last in event.ranges:
                    for seq in range(first, last + 1):
                        self.committed_blocks += self._unacknowledged.pop(seq, None) is not None
        self._news.set()

    def _block(self, number: int) -> ScanBlock:
        first = self.first_step + (number - 1) * self.scans_per_block
        steps = np.arange(first, first + self.scans_per_block)
        raw = self.numbers.of(self.index, steps)
        return ScanBlock(
            site=site_of(self.index),
            group=self.plan.key,
            layout=self.plan.layout,
            sampled_us=steps * PERIOD_US,
            monotonic_us=steps * PERIOD_US,
            raw=raw,
            quality=np.zeros(raw.shape, np.int16),
        )


def write_ledger(settings: LoadSettings, edges: Sequence[LoadEdge]) -> None:
    """Write what each edge has taken, to be compared with what is stored."""
    document = {
        "channels": settings.channels,
        "edges": {
            edge_name(one.index): {
                "first_step": one.first_step,
                "scans": one.blocks * settings.scans_per_block,
            }
            for one in edges
        },
    }
    settings.ledger.write_text(json.dumps(document), encoding="utf-8")
