"""Frames of the delivery protocol, of an edge and of the centre: a frame, or `ProtocolError`."""

import random
from collections.abc import Iterator
from uuid import UUID

import msgspec
from fuzz.target import Change, Target, check_sentence
from fuzz.trees import changed_tree

from telemetry.frames import (
    RANGES_MAX,
    Ack,
    Block,
    Hello,
    Lost,
    ProtocolError,
    Refusal,
    Rejected,
    Welcome,
    decode_centre_frame,
    decode_edge_frame,
    encode_frame,
)

EXAMPLES = (
    Hello(1, "mine", "dam-edge", UUID(int=7), 1, 5),
    Block(3, b"GWB\x01"),
    Lost(1, 4, "the disk was full"),
    Welcome([(1, 3), (7, 7)]),
    Ack([(4, 6)]),
    Rejected(5, "malformed", "the block has no header"),
    Refusal("wrong_site", "this centre watches another site"),
)


def read(data: bytes) -> str:
    frame: Hello | Block | Lost | Welcome | Ack | Rejected | Refusal
    try:
        frame = decode_edge_frame(data) if data[:1] < b"\x40" else decode_centre_frame(data)
    except ProtocolError as error:
        check_sentence(error)
        return "refused"
    check(frame)
    again = encode_frame(frame)
    reader = decode_edge_frame if isinstance(frame, Hello | Block | Lost) else decode_centre_frame
    assert reader(again) == frame
    return type(frame).__name__


def check(frame: object) -> None:
    """What the spool and the database rely on."""
    match frame:
        case Hello():
            assert 1 <= frame.lowest_held <= frame.next_seq < 2**63 - 1
        case Block():
            assert 1 <= frame.seq < 2**63 - 1
        case Lost():
            assert 1 <= frame.first <= frame.last < 2**63 - 1
            assert "\0" not in frame.reason
        case Welcome(delivered=ranges) | Ack(ranges=ranges):
            assert len(ranges) <= RANGES_MAX
            assert all(1 <= first <= last < 2**63 - 1 for first, last in ranges)


def seeds() -> Iterator[bytes]:
    yield from map(encode_frame, EXAMPLES)
    yield encode_frame(Ack([(n, n) for n in range(1, 3 * RANGES_MAX, 3)]))
    yield b"\x42" + b"\x91" * 5_000  # A list in a list in a list.


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    try:
        tree = changed_tree(msgspec.msgpack.decode(data[1:]), chance, (2**63 - 2, b"", [1, 2]))
        return data[:1] + msgspec.msgpack.encode(tree)
    except (msgspec.DecodeError, ValueError, OverflowError, TypeError, RecursionError):
        return change(data)


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("refused", *(type(one).__name__ for one in EXAMPLES)),
    words=tuple(bytes([byte]) for byte in (1, 2, 3, 65, 66, 67, 68)),
    mutated=mutated,
    bytes_max=16_384,
    short_runs=1500,
)
