"""What has come over the lines and waits for the next flush: bounded, in order of arrival."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from telemetry.frames import refusal
from telemetry.ranges import Range, RangeSet
from telemetry.uplink import BlockReceived, CentreSide, LostDeclared, Repeated

BYTES_MAX = 64 << 20  # Compressed. Above it lines are not read, so the edges' windows fill up.
REPEAT_BYTES = 64  # What a repetition or a declared loss counts for.


class Line:
    """The open connection of a stream: what it is told leaves by a queue of its own."""

    def __init__(self, side: CentreSide) -> None:
        self._side = side
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue()  # None closes the line.

    def committed(self, ranges: Iterable[Range]) -> None:
        """Acknowledge numbers to the edge."""
        for frame in self._side.committed(ranges):
            self.frames.put_nowait(frame)

    def tell(self, frame: bytes) -> None:
        """Send a frame to the edge."""
        self.frames.put_nowait(frame)

    def close(self) -> None:
        """Cut the connection once everything before has been sent."""
        self.frames.put_nowait(None)


@dataclass(eq=False)
class Stream:
    """One spool of one edge, as this process knows it."""

    site: str
    edge: str
    epoch: UUID
    stream_id: int
    delivered: RangeSet  # Committed in the database, or recorded there as lost.
    pending: RangeSet = field(default_factory=RangeSet)  # Handed over, not yet committed.
    line: Line | None = None

    def give_up(self, ranges: Iterable[Range], message: str) -> None:
        """Forget what can't be recorded, and end the line over which it came."""
        for first, last in ranges:
            self.pending.remove(first, last)
        if self.line is not None:
            self.line.tell(refusal("protocol", message))
            self.line.close()

    def settle(self, ranges: Iterable[Range]) -> None:
        """Note what has been committed, and acknowledge it if the edge is there."""
        settled = RangeSet(ranges)
        for first, last in settled:
            self.delivered.add(first, last)
            self.pending.remove(first, last)
        if self.line is not None and settled:
            self.line.committed(settled)


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """Something that an edge sent, at the moment it came."""

    stream: Stream
    event: BlockReceived | LostDeclared | Repeated
    received_us: int  # By the clock of the scenario.
    heard_s: float  # By the real monotonic clock.

    @property
    def weight(self) -> int:
        """Bytes that it counts for."""
        return len(self.event.content) if isinstance(self.event, BlockReceived) else REPEAT_BYTES

    @property
    def ranges(self) -> list[Range]:
        """The numbers it settles."""
        if isinstance(self.event, LostDeclared):
            return [(self.event.first, self.event.last)]
        return [(self.event.seq, self.event.seq)]


class Inbox:
    """Arrivals in order. Lines put, the flush looks, and takes only after the commit."""

    def __init__(self) -> None:
        self._arrivals: deque[Arrival] = deque()
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self.filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._arrivals)

    async def wait_for_room(self) -> None:
        """Wait until lines may be read again."""
        await self._room.wait()

    def put(self, arrival: Arrival) -> None:
        """Add an arrival; its numbers are pending from now on."""
        for first, last in arrival.ranges:
            arrival.stream.pending.add(first, last)
        self._arrivals.append(arrival)
        self._bytes += arrival.weight
        if self._bytes >= BYTES_MAX:
            self._room.clear()
        self.filled.set()

    def first(self, count: int, bytes_max: int) -> list[Arrival]:
        """Look at the oldest arrivals, at least one if there is any."""
        chosen: list[Arrival] = []
        weight = 0
        for arrival in self._arrivals:
            if chosen and (len(chosen) >= count or weight + arrival.weight > bytes_max):
                break
            chosen.append(arrival)
            weight += arrival.weight
        return chosen

    def waiting_since_s(self, count: int) -> float | None:
        """Return when the oldest arrival came that is not among the first so many."""
        return self._arrivals[count].heard_s if count < len(self._arrivals) else None

    def drop(self, count: int) -> None:
        """Take the oldest arrivals out: they are committed."""
        for _ in range(count):
            self._bytes -= self._arrivals.popleft().weight
        if self._bytes < BYTES_MAX:
            self._room.set()
        if not self._arrivals:
            self.filled.clear()

    def drop_delivered(self) -> None:
        """After a commit of unknown outcome: take out what turned out to be committed."""
        rest = [one for one in self._arrivals if not _is_delivered(one)]
        for arrival in self._arrivals:
            if _is_delivered(arrival):
                arrival.stream.settle(arrival.ranges)
        self._arrivals = deque(rest)
        self._bytes = sum(arrival.weight for arrival in rest)
        if self._bytes < BYTES_MAX:
            self._room.set()
        if not rest:
            self.filled.clear()


def _is_delivered(arrival: Arrival) -> bool:
    if isinstance(arrival.event, Repeated):  # Judged by its hash, whatever is delivered.
        return False
    return all(not arrival.stream.delivered.holes(*one) for one in arrival.ranges)
