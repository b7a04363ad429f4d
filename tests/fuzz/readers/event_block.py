"""Blocks of events on the line and in the spool: a whole block, or `WireError` with a reason."""

import random
import struct
from collections.abc import Iterator

import msgspec
import numpy as np
import zstandard
from fuzz.target import Change, Target, check_sentence
from fuzz.trees import changed_tree

from telemetry.event import EVENTS_MAX, NUMBERS_MAX, EventBlock
from telemetry.event_wire import MAGIC, decode_events, encode_events
from telemetry.unread import storable
from telemetry.wire import PREFIX, WireError

SIZE = struct.Struct("<I")
CHANGED_BYTES_MAX = 1 << 16


def read(data: bytes) -> str:
    try:
        block = decode_events(data)
    except WireError as error:
        check_sentence(error)
        return error.reason
    count, numbers = block.numbers.shape
    assert 1 <= count == len(block) <= EVENTS_MAX
    assert numbers == len(block.number_names) <= NUMBERS_MAX
    assert block.place.shape == (count, 3)
    assert block.sampled_us.shape == (count,)
    assert not np.isinf(block.numbers).any()
    assert all(storable(word) == word for column in block.texts for word in column)
    again = decode_events(encode_events(block))
    for name in ("site", "source", "kind", "event_id", "number_names", "text_names", "texts"):
        assert getattr(again, name) == getattr(block, name), name
    for name in ("sampled_us", "place", "numbers"):
        assert getattr(again, name).tobytes() == getattr(block, name).tobytes(), name
    return "accepted"


def packed(content: bytes, **how: bool) -> bytes:
    frame = zstandard.ZstdCompressor(level=1, **how).compress(content)
    return PREFIX.pack(MAGIC, 1, len(frame)) + frame


def seeds() -> Iterator[bytes]:
    for count, names, texts in ((1, (), ()), (3, ("magnitude", "energy_j"), ("note",))):
        yield encode_events(
            EventBlock(
                site="mine",
                source="network",
                kind="seismic",
                event_id=tuple(f"e{n}" for n in range(count)),
                sampled_us=np.arange(count) + 1_760_000_000_000_000,
                place=np.full((count, 3), 1.5),
                number_names=names,
                numbers=np.full((count, len(names)), np.nan),
                text_names=texts,
                texts=tuple(("word",) * count for _ in texts),
            )
        )
    yield packed(bytes(5 << 20))  # Unpacks to more than a block may hold.
    yield PREFIX.pack(MAGIC, 2, 0)
    yield bytes((1 << 20) + 1)


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    """Change what a block holds, and pack it again so that length and checksums are right."""
    frame = data[PREFIX.size :]
    try:
        if zstandard.get_frame_parameters(frame).content_size > CHANGED_BYTES_MAX:
            return data
        content = zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError:
        return data
    (length,) = SIZE.unpack_from(content.ljust(4, b"\0"))
    header, columns = content[4 : 4 + length], content[4 + length :]
    kind = chance.randrange(4)
    if kind == 0:
        return packed(change(content), write_checksum=True)
    if kind == 1:
        header = change(header)
    elif kind == 2:
        columns = change(columns)
    else:
        try:
            tree = changed_tree(msgspec.msgpack.decode(header), chance, (True, 512, "blast"))
            header = msgspec.msgpack.encode(tree)
        except (msgspec.DecodeError, OverflowError, TypeError, ValueError):
            return data
        if isinstance(tree, list) and len(tree) > 4 and chance.random() < 0.5:
            columns = _columns(tree, chance)
    return packed(SIZE.pack(len(header)) + header + columns, write_checksum=chance.random() < 0.5)


def _columns(header: list[object], chance: random.Random) -> bytes:
    """As many bytes as the header says that there are."""
    ids, names = header[3], header[4]
    if not (isinstance(ids, list) and isinstance(names, list)):
        return b""
    return bytes(chance.choice((0, 63, 127)) for _ in range(8 * len(ids) * (4 + len(names))))


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=(
        *("accepted", "truncated", "oversized", "decompression_bomb", "unknown_version"),
        "malformed",
    ),
    words=(b"GWE\x01", b"seismic", b"blast", b"\x28\xb5\x2f\xfd"),
    mutated=mutated,
    bytes_max=(1 << 20) + 1,  # One more than a block may have.
    short_runs=400,
)
