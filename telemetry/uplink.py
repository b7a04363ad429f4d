"""The delivery protocol, both sides, without waiting for anything: frames in, frames and facts out.

Rule 1: the edge releases a block only when the centre says that it is committed.
Rule 2: the centre hands blocks over strictly in the order of their numbers, each at most once.
Rule 3: a number that will never come is declared lost by the edge; nothing waits for it.
Rule 4: a new connection begins with what the centre needs; nothing else is remembered of the old.

Decision record 0003 tells why. The line itself is a websocket, or messages at a broker:
`edge_agent.uplink` holds the one end, `ingest` the other.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import UUID

from telemetry.frames import (
    PROTOCOL,
    RANGES_MAX,
    Ack,
    Answer,
    Block,
    Hello,
    Lost,
    Measure,
    ProtocolError,
    Refusal,
    RefusalCode,
    Rejected,
    Welcome,
    acks,
    decode_centre_frame,
    decode_edge_frame,
    encode_frame,
)
from telemetry.ranges import Range, RangeSet
from telemetry.wire import BLOCK_BYTES_MAX

WINDOW_BLOCKS: Final = 64  # Sent and not yet acknowledged.
WINDOW_BYTES: Final = 4 << 20
WAITING_BLOCKS_MAX: Final = 256  # Held back at the centre because an earlier one is missing.
WAITING_BYTES_MAX: Final = 8 << 20
PATIENCE_S: Final = 30.0  # Without a word from the centre before the edge tries a new connection.
NO_LONGER_HELD: Final = "the edge no longer holds these blocks"


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The centre told what it has: to be released, and what it lacks and will be sent."""

    delivered: list[Range]
    missing: list[Range]


@dataclass(frozen=True, slots=True)
class Released:
    """The centre has committed these numbers."""

    ranges: list[Range]


@dataclass(frozen=True, slots=True)
class BlockRejected:
    """The centre put a block into quarantine."""

    seq: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The centre does not take this stream; the connection is over."""

    code: RefusalCode
    message: str


@dataclass(frozen=True, slots=True)
class EpochOutdated:
    """The centre holds numbers that this spool has not given out: it is an old copy."""

    highest: int


EdgeEvent = Measure | Welcomed | Released | BlockRejected | Refused | EpochOutdated


class EdgeSide:
    """The edge's side of a stream: what to send next, and what may be released."""

    def __init__(
        self,
        *,
        site: str,
        edge: str,
        epoch: UUID,
        patience_s: float = PATIENCE_S,
        run: UUID | None = None,
        takes_commands: bool = False,
    ) -> None:
        self.window_blocks = WINDOW_BLOCKS  # Fewer, where the carrier drops what is too much.
        self._patience_s = patience_s
        self._site = site
        self._edge = edge
        self._says = (run, takes_commands)
        self.epoch = epoch
        self._welcome = False
        self._lowest_held = 1
        self._next_seq = 1
        self._losses: Mapping[int, str] = {}
        self._held = RangeSet()  # In the spool, as far as it matters to this connection.
        self._unsent = RangeSet()
        self._in_flight: dict[int, int] = {}  # Number and bytes.
        self._waiting_since_s: float | None = None

    def opened(
        self, *, held: RangeSet, next_seq: int, at_s: float, losses: Mapping[int, str] | None = None
    ) -> list[bytes]:
        """Begin a connection with what the spool holds, acknowledged or not.

        `losses` are numbers that stand for what was gone before it had one in this stream, each
        with the reason that the centre is to learn.
        """
        self._welcome = False
        self._held = held.copy()
        self._next_seq = next_seq
        self._losses = losses or {}
        # A number whose loss has a reason counts as held: nobody else may declare it.
        self._lowest_held = min([*(first for first, _ in held), *self._losses, next_seq])
        self._unsent = RangeSet()
        self._in_flight = {}
        self._waiting_since_s = at_s
        stream = (self._site, self._edge, self.epoch)
        return [encode_frame(Hello(PROTOCOL, *stream, self._lowest_held, next_seq, *self._says))]

    def received(self, data: bytes, *, at_s: float) -> tuple[list[EdgeEvent], list[bytes]]:
        """Take a frame from the centre; return what it means and what to answer."""
        frame = decode_centre_frame(data)
        match frame:
            case Welcome(delivered):
                return self._welcomed(RangeSet(delivered))
            case Ack(ranges):
                return self._settle(ranges, at_s), []
            case Rejected(seq, reason, message):
                return [BlockRejected(seq, reason, message)], []
            case Refusal(code, message):
                return [Refused(code, message)], []
            case Measure():
                return [frame], []

    def appended(self, seq: int) -> None:
        """Learn of a block that has been committed to the spool; what is known is passed over.

        The news may come in any order: a block counts as lost only when the spool is without it.
        """
        if seq in self._held:
            return
        self._next_seq = max(self._next_seq, seq + 1)
        self._held.add(seq)
        if self._welcome:
            self._unsent.add(seq)

    def dropped(self, first: int, last: int, reason: str) -> list[bytes]:
        """Learn that the spool gave blocks up; declare those lost that were still to be sent."""
        self._held.remove(first, last)
        lost = self._unsent.within(first, last)
        self._unsent.remove(first, last)
        return [encode_frame(Lost(*one, reason)) for one in lost]

    def next_to_send(self) -> list[int]:
        """List the numbers that the window has room for, in order."""
        room = self.window_blocks - len(self._in_flight)
        if room <= 0 or self.room_bytes < BLOCK_BYTES_MAX:
            return []
        numbers: list[int] = []
        for first, last in self._unsent:
            numbers.extend(range(first, min(last, first + room - 1) + 1))
            room -= min(last, first + room - 1) - first + 1
            if not room:
                break
        return numbers

    def sending(self, seq: int, content: bytes, *, at_s: float) -> bytes | None:
        """Turn a block into the frame that carries it, and count it as sent.

        None when it need not be sent any more: the centre may have committed what an earlier
        connection carried, while the block was being read.
        """
        if seq not in self._unsent:
            return None
        assert len(content) <= self.room_bytes
        if not self._in_flight:
            self._waiting_since_s = at_s
        self._unsent.remove(seq)
        self._in_flight[seq] = len(content)
        return encode_frame(Block(seq, content))

    def is_stalled(self, at_s: float) -> bool:
        """Tell whether the centre owes an answer for so long that the line must be dead."""
        return self._waiting_since_s is not None and at_s - self._waiting_since_s > self._patience_s

    @property
    def room_bytes(self) -> int:
        """How many bytes the window has room for."""
        return WINDOW_BYTES - sum(self._in_flight.values())

    @property
    def is_drained(self) -> bool:
        """Whether the centre has committed everything there is."""
        return self._welcome and not self._unsent.count and not self._in_flight

    def _welcomed(self, delivered: RangeSet) -> tuple[list[EdgeEvent], list[bytes]]:
        if self._welcome:  # The carrier may repeat a frame.
            return [], []
        if (delivered.last or 0) >= self._next_seq:
            return [EpochOutdated(delivered.last or 0)], []
        self._welcome = True
        self._waiting_since_s = None
        self._unsent = self._held.without(delivered)
        gone = RangeSet(self._held.union(delivered).holes(self._lowest_held, self._next_seq - 1))
        told = [seq for seq in self._losses if seq in gone]
        lost = [encode_frame(Lost(seq, seq, self._losses[seq])) for seq in told]
        for first, last in gone.without(RangeSet((seq, seq) for seq in told)):
            lost.append(encode_frame(Lost(first, last, NO_LONGER_HELD)))
        return [Welcomed(delivered.to_list(), self._unsent.to_list())], lost

    def _settle(self, ranges: Iterable[Range], at_s: float) -> list[EdgeEvent]:
        released = RangeSet()
        for first, last in ranges:
            for seq in [one for one in self._in_flight if first <= one <= last]:
                del self._in_flight[seq]
                released.add(seq)
            for one in self._unsent.within(first, last):
                released.add(*one)
            self._unsent.remove(first, last)
        if self._welcome:
            self._waiting_since_s = at_s if self._in_flight else None
        return [Released(released.to_list())] if released else []


@dataclass(frozen=True, slots=True)
class HelloReceived:
    """An edge said who it is: check it, then call `CentreSide.welcome` or refuse."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class BlockReceived:
    """The next block of the stream."""

    seq: int
    content: bytes
    hash: bytes  # SHA-256 of the content.


@dataclass(frozen=True, slots=True)
class LostDeclared:
    """These numbers will never come; acknowledge them with `committed` once that is recorded."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """A number that is settled already came again: compare the hash, then acknowledge it.

    The content comes with it, because it may be other data than what was settled.
    """

    seq: int
    content: bytes
    hash: bytes  # SHA-256 of the content.


StreamEvent = BlockReceived | LostDeclared | Repeated
CentreEvent = HelloReceived | Answer | StreamEvent


class _Stage(Enum):
    AWAITING_HELLO = 1
    AWAITING_WELCOME = 2
    OPEN = 3


class CentreSide:
    """The centre's side of one connection: puts blocks in order and sorts repetitions out."""

    def __init__(self) -> None:
        self._stage = _Stage.AWAITING_HELLO
        self._hello: Hello | None = None
        self._settled = RangeSet()  # Committed in the database, or recorded there as lost.
        self._passed = RangeSet()  # The settled, and those handed over but not yet settled.
        self._waiting: dict[int, bytes] = {}
        self._waiting_bytes = 0

    def received(self, data: bytes) -> list[CentreEvent]:
        """Take a frame from the edge; return what it means, blocks in the order of the stream."""
        frame = decode_edge_frame(data)
        if isinstance(frame, Hello):
            return self._introduced(frame)
        if self._stage is not _Stage.OPEN:
            raise ProtocolError(f"a {type(frame).__name__} frame came before the welcome")
        if isinstance(frame, Answer):
            return [frame]  # It is no part of the stream.
        if isinstance(frame, Lost):
            return [*self._declared(frame), *self._in_order()]
        if frame.seq in self._settled:
            return [_repeated(frame)]
        if frame.seq not in self._passed:
            self._hold(frame)
        return [*self._in_order()]

    def welcome(
        self, delivered: RangeSet, pending: RangeSet | None = None
    ) -> tuple[list[bytes], list[StreamEvent]]:
        """Answer a hello with what needs no sending; return the frames and what is lost already.

        `delivered` are the numbers that are committed or recorded as lost; `pending` those
        handed over by an earlier connection whose flush is still under way.
        """
        assert self._stage is _Stage.AWAITING_WELCOME
        assert self._hello is not None
        self._stage = _Stage.OPEN
        self._settled = delivered.copy()
        self._passed = delivered.union(pending or RangeSet())
        ranges = delivered.to_list()
        if len(ranges) > RANGES_MAX:  # The rest is sent again, and acknowledged again.
            ranges = [*ranges[: RANGES_MAX - 1], ranges[-1]]
        events: list[StreamEvent] = []
        if self._hello.lowest_held > 1:
            events = self._declared(Lost(1, self._hello.lowest_held - 1, NO_LONGER_HELD))
        return [encode_frame(Welcome(ranges))], events

    def committed(self, ranges: Iterable[Range]) -> list[bytes]:
        """Acknowledge numbers that are now in the database, as blocks, as lost or as quarantine.

        The whole ranges that they belong to are named, so that a lost frame is made up for by
        the next one.
        """
        new = list(ranges)
        for first, last in new:
            self._settled.add(first, last)
            self._passed.add(first, last)
        return acks(
            RangeSet(one for first, last in new for one in self._settled.around(first, last))
        )

    def _introduced(self, hello: Hello) -> list[CentreEvent]:
        if self._hello == hello:  # The carrier may repeat a frame.
            return []
        if self._hello is not None:
            raise ProtocolError("a second Hello frame came on one connection")
        if hello.protocol != PROTOCOL:
            raise ProtocolError(f"the edge speaks protocol {hello.protocol}, not {PROTOCOL}")
        self._hello = hello
        self._stage = _Stage.AWAITING_WELCOME
        return [HelloReceived(hello)]

    def _hold(self, block: Block) -> None:
        if block.seq in self._waiting:
            return
        # The next in order is never held for long, so it always finds room. Another one that
        # finds none is not acknowledged, so the edge sends it again.
        is_next = block.seq == self._passed.first_absent(1)
        room = len(self._waiting) < WAITING_BLOCKS_MAX
        if is_next or (room and self._waiting_bytes + len(block.content) <= WAITING_BYTES_MAX):
            self._waiting[block.seq] = block.content
            self._waiting_bytes += len(block.content)

    def _in_order(self) -> list[BlockReceived]:
        blocks: list[BlockReceived] = []
        while (seq := self._passed.first_absent(1)) in self._waiting:
            content = self._waiting.pop(seq)
            self._waiting_bytes -= len(content)
            self._passed.add(seq)
            blocks.append(BlockReceived(seq, content, hashlib.sha256(content).digest()))
        return blocks

    def _declared(self, lost: Lost) -> list[StreamEvent]:
        here = RangeSet((seq, seq) for seq in self._waiting)
        gone = RangeSet(self._passed.holes(lost.first, lost.last)).without(here)
        for first, last in gone:
            self._passed.add(first, last)
        return [LostDeclared(first, last, lost.reason) for first, last in gone]


def _repeated(block: Block) -> Repeated:
    return Repeated(block.seq, block.content, hashlib.sha256(block.content).digest())
