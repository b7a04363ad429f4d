"""The delivery protocol, frame by frame: what each side answers, and what it refuses."""

from uuid import UUID

import pytest
from hypothesis import given
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
    LostDeclared,
    Refused,
    Released,
    Repeated,
    Welcomed,
)

EPOCH = UUID(int=1)


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


def test_news_of_blocks_may_come_in_any_order() -> None:
    edge, centre, hello = opened(RangeSet([(1, 9)]), 10)
    centre.received(hello)
    (welcome,), _ = centre.welcome(RangeSet([(1, 9)]))
    for seq in (11, 10, 11):
        edge.appended(seq)

    assert edge.received(welcome, at_s=0.0) == ([Welcomed([(1, 9)], [(10, 11)])], [])
    assert edge.next_to_send() == [10, 11]


def test_what_was_lost_before_it_had_a_number_is_declared_with_its_reason() -> None:
    edge = EdgeSide(site="mine", edge="edge", epoch=EPOCH)
    (hello,) = edge.opened(
        held=RangeSet([(3, 4), (6, 7)]), next_seq=8, at_s=0.0, losses={1: "fire", 5: "flood"}
    )
    centre = CentreSide()
    centre.received(hello)
    (welcome,), nothing = centre.welcome(RangeSet())
    _, frames = edge.received(welcome, at_s=0.0)

    assert nothing == []
    told = [event for frame in frames for event in centre.received(frame)]
    assert {(one.first, one.last, one.reason) for one in told if isinstance(one, LostDeclared)} == {
        (1, 1, "fire"),
        (2, 2, "the edge no longer holds these blocks"),
        (5, 5, "flood"),
    }
    assert edge.next_to_send() == [3, 4, 6, 7]


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
    assert same == Repeated(1, b"one", first.hash)
    assert isinstance(changed, Repeated)
    assert (changed.content, changed.hash != first.hash) == (b"other", True)


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


def test_a_frame_that_nests_without_end_is_a_protocol_error() -> None:
    edge, centre, _ = opened(RangeSet(), 1)
    nested = b"\x91" * 100_000 + b"\x01"
    with pytest.raises(ProtocolError, match="the Block frame is wrong"):
        centre.received(b"\x02\x93\x01\xc4\x00" + nested)
    with pytest.raises(ProtocolError, match="the Ack frame is wrong"):
        edge.received(b"\x42\x92\x90" + nested, at_s=0.0)


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
