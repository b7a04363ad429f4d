"""Delivery over a line that loses, repeats, reorders and breaks, between sides that crash.

Hours pass on a virtual clock. Whatever happens, every block that the edge still has reaches
the database exactly once, in order, and every other one is declared lost.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.frames import Block, ProtocolError, encode_frame, refusal, rejection
from telemetry.ranges import RangeSet
from telemetry.uplink import (
    PATIENCE_S,
    WINDOW_BLOCKS,
    BlockReceived,
    BlockRejected,
    CentreSide,
    EdgeSide,
    EpochOutdated,
    HelloReceived,
    LostDeclared,
    Refused,
    Released,
    Repeated,
    StreamEvent,
    Welcomed,
)

EPOCH = UUID(int=1)
BLOCK_EVERY_S = 1.0
COMMIT_EVERY_S = 0.5
RETRY_S = 0.2  # Sooner than a commit, so that what was handed over may still be pending.


@dataclass(frozen=True)
class Faults:
    """How bad the world is; chances are per frame, per commit, or per 0.7 s."""

    loss: float = 0.0
    repeat: float = 0.0
    delay_s: float = 0.0  # Up to; different delays reorder.
    cut: float = 0.0
    edge_crash: float = 0.0
    centre_crash: float = 0.0
    failed_commit: float = 0.0
    dropped: float = 0.0  # The spool gives an undelivered block up.


@dataclass
class Database:
    """What survives a crash of the centre."""

    blocks: list[tuple[int, bytes]] = field(default_factory=list)
    delivered: RangeSet = field(default_factory=RangeSet)  # With what is recorded as lost.
    lost: list[int] = field(default_factory=list)


@dataclass
class SpoolFile:
    """What survives a crash of the edge."""

    blocks: dict[int, bytes] = field(default_factory=dict)
    next_seq: int = 1
    released: RangeSet = field(default_factory=RangeSet)
    given_up: set[int] = field(default_factory=set)


class World:
    """An edge, a centre, a line between them, and time."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self.chance = random.Random(seed)
        self.now_s = 0.0
        self.database = Database()
        self.spool = SpoolFile()
        self.connection = 0  # Frames of an older connection are never seen again.
        self.edge: EdgeSide | None = None
        self.centre: CentreSide | None = None
        self.flush: list[StreamEvent] = []
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def run(self, faulty_s: float, calm_s: float) -> None:
        """Live through bad times, then through good ones."""
        self.after(0.0, self.connect)
        self.every(BLOCK_EVERY_S, self.produce)
        self.every(COMMIT_EVERY_S, self.commit)
        self.every(0.7, self.misfortunes)  # Not in step with the commits.
        self.pass_time(faulty_s)
        self.faults = Faults()
        self.pass_time(faulty_s + calm_s)

    def pass_time(self, until_s: float) -> None:
        while self._events and self._events[0][0] <= until_s:
            self.now_s, _, happen = heapq.heappop(self._events)
            happen()

    def after(self, delay_s: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now_s + delay_s, next(self._order), happen))

    def every(self, period_s: float, happen: Callable[[], None]) -> None:
        def again() -> None:
            happen()
            self.after(period_s, again)

        self.after(period_s, again)

    def produce(self) -> None:
        seq = self.spool.next_seq
        self.spool.blocks[seq] = b"block %d" % seq
        self.spool.next_seq += 1
        if self.edge is not None:
            self.edge.appended(seq)
            self.send_blocks()

    def misfortunes(self) -> None:
        chance, faults = self.chance, self.faults
        if chance.random() < faults.cut:
            self.cut()
        if chance.random() < faults.edge_crash:
            self.cut()
        if chance.random() < faults.centre_crash:
            self.flush = []
            self.cut()
        if chance.random() < faults.dropped:
            self.give_up()
        if self.edge is not None and self.edge.is_stalled(self.now_s):
            self.cut()

    def give_up(self) -> None:
        waiting = [seq for seq in self.spool.blocks if seq not in self.spool.released]
        if waiting:
            seq = self.chance.choice(waiting)
            del self.spool.blocks[seq]
            self.spool.given_up.add(seq)
            if self.edge is not None:
                self.to_centre(self.edge.dropped(seq, seq, "full"))

    def cut(self) -> None:
        """Both sides forget the connection; what was handed over may still be committed."""
        self.connection += 1
        self.edge = None
        self.centre = None
        self.after(RETRY_S, self.connect)

    def connect(self) -> None:
        if self.edge is None:
            self.edge = EdgeSide(site="mine", edge="edge", epoch=EPOCH)
            self.centre = CentreSide()
            held = RangeSet((seq, seq) for seq in self.spool.blocks)
            self.to_centre(
                self.edge.opened(held=held, next_seq=self.spool.next_seq, at_s=self.now_s)
            )

    def to_centre(self, frames: list[bytes]) -> None:
        self.carry(frames, self.centre_hears)

    def to_edge(self, frames: list[bytes]) -> None:
        self.carry(frames, self.edge_hears)

    def carry(self, frames: list[bytes], hears: Callable[[bytes], None]) -> None:
        connection = self.connection
        for frame in frames:
            copies = 1 + (self.chance.random() < self.faults.repeat)
            copies *= self.chance.random() >= self.faults.loss
            for _ in range(copies):

                def arrive(frame: bytes = frame) -> None:
                    if connection == self.connection:
                        hears(frame)

                self.after(0.05 + self.chance.uniform(0.0, self.faults.delay_s), arrive)

    def centre_hears(self, frame: bytes) -> None:
        assert self.centre is not None
        for event in self.centre.received(frame):
            if isinstance(event, HelloReceived):
                pending = RangeSet(numbers_of(one) for one in self.flush)
                frames, lost = self.centre.welcome(self.database.delivered, pending)
                self.flush += lost
                self.to_edge(frames)
            else:
                self.flush.append(event)

    def commit(self) -> None:
        if self.flush and self.chance.random() < self.faults.failed_commit:
            self.flush = []
            self.cut()  # Whoever fails to commit forgets what was handed over, and starts anew.
        settled = RangeSet()
        for event in self.flush:
            first, last = numbers_of(event)
            if isinstance(event, BlockReceived):
                self.database.blocks.append((event.seq, event.content))
            elif isinstance(event, LostDeclared):
                self.database.lost += range(first, last + 1)
            settled.add(first, last)
        self.flush = []
        self.database.delivered = self.database.delivered.union(settled)
        if self.centre is not None and settled:
            self.to_edge(self.centre.committed(settled))

    def edge_hears(self, frame: bytes) -> None:
        assert self.edge is not None
        events, frames = self.edge.received(frame, at_s=self.now_s)
        for event in events:
            match event:
                case Welcomed(delivered, _) | Released(delivered):
                    self.spool.released = self.spool.released.union(RangeSet(delivered))
                case _:
                    raise AssertionError(event)
        self.to_centre(frames)
        self.send_blocks()

    def send_blocks(self) -> None:
        assert self.edge is not None
        for seq in self.edge.next_to_send():
            frame = self.edge.sending(seq, self.spool.blocks[seq], at_s=self.now_s)
            assert frame is not None
            self.to_centre([frame])

    def check(self) -> None:
        """Nothing is lost that was not declared, nothing came twice, all is in order."""
        seqs = [seq for seq, _ in self.database.blocks]
        assert seqs == sorted(set(seqs))
        assert all(content == b"block %d" % seq for seq, content in self.database.blocks)
        assert len(set(self.database.lost)) == len(self.database.lost)
        assert not set(seqs) & set(self.database.lost)
        assert set(self.database.lost) <= self.spool.given_up
        assert self.spool.released.without(self.database.delivered).count == 0
        # The newest may still be on their way.
        due = self.spool.next_seq - 1 - round(5 / BLOCK_EVERY_S)
        assert self.database.delivered.first_absent(1) > due
        kept = RangeSet((seq, seq) for seq in self.spool.blocks if seq <= due)
        assert kept.without(self.spool.released).count == 0


def numbers_of(event: StreamEvent) -> tuple[int, int]:
    if isinstance(event, LostDeclared):
        return event.first, event.last
    return event.seq, event.seq


CHANCES = st.sampled_from([0.0, 0.0, 0.02, 0.2])


@settings(max_examples=40, deadline=None)
@given(
    st.builds(
        Faults,
        loss=CHANCES,
        repeat=CHANCES,
        delay_s=st.sampled_from([0.0, 1.0, 10.0]),
        cut=CHANCES,
        edge_crash=CHANCES,
        centre_crash=CHANCES,
        failed_commit=CHANCES,
        dropped=CHANCES,
    ),
    st.integers(0, 2**32),
)
def test_every_block_arrives_once_in_order_or_is_declared_lost(faults: Faults, seed: int) -> None:
    world = World(faults, seed)
    world.run(faulty_s=600.0, calm_s=200.0)
    world.check()


@pytest.mark.parametrize("seed", range(3))
def test_an_hour_of_everything_at_once(seed: int) -> None:
    faults = Faults(
        loss=0.05,
        repeat=0.1,
        delay_s=3.0,
        cut=0.01,
        edge_crash=0.005,
        centre_crash=0.005,
        failed_commit=0.02,
        dropped=0.01,
    )
    world = World(faults, seed)
    world.run(faulty_s=3600.0, calm_s=300.0)
    world.check()
    assert world.connection > 20
    assert world.database.lost


def test_a_perfect_line_is_never_cut() -> None:
    world = World(Faults(), seed=1)
    world.run(faulty_s=600.0, calm_s=60.0)
    world.check()
    assert world.connection == 0
    assert world.database.lost == []


def opened(held: RangeSet, next_seq: int) -> tuple[EdgeSide, CentreSide, bytes]:
    edge = EdgeSide(site="mine", edge="edge", epoch=EPOCH)
    (hello,) = edge.opened(held=held, next_seq=next_seq, at_s=0.0)
    return edge, CentreSide(), hello


def test_a_restored_centre_gets_again_what_the_spool_still_holds() -> None:
    edge, centre, hello = opened(RangeSet([(4, 9)]), 10)
    centre.received(hello)
    (welcome,), lost = centre.welcome(RangeSet([(1, 2)]))

    assert lost == [LostDeclared(3, 3, "the edge no longer holds these blocks")]
    assert edge.received(welcome, at_s=0.0) == ([Welcomed([(1, 2)], [(4, 9)])], [])
    assert edge.next_to_send() == [4, 5, 6, 7, 8, 9]


def test_an_old_copy_of_a_spool_is_recognised() -> None:
    edge, centre, hello = opened(RangeSet([(1, 5)]), 6)
    centre.received(hello)
    (welcome,), _ = centre.welcome(RangeSet([(1, 7)]))

    assert edge.received(welcome, at_s=0.0) == ([EpochOutdated(7)], [])


def test_a_repeated_block_is_told_from_a_changed_one() -> None:
    _, centre, hello = opened(RangeSet([(1, 1)]), 2)
    centre.received(hello)
    centre.welcome(RangeSet())
    frames = [sent(1, content) for content in (b"one", b"one", b"other")]

    (first,) = centre.received(frames[0])
    assert isinstance(first, BlockReceived)
    assert centre.received(frames[1]) == []  # Not committed yet: the acknowledgement will come.
    centre.committed([(1, 1)])
    (same,) = centre.received(frames[1])
    (changed,) = centre.received(frames[2])
    assert same == Repeated(1, first.hash)
    assert isinstance(changed, Repeated)
    assert changed.hash != first.hash


def test_a_lost_acknowledgement_is_made_up_for_by_the_next() -> None:
    edge, centre, hello = opened(RangeSet([(1, 2)]), 3)
    centre.received(hello)
    (welcome,), _ = centre.welcome(RangeSet())
    edge.received(welcome, at_s=0.0)
    for seq in edge.next_to_send():
        frame = edge.sending(seq, b"x", at_s=0.0)
        assert frame is not None
        centre.received(frame)

    centre.committed([(1, 1)])  # This frame never arrives.
    (ack,) = centre.committed([(2, 2)])
    assert edge.received(ack, at_s=1.0) == ([Released([(1, 2)])], [])
    assert edge.is_drained


def test_what_the_spool_gives_up_is_declared_at_once_unless_it_was_sent() -> None:
    edge, centre, hello = opened(RangeSet([(1, 3)]), 4)
    centre.received(hello)
    (welcome,), _ = centre.welcome(RangeSet())
    edge.received(welcome, at_s=0.0)
    block = edge.sending(1, b"x", at_s=0.0)
    assert block is not None

    (lost,) = edge.dropped(1, 2, "full")
    (first,) = centre.received(block)
    assert isinstance(first, BlockReceived)
    assert centre.received(lost) == [LostDeclared(2, 2, "full")]
    assert edge.next_to_send() == [3]
    assert edge.sending(2, b"x", at_s=0.0) is None


def test_the_window_is_kept() -> None:
    edge, centre, hello = opened(RangeSet([(1, 500)]), 501)
    centre.received(hello)
    (welcome,), _ = centre.welcome(RangeSet())
    edge.received(welcome, at_s=0.0)

    assert edge.next_to_send() == list(range(1, WINDOW_BLOCKS + 1))
    for seq in (1, 2, 3):
        edge.sending(seq, bytes(1 << 20), at_s=0.0)
    assert edge.next_to_send()[0] == 4
    edge.sending(4, b"one byte too many for another of the greatest", at_s=0.0)
    assert edge.next_to_send() == []
    assert not edge.is_stalled(PATIENCE_S)
    assert edge.is_stalled(PATIENCE_S + 0.1)


def test_what_is_said_out_of_turn_breaks_the_line() -> None:
    _, centre, hello = opened(RangeSet([(1, 1)]), 2)
    block = sent(1, b"x")
    with pytest.raises(ProtocolError, match="before the welcome"):
        centre.received(block)
    centre.received(hello)
    assert centre.received(hello) == []
    stranger = EdgeSide(site="mine", edge="stranger", epoch=EPOCH)
    with pytest.raises(ProtocolError, match="second Hello"):
        centre.received(stranger.opened(held=RangeSet(), next_seq=1, at_s=0.0)[0])


@given(st.binary(max_size=80))
def test_any_message_is_a_frame_or_a_protocol_error(data: bytes) -> None:
    edge, centre, _ = opened(RangeSet(), 1)
    for candidate in (data, *(bytes([kind]) + data for kind in (1, 2, 3, 65, 66, 67, 68))):
        for hear in (centre.received, lambda one: edge.received(one, at_s=0.0)):
            try:
                hear(candidate)
            except ProtocolError as error:
                assert str(error)  # noqa: PT017 - either outcome is right


def test_a_refusal_and_a_rejection_reach_the_edge() -> None:
    edge, _, _ = opened(RangeSet(), 1)
    assert edge.received(rejection(3, "malformed", "why"), at_s=0.0)[0] == [
        BlockRejected(3, "malformed", "why")
    ]
    assert edge.received(refusal("not_ready", "soon"), at_s=0.0)[0] == [
        Refused("not_ready", "soon")
    ]


def sent(seq: int, content: bytes) -> bytes:
    """Make the frame of a block."""
    return encode_frame(Block(seq, content))
