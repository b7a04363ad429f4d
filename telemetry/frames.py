"""What an edge and the centre say to each other: one frame per message, type byte first.

Bodies are msgpack arrays. Fields may be added at the end of a frame: older readers skip
them. Whatever arrives is untrusted: it becomes a frame or a `ProtocolError`.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar
from uuid import UUID

import msgspec

from telemetry.ranges import Range, RangeSet

PROTOCOL: Final = 1
FRAME_BYTES_MAX: Final = 2 << 20  # The line refuses longer messages.
RANGES_MAX: Final = 1024  # Ranges in one frame.

Seq = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 2)]  # The one after it is a bigint too.
# No NUL: the store keeps it as text, and what it can't keep would hold up everybody.
REMARK_LENGTH_MAX: Final = 400
Remark = Annotated[str, msgspec.Meta(max_length=REMARK_LENGTH_MAX, pattern=r"^[^\x00]*\Z")]
RefusalCode = Literal["unauthorised", "wrong_site", "protocol", "owned_elsewhere", "not_ready"]


class ProtocolError(Exception):
    """The other side said something that is no frame, or out of turn: the line is closed."""


class Hello(msgspec.Struct, array_like=True, frozen=True):
    """The edge says who it is and which numbers its spool holds."""

    protocol: int
    site: Annotated[str, msgspec.Meta(max_length=63)]
    edge: Annotated[str, msgspec.Meta(max_length=63)]
    epoch: UUID
    lowest_held: Seq  # All below are lost. Equal to next_seq when the spool is empty.
    next_seq: Seq
    # Made anew by each run of an agent, so that two boxes with one identity are found out; an
    # older agent says nothing, and an older centre passes over it.
    run: UUID | None = None
    takes_commands: bool = False  # Else the centre sends nothing that an older agent can't read.


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """The edge says what became of a command."""

    command: UUID
    done: bool
    remark: Remark


class Measure(msgspec.Struct, array_like=True, frozen=True):
    """The centre asks for a scan of a group now, beside its schedule."""

    command: UUID
    group: Annotated[str, msgspec.Meta(max_length=63)]


class Block(msgspec.Struct, array_like=True, frozen=True):
    """The edge sends a block of scans, as `telemetry.wire` writes it."""

    seq: Seq
    content: bytes


class Lost(msgspec.Struct, array_like=True, frozen=True):
    """The edge declares that it will never send these numbers."""

    first: Seq
    last: Seq
    reason: Remark


class Welcome(msgspec.Struct, array_like=True, frozen=True):
    """The centre says which numbers of the stream it needs no more."""

    delivered: Annotated[list[tuple[Seq, Seq]], msgspec.Meta(max_length=RANGES_MAX)]


class Ack(msgspec.Struct, array_like=True, frozen=True):
    """The centre has committed these numbers: the edge may release them."""

    ranges: Annotated[list[tuple[Seq, Seq]], msgspec.Meta(max_length=RANGES_MAX)]


class Rejected(msgspec.Struct, array_like=True, frozen=True):
    """A block is in quarantine; it is acknowledged as well, so it is not sent again."""

    seq: Seq
    reason: str
    message: str


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """The centre does not take this stream; nothing follows on this connection."""

    code: RefusalCode
    message: str


Frame = TypeVar("Frame")
EdgeFrame = Hello | Block | Lost | Answer
CentreFrame = Welcome | Ack | Rejected | Refusal | Measure
TYPE_BYTES: Final[dict[type[EdgeFrame | CentreFrame], int]] = {
    Hello: 1,
    Block: 2,
    Lost: 3,
    Answer: 5,
    Welcome: 65,
    Ack: 66,
    Rejected: 67,
    Refusal: 68,
    Measure: 71,
}
EDGE_FRAMES: Final[dict[int, type[EdgeFrame]]] = {1: Hello, 2: Block, 3: Lost, 5: Answer}
CENTRE_FRAMES: Final[dict[int, type[CentreFrame]]] = {
    65: Welcome,
    66: Ack,
    67: Rejected,
    68: Refusal,
    71: Measure,
}


def encode_frame(frame: EdgeFrame | CentreFrame) -> bytes:
    """Write a frame as one message."""
    return bytes([TYPE_BYTES[type(frame)]]) + msgspec.msgpack.encode(frame)


def decode_edge_frame(data: bytes) -> EdgeFrame:
    """Read what an edge sent, or raise `ProtocolError`."""
    frame = _decode(data, EDGE_FRAMES)
    if isinstance(frame, Lost):
        _check_ranges([(frame.first, frame.last)])
    if isinstance(frame, Hello) and frame.lowest_held > frame.next_seq:
        raise ProtocolError(
            f"the lowest number held, {frame.lowest_held}, is above the next, {frame.next_seq}"
        )
    return frame


def decode_centre_frame(data: bytes) -> CentreFrame:
    """Read what the centre sent, or raise `ProtocolError`."""
    frame = _decode(data, CENTRE_FRAMES)
    if isinstance(frame, Welcome):
        _check_ranges(frame.delivered)
    if isinstance(frame, Ack):
        _check_ranges(frame.ranges)
    return frame


def as_remark(text: object) -> str:
    r"""Make whatever a damaged file gave as a reason fit for a frame.

    >>> as_remark("gone\x00 for ever")
    'gone� for ever'
    """
    return str(text).replace("\x00", "\ufffd")[:REMARK_LENGTH_MAX]


def acks(ranges: RangeSet) -> list[bytes]:
    """Acknowledge a set of numbers, in as many frames as it takes."""
    every = ranges.to_list()
    return [
        encode_frame(Ack(every[begin : begin + RANGES_MAX]))
        for begin in range(0, len(every), RANGES_MAX)
    ]


def refusal(code: RefusalCode, message: str) -> bytes:
    """Write the last frame of a connection that the centre does not take."""
    return encode_frame(Refusal(code, message))


def rejection(seq: int, reason: str, message: str) -> bytes:
    """Tell the edge that a block went to quarantine."""
    return encode_frame(Rejected(seq, reason, message[:REMARK_LENGTH_MAX]))


def _decode(data: bytes, types: Mapping[int, type[Frame]]) -> Frame:
    if not data or len(data) > FRAME_BYTES_MAX:
        raise ProtocolError(f"a message of {len(data)} bytes is no frame")
    kind = types.get(data[0])
    if kind is None:
        raise ProtocolError(f"no frame begins with the byte {data[0]}")
    try:
        return msgspec.msgpack.decode(memoryview(data)[1:], type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the {kind.__name__} frame is wrong: {error}") from error


def _check_ranges(ranges: list[Range]) -> None:
    for first, last in ranges:
        if last < first:
            raise ProtocolError(f"the range {first} to {last} runs backwards")
