"""The inbox: arrivals stay until they are committed, and lines wait while it is full."""

import asyncio
from uuid import UUID

import pytest

from ingest import inbox
from ingest.inbox import Arrival, Inbox, Line, Stream
from telemetry.frames import Ack, Refusal, decode_centre_frame
from telemetry.ranges import RangeSet
from telemetry.uplink import BlockReceived, CentreSide, LostDeclared, Repeated


def stream(delivered: RangeSet | None = None) -> Stream:
    return Stream("mine", "dam-edge", UUID(int=1), 1, delivered or RangeSet())


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

    assert [one.ranges for one in box.first(2, 1000)] == [[(1, 1)], [(2, 2)]]
    assert [one.ranges for one in box.first(9, 25)] == [[(1, 1)], [(2, 2)]]
    assert len(box.first(9, 5)) == 1  # One at least, or a great block would wait for ever.
    assert len(box) == 3
    assert of.pending == RangeSet([(1, 3)])

    box.drop(2)
    assert [one.ranges for one in box.first(9, 1000)] == [[(3, 3)]]
    assert box.filled.is_set()
    box.drop(1)
    assert not box.filled.is_set()


def test_what_waits_longest_behind_a_flush_is_known() -> None:
    box, of = Inbox(), stream()
    for seq in (1, 2, 3):
        box.put(block(of, seq, heard_s=float(seq)))

    assert box.waiting_since_s(1) == 2.0
    assert box.waiting_since_s(3) is None


async def test_lines_wait_while_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "BYTES_MAX", 100)
    box, of = Inbox(), stream()
    box.put(block(of, 1, 60))
    await asyncio.wait_for(box.wait_for_room(), 1)

    box.put(block(of, 2, 60))
    waiting = asyncio.create_task(box.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()

    box.drop(1)
    await asyncio.wait_for(waiting, 1)


def test_after_a_commit_of_unknown_outcome_only_the_rest_is_tried_again() -> None:
    box, of = Inbox(), stream()
    of.line = Line(CentreSide())
    for event in (
        BlockReceived(1, b"", b""),
        LostDeclared(2, 3, "full"),
        BlockReceived(4, b"", b""),
        Repeated(1, b""),
    ):
        box.put(Arrival(of, event, 0, 0.0))
    of.delivered = RangeSet([(1, 2)])  # As the database says; of the loss only half is there.

    box.drop_delivered()

    assert [type(one.event) for one in box.first(9, 1000)] == [
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
