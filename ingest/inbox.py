"""What has come over the lines and waits for the next flush: bounded, in order of arrival.

Each site has a box of its own: one whose flushes fail fills it up, and holds up nobody else.
"""

import asyncio
import heapq
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from telemetry.frames import refusal
from telemetry.ranges import Range, RangeSet
from telemetry.uplink import BlockReceived, CentreSide, LostDeclared, Repeated

# Of a site, compressed. Above it its lines are not read, so the edges' windows fill up.
BYTES_MAX = 64 << 20
# An open line over which nothing comes for so long delivers no backlog, whatever it announced.
CATCHING_UP_PAUSE_S = 30.0
ARRIVAL_BYTES = 500  # What an arrival takes besides its content: many may be empty.
RANGES_TOLD = 5

log = structlog.get_logger()


class Line:
    """The open connection of a stream: what it is told leaves by a queue of its own."""

    def __init__(self, side: CentreSide) -> None:
        self._side = side
        self.is_direct = False  # From the edge to us, with no broker between.
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


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a gateway handed in: blocks that are stored together, under one number."""

    number: int
    contents: tuple[bytes, ...]


@dataclass(eq=False)
class Stream:
    """One spool of one edge, or what one gateway hands in, as this process knows it."""

    site: str
    edge: str
    epoch: UUID
    stream_id: int
    delivered: RangeSet  # Committed in the database, or recorded there as lost.
    pending: RangeSet = field(default_factory=RangeSet)  # Handed over, not yet committed.
    lost: RangeSet = field(default_factory=RangeSet)  # Declared lost, committed or not.
    line: Line | None = None
    is_set_back: bool = False  # What it has in the inbox belongs to a delivery that is undone.
    announced: int = 0  # The newest number that the edge had at its last hello.
    announced_us: int = 0  # When it said so.
    hellos: int = 0  # Counted, because a clock may be set back.
    hellos_stored: int = 0  # Those that the database knows of.
    moved_s: float = float("-inf")  # When something came last; real.
    is_gateways: bool = False

    @property
    def has_news(self) -> bool:
        """Whether the edge has said hello since that was written down last."""
        return self.hellos > self.hellos_stored

    @property
    def has_backlog(self) -> bool:
        """Whether something is not committed yet that the edge had when it said hello."""
        return self.delivered.first_absent(1) <= self.announced

    def is_catching_up(self, now_s: float) -> bool:
        """Tell whether a backlog is coming over the line right now."""
        return (
            self.line is not None
            and self.has_backlog
            and now_s - self.moved_s <= CATCHING_UP_PAUSE_S
        )

    def reread(self, delivered: RangeSet) -> None:
        """Take over what the database says is delivered.

        Where something is gone that was delivered (it has been restored, or a replica has taken
        over), the line is closed at once: a new one begins with what is lacking, and later
        blocks must not be stored before the lost ones.
        """
        gone = self.delivered.without(delivered)
        self.delivered = delivered
        if not gone:
            return
        log.warning(
            "delivered blocks are gone from the database",
            site=self.site,
            edge=self.edge,
            ranges=gone.to_list()[:RANGES_TOLD],
        )
        self.pending = RangeSet()
        self.is_set_back = True
        if self.line is not None:
            self.line.close()
            self.line = None

    def give_up(self, ranges: Iterable[Range], message: str) -> None:
        """Forget what can't be recorded, and end the line over which it came."""
        for first, last in ranges:
            self.pending.remove(first, last)
        if self.line is not None:
            self.line.tell(refusal("protocol", message))
            self.line.close()

    def settle(self, ranges: Iterable[Range]) -> None:
        """Note what has been committed, and acknowledge it if the edge is there."""
        if self.is_gateways:  # It is answered by other ways, and its numbers have holes.
            return
        settled = RangeSet(ranges)
        for first, last in settled:
            self.delivered.add(first, last)
            self.pending.remove(first, last)
        if self.line is not None and settled:
            self.line.committed(settled)


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """Something that an edge or a gateway sent, at the moment it came."""

    stream: Stream
    event: BlockReceived | LostDeclared | Repeated | Submitted
    received_us: int  # By the clock of the scenario.
    heard_s: float  # By the real monotonic clock.

    @property
    def weight(self) -> int:
        """Bytes that it counts for."""
        if isinstance(self.event, LostDeclared):
            return ARRIVAL_BYTES
        if isinstance(self.event, Submitted):
            return ARRIVAL_BYTES + sum(len(content) for content in self.event.contents)
        return ARRIVAL_BYTES + len(self.event.content)

    @property
    def blocks(self) -> tuple[BlockReceived, ...]:
        """The blocks that came with it; those of a submission share its number."""
        if isinstance(self.event, Submitted):
            number = self.event.number
            return tuple(BlockReceived(number, one, b"") for one in self.event.contents)
        return (self.event,) if isinstance(self.event, BlockReceived) else ()

    @property
    def ranges(self) -> list[Range]:
        """The numbers it settles."""
        if isinstance(self.event, LostDeclared):
            return [(self.event.first, self.event.last)]
        if isinstance(self.event, Submitted):
            return []
        return [(self.event.seq, self.event.seq)]


class Box:
    """The arrivals of one site."""

    def __init__(self) -> None:
        self.arrivals: deque[Arrival] = deque()
        self.room = asyncio.Event()
        self.room.set()
        self._bytes = 0

    def put(self, arrival: Arrival) -> None:
        """Add an arrival; there is no room any more once too much waits."""
        self.arrivals.append(arrival)
        self._bytes += arrival.weight
        if self._bytes >= BYTES_MAX:
            self.room.clear()

    def keep(self, arrivals: Iterable[Arrival]) -> None:
        """Drop all others."""
        self.arrivals = deque(arrivals)
        self._bytes = sum(arrival.weight for arrival in self.arrivals)
        if self._bytes < BYTES_MAX:
            self.room.set()


class Inbox:
    """Arrivals in order. Lines put, the flush looks, and takes only after the commit."""

    def __init__(self) -> None:
        self._boxes: defaultdict[str, Box] = defaultdict(Box)  # By site.
        self.filled = asyncio.Event()

    def __len__(self) -> int:
        return sum(len(box.arrivals) for box in self._boxes.values())

    def count_of(self, sites: Collection[str]) -> int:
        """Return how many arrivals of some sites wait."""
        return sum(len(self._boxes[site].arrivals) for site in sites)

    def has_room(self, site: str) -> bool:
        """Tell whether a site's lines may be read."""
        return self._boxes[site].room.is_set()

    def submitted(self, site: str) -> dict[int, Arrival]:
        """Return the submissions of a site that wait, by number."""
        arrivals = self._boxes[site].arrivals
        return {one.event.number: one for one in arrivals if isinstance(one.event, Submitted)}

    async def wait_for_room(self, site: str) -> None:
        """Wait until a site's lines may be read again."""
        await self._boxes[site].room.wait()

    def put(self, arrival: Arrival) -> None:
        """Add an arrival; its numbers are pending from now on."""
        self._drop_set_back(arrival.stream)
        arrival.stream.moved_s = arrival.heard_s
        for first, last in arrival.ranges:
            arrival.stream.pending.add(first, last)
        self._boxes[arrival.stream.site].put(arrival)
        self.filled.set()

    def first(self, count: int, bytes_max: int, sites: Collection[str]) -> list[Arrival]:
        """Look at the oldest arrivals of some sites, at least one if there is any."""
        chosen: list[Arrival] = []
        weight = 0
        in_order = heapq.merge(
            *(self._boxes[site].arrivals for site in sites), key=lambda one: one.heard_s
        )
        for arrival in in_order:
            if chosen and (len(chosen) >= count or weight + arrival.weight > bytes_max):
                break
            chosen.append(arrival)
            weight += arrival.weight
        return chosen

    def waiting_since_s(self, site: str, count: int) -> float | None:
        """Return when the oldest arrival of a site came that is not among its first so many."""
        arrivals = self._boxes[site].arrivals
        return arrivals[count].heard_s if count < len(arrivals) else None

    def drop(self, arrivals: Sequence[Arrival]) -> None:
        """Take arrivals out: they are committed."""
        gone = {id(one) for one in arrivals}
        for site in {one.stream.site for one in arrivals}:
            box = self._boxes[site]
            box.keep(one for one in box.arrivals if id(one) not in gone)

    def drop_delivered(self, site: str) -> None:
        """After a recovery: take out what turned out to be committed, or is to be sent again."""
        box = self._boxes[site]
        for stream in {one.stream for one in box.arrivals}:
            self._drop_set_back(stream)
        delivered = [one for one in box.arrivals if _is_delivered(one)]
        for arrival in delivered:
            arrival.stream.settle(arrival.ranges)
        self.drop(delivered)

    def _drop_set_back(self, stream: Stream) -> None:
        if not stream.is_set_back:
            return
        stream.is_set_back = False
        box = self._boxes[stream.site]
        box.keep(one for one in box.arrivals if one.stream is not stream)


def _is_delivered(arrival: Arrival) -> bool:
    if isinstance(arrival.event, Repeated):  # Judged by its hash, whatever is delivered.
        return False
    if isinstance(arrival.event, Submitted):  # Looked up by `ingest.submissions`.
        return False
    return all(not arrival.stream.delivered.holes(*one) for one in arrival.ranges)
