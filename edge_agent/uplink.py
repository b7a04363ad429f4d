"""The line to the centre: a carrier around `telemetry.uplink.EdgeSide`, made again and again.

Polling never waits for it. What it may release is what the centre says it has committed.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Final
from uuid import UUID, uuid4

import structlog

from carriers.waiting import happens_within
from edge_agent.carrier import (
    REFUSED_RETRY_S,
    Carrier,
    CentreLine,
    LineClosedError,
    RefusedError,
)
from edge_agent.commands import CommandRefusedError
from edge_agent.settings import SettingsError
from edge_agent.spool import Appended
from edge_agent.storing import SpoolThread, StoreFailedError, StreamEndedError
from edge_agent.taken import note_released
from telemetry.clock import real_monotonic_s
from telemetry.failpoints import passing
from telemetry.frames import Answer, Measure, ProtocolError, as_remark, encode_frame
from telemetry.planted import planted
from telemetry.ranges import Range
from telemetry.uplink import (
    WINDOW_BLOCKS,
    BlockRejected,
    EdgeEvent,
    EdgeSide,
    EpochOutdated,
    Refused,
    Released,
    Welcomed,
)

RETRY_LEAST_S: Final = 0.2
RETRY_MOST_S: Final = 5.0
STORE_RETRY_S: Final = 1.0
LOOK_APART_S: Final = 1.0
MEASURING_MAX: Final = 16  # Commands at once.
WINDOW_BLOCKS_LEAST: Final = 4  # Where the carrier loses frames.
DROP_REASON: Final = "the spool of the edge was full"

log = structlog.get_logger()


def pauses(chance: random.Random) -> Iterator[float]:
    """Count pauses up to the longest, each jittered so that a hundred edges do not come at once."""
    pause_s = RETRY_LEAST_S
    while True:
        yield pause_s * chance.uniform(0.5, 1.0)
        pause_s = min(2 * pause_s, RETRY_MOST_S)


class Uplink:
    """One edge's line to the centre."""

    def __init__(
        self,
        *,
        carrier: Carrier,
        site: str,
        edge: str,
        spool: SpoolThread,
        measure: Callable[[str], Awaitable[str]] | None = None,  # See `edge_agent.commands`.
    ) -> None:
        self._measure = measure
        self._measuring: set[asyncio.Task[None]] = set()
        self._carrier = carrier
        self._window_blocks = WINDOW_BLOCKS
        self._site = site
        self._edge = edge
        self._spool = spool
        self._side: EdgeSide | None = None
        self._line: CentreLine | None = None
        self._finished = asyncio.Event()
        self._wake = asyncio.Event()  # Something may be sent.
        self._drained = asyncio.Event()
        self._owed: list[bytes] = []  # Frames that must go out before the next block.
        self._pauses = pauses(random.Random())
        self._run = uuid4()  # So that a second box with this identity is found out.
        self._down: str | None = None  # In which way the line is down, as last logged.

    def appended(self, appended: Appended) -> None:
        """Learn what became of blocks in the spool."""
        self._drained.clear()
        if self._side is not None and self._side.epoch == appended.epoch:
            for seq in appended.seqs:
                self._side.appended(seq)
            for first, last in appended.dropped:
                self._owed += self._side.dropped(first, last, DROP_REASON)
        self._wake.set()

    async def wait_until_drained(self) -> None:
        """Wait until the centre has committed everything."""
        await self._drained.wait()

    async def finish(self) -> None:
        """Hang up in good order, for ever."""
        self._finished.set()
        if self._line is not None:
            await self._line.close()

    async def run(self) -> None:
        """Keep a line to the centre, until finished or cancelled."""
        while not self._finished.is_set():
            retry_s: float | None = None
            try:
                await self._connect_once()
                if self._finished.is_set():
                    return
                self._tell_down("unreachable", "the centre closed the line")
            except RefusedError as error:
                retry_s = error.retry_s
                self._tell_down("refused", str(error))
            except SettingsError as error:
                retry_s = REFUSED_RETRY_S
                self._tell_down("settings", str(error))
            except ProtocolError as error:
                retry_s = REFUSED_RETRY_S
                self._tell_down("protocol", f"the centre broke the protocol: {error}")
            except StoreFailedError as error:
                retry_s = STORE_RETRY_S
                self._tell_down("spool", f"the spool cannot be read: {error}")
            except StreamEndedError as error:
                retry_s = 0.0
                self._tell_down("renewed", str(error))
            except LineClosedError as error:
                self._tell_down(error.kind, str(error))
            finally:
                self._side = None
                self._line = None
            pause_s = next(self._pauses) if retry_s is None else retry_s
            await happens_within(self._finished, pause_s)

    async def _connect_once(self) -> None:
        async with self._carrier.connect() as line:
            self._line = line
            await self._converse(line)

    async def _converse(self, line: CentreLine) -> None:
        state = await self._spool.state()
        side = self._side_of(state.epoch)
        side.window_blocks = self._window_blocks
        frames = side.opened(
            held=state.held,
            losses=state.losses,
            next_seq=state.next_seq,
            at_s=real_monotonic_s(),
        )
        for frame in frames:
            await line.send(frame)
        self._owed = []
        self._side = side
        # What was appended while the state was read may be missing in it.
        now = await self._spool.state()
        if now.epoch != state.epoch:
            raise StreamEndedError("the spool has begun a new stream")
        for first, last in now.held.without(state.held):
            for seq in range(first, last + 1):
                side.appended(seq)
        halves = [
            asyncio.create_task(self._send(line, side), name="send"),
            asyncio.create_task(self._receive_all(line, side), name="receive"),
        ]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for half in halves:
                half.cancel()
            outcomes = await asyncio.gather(*halves, return_exceptions=True)
        for failure in outcomes:
            if isinstance(failure, Exception) and not isinstance(failure, LineClosedError):
                raise failure

    def _side_of(self, epoch: UUID) -> EdgeSide:
        return EdgeSide(
            site=self._site,
            edge=self._edge,
            epoch=epoch,
            patience_s=self._carrier.patience_s,
            run=self._run,
            takes_commands=self._measure is not None,
        )

    async def _receive_all(self, line: CentreLine, side: EdgeSide) -> None:
        while True:
            await self._receive(side, await line.receive())

    async def _receive(self, side: EdgeSide, frame: bytes) -> None:
        events, frames = side.received(frame, at_s=real_monotonic_s())
        self._owed += frames
        for event in events:
            await self._learn(side, event)
        if side.is_drained:
            self._drained.set()
        self._wake.set()

    async def _learn(self, side: EdgeSide, event: EdgeEvent) -> None:
        match event:
            case Welcomed(delivered, missing):
                self._tell_up()
                await self._spool.acknowledge(side.epoch, delivered)
                await self._spool.ask_again(side.epoch, missing)
            case Released(ranges):
                side.window_blocks = min(WINDOW_BLOCKS, side.window_blocks + 1)
                self._window_blocks = side.window_blocks
                passing("edge_before_release")
                await self._release(side, ranges)
            case Measure(command, group):
                self._begin(side, command, group)
            case BlockRejected(seq, reason, message):
                log.error("block quarantined by the centre", seq=seq, reason=reason, why=message)
            case Refused(code, message):
                retry_s = None if code == "not_ready" else REFUSED_RETRY_S
                raise RefusedError(f"the centre refuses this edge: {message}", retry_s=retry_s)
            case EpochOutdated(highest):
                log.error(
                    "the spool is an old copy; what is left of it is sent as a new stream",
                    highest_at_centre=highest,
                )
                await self._spool.renew(side.epoch)
                raise RefusedError("the line is made again for the new stream", retry_s=0.0)

    async def _release(self, side: EdgeSide, ranges: list[Range]) -> None:
        await self._spool.acknowledge(side.epoch, ranges)
        note_released(side.epoch, ranges)

    def _begin(self, side: EdgeSide, command: UUID, group: str) -> None:
        """Measure beside what is received meanwhile."""
        task = asyncio.create_task(self._obey(side, command, group), name="measure")
        self._measuring.add(task)
        task.add_done_callback(self._measuring.discard)

    async def _obey(self, side: EdgeSide, command: UUID, group: str) -> None:
        """Measure now, and answer over the line on which that was asked."""
        assert self._measure is not None
        if len(self._measuring) > MEASURING_MAX:
            done, remark = False, "the edge is measuring as much as it can already"
        else:
            try:
                done, remark = True, await self._measure(group)
            except CommandRefusedError as error:
                done, remark = False, str(error)
        if self._side is side:
            self._owed.append(encode_frame(Answer(command, done, as_remark(remark))))
            self._wake.set()

    async def _send(self, line: CentreLine, side: EdgeSide) -> None:
        """Send what the window has room for; return when the centre stays silent."""
        while not side.is_stalled(real_monotonic_s()):
            self._wake.clear()
            await self._send_blocks(line, side)
            await happens_within(self._wake, LOOK_APART_S)
        if self._carrier.may_lose:  # Probably it was too much at once.
            self._window_blocks = max(WINDOW_BLOCKS_LEAST, side.window_blocks // 2)
        log.warning("the centre does not acknowledge; the line is made again")

    async def _send_blocks(self, line: CentreLine, side: EdgeSide) -> None:
        if self._spool.epoch != side.epoch:
            raise StreamEndedError("the spool has begun a new stream")
        await self._send_owed(line)
        while numbers := side.next_to_send():
            blocks = await self._spool.read(side.epoch, numbers, side.room_bytes)
            present = {seq for seq, _ in blocks}
            last = max(present, default=numbers[-1])
            for seq in numbers:
                if not present or (seq < last and seq not in present):
                    self._owed += side.dropped(seq, seq, DROP_REASON)
            await self._send_owed(line)
            for seq, content in blocks:
                if frame := side.sending(seq, content, at_s=real_monotonic_s()):
                    passing("edge_before_send")
                    await line.send(frame)
                    passing("edge_after_send")
                    if planted("edge_releases_when_sent"):
                        await self._release(side, [(seq, seq)])

    async def _send_owed(self, line: CentreLine) -> None:
        while self._owed:
            await line.send(self._owed.pop(0))

    def _tell_up(self) -> None:
        self._pauses = pauses(random.Random())
        log.info("line to the centre is up", centre=self._carrier.address)
        self._down = None

    def _tell_down(self, kind: str, reason: str) -> None:
        """Log the change, not every attempt; that the centre refuses us is another change."""
        if kind != self._down:
            log.warning("line to the centre is down; scans wait in the spool", reason=reason)
        self._down = kind
