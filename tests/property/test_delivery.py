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

from telemetry.ranges import RangeSet
from telemetry.uplink import (
    BlockReceived,
    CentreSide,
    EdgeSide,
    HelloReceived,
    LostDeclared,
    Released,
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
