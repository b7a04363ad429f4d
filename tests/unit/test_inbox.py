"""The inbox: arrivals stay until they are committed, and lines wait while it is full."""

import asyncio
from uuid import UUID

import pytest

from ingest import inbox
from ingest.inbox import ARRIVAL_BYTES, Arrival, Inbox, Line, Stream
from telemetry.frames import Ack, Refusal, decode_centre_frame
from telemetry.ranges import RangeSet
from telemetry.uplink import BlockReceived, CentreSide, LostDeclared, Repeated

MINE = ("mine",)


def stream(delivered: RangeSet | None = None, *, site: str = "mine") -> Stream:
    return Stream(site, "dam-edge", UUID(int=1), 1, delivered or RangeSet())


def block(of: Stream, seq: int, size: int = 10, heard_s: float = 0.0) -> Arrival:
    return Arrival(of, BlockReceived(seq, bytes(size), b""), 0, heard_s)


def frames_of(line: Line) -> list[object]:
    frames: list[object] = []
    while not line.frames.empty():
        data = line.frames.get_nowait()
        frames.append(None if data is None else decode_centre_frame(data))
    return frames


def test_looking_takes_nothing_out() -> None:
    box, of = Inbox(), stream()
    for seq in (1, 2, 3):
        box.put(block(of, seq))

    assert [one.ranges for one in box.first(2, 9000, MINE)] == [[(1, 1)], [(2, 2)]]
    assert [one.ranges for one in box.first(9, 2 * (ARRIVAL_BYTES + 10) + 5, MINE)] == [
        [(1, 1)],
        [(2, 2)],
    ]
    assert len(box.first(9, 5, MINE)) == 1  # One at least, or a great block would wait for ever.
    assert len(box) == 3
    assert of.pending == RangeSet([(1, 3)])

    box.drop(box.first(2, 9000, MINE))
    assert [one.ranges for one in box.first(9, 9000, MINE)] == [[(3, 3)]]
    assert len(box) == 1


def test_what_waits_longest_behind_a_flush_is_known() -> None:
    box, of = Inbox(), stream()
    for seq in (1, 2, 3):
        box.put(block(of, seq, heard_s=float(seq)))

    assert box.waiting_since_s("mine", 1) == 2.0
    assert box.waiting_since_s("mine", 3) is None


def test_arrivals_of_several_sites_are_looked_at_in_their_order_or_apart() -> None:
    box, mine, pit = Inbox(), stream(), stream(site="pit")
    for seq, of in enumerate((mine, pit, mine, pit), 1):
        box.put(block(of, seq, heard_s=float(seq)))

    assert [one.ranges[0][0] for one in box.first(3, 9000, ("pit", "mine"))] == [1, 2, 3]
    assert [one.ranges[0][0] for one in box.first(3, 9000, ("pit",))] == [2, 4]
    assert box.count_of(("pit",)) == 2
    box.drop(box.first(3, 9000, ("pit", "mine")))
    assert [one.ranges[0][0] for one in box.first(3, 9000, ("pit", "mine"))] == [4]


async def test_lines_wait_while_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "BYTES_MAX", 2 * ARRIVAL_BYTES + 100)
    box, of = Inbox(), stream()
    box.put(block(of, 1, 60))
    await asyncio.wait_for(box.wait_for_room("mine"), 1)

    box.put(block(of, 2, 60))
    waiting = asyncio.create_task(box.wait_for_room("mine"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await asyncio.wait_for(box.wait_for_room("pit"), 1)  # Another site has room of its own.

    box.drop(box.first(1, 9000, MINE))
    await asyncio.wait_for(waiting, 1)


def test_after_a_commit_of_unknown_outcome_only_the_rest_is_tried_again() -> None:
    box, of = Inbox(), stream()
    of.line = Line(CentreSide())
    for event in (
        BlockReceived(1, b"", b""),
        LostDeclared(2, 3, "full"),
        BlockReceived(4, b"", b""),
        Repeated(1, b"", b""),
    ):
        box.put(Arrival(of, event, 0, 0.0))
    of.delivered = RangeSet([(1, 2)])  # As the database says; of the loss only half is there.

    box.drop_delivered("mine")

    assert [type(one.event) for one in box.first(9, 9000, MINE)] == [
        LostDeclared,
        BlockReceived,
        Repeated,
    ]
    assert frames_of(of.line) == [Ack([(1, 1)])]


def test_settling_acknowledges_and_is_remembered_without_a_line() -> None:
    of = stream()
    Inbox().put(block(of, 1))
    of.settle([(1, 1)])

    assert of.delivered == RangeSet([(1, 1)])
    assert of.pending == RangeSet()


def test_giving_up_ends_the_line_with_a_word() -> None:
    of = stream()
    of.line = Line(CentreSide())
    Inbox().put(Arrival(of, LostDeclared(1, 5, "full"), 0, 0.0))

    of.give_up([(1, 5)], "it can't be recorded")

    assert of.pending == RangeSet()
    assert frames_of(of.line) == [Refusal("protocol", "it can't be recorded"), None]


def test_what_is_read_again_and_still_there_changes_nothing_else() -> None:
    box, of = Inbox(), stream(RangeSet([(1, 4)]))
    of.line = line = Line(CentreSide())
    box.put(block(of, 5))
    box.put(block(of, 6))

    of.reread(RangeSet([(1, 5)]))
    box.drop_delivered("mine")

    assert of.line is line
    assert frames_of(line) == [Ack([(5, 5)])]
    assert [one.ranges for one in box.first(9, 9000, MINE)] == [[(6, 6)]]


def test_a_delivery_that_is_undone_ends_the_line_and_what_came_over_it() -> None:
    """Or 6 would be stored before 3 to 5, which the edge sends again once it calls anew."""
    box, of, other = Inbox(), stream(RangeSet([(1, 5)])), stream()
    of.line = line = Line(CentreSide())
    box.put(block(of, 6))
    box.put(block(other, 1))

    of.reread(RangeSet([(1, 2)]))

    assert of.line is None
    assert frames_of(line) == [None]
    assert (of.delivered, of.pending) == (RangeSet([(1, 2)]), RangeSet())
    box.put(block(of, 3))  # The edge was quick.
    assert [(one.stream is of, one.ranges) for one in box.first(9, 9000, MINE)] == [
        (False, [(1, 1)]),
        (True, [(3, 3)]),
    ]
    box.drop_delivered("mine")
    assert len(box) == 2
    assert of.pending == RangeSet([(3, 3)])


def test_an_edge_that_is_slow_to_call_again_finds_nothing_of_the_undone_delivery() -> None:
    box, of = Inbox(), stream(RangeSet([(1, 5)]))
    box.put(block(of, 6))

    of.reread(RangeSet([(1, 2)]))
    box.drop_delivered("mine")

    assert len(box) == 0


def test_empty_blocks_and_repetitions_fill_it_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "BYTES_MAX", 4 * ARRIVAL_BYTES)
    box, of = Inbox(), stream()
    for seq in (1, 2):
        box.put(block(of, seq, 0))
    box.put(Arrival(of, Repeated(1, bytes(ARRIVAL_BYTES - 1), b""), 0, 0.0))
    assert box.has_room("mine")

    box.put(Arrival(of, Repeated(1, b"1", b""), 0, 0.0))
    assert not box.has_room("mine")
