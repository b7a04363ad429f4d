"""Blocks on the line and in the spool: a whole block, or `WireError` with a reason."""

import random
import struct
from collections.abc import Iterator

import msgspec
import numpy as np
import zstandard
from fuzz.target import Change, Target, check_sentence
from fuzz.trees import changed_tree

from telemetry.scan import SLOTS_MAX, ScanBlock
from telemetry.unread import encode_unread, unread
from telemetry.wire import (
    PREFIX,
    SCANS_MAX,
    WireError,
    decode_block,
    encode_block,
)

SIZE = struct.Struct("<I")
CHANGED_BYTES_MAX = 1 << 16


def read(data: bytes) -> str:
    try:
        block = decode_block(data)
    except WireError as error:
        check_sentence(error)
        return error.reason
    scans, slots = block.raw.shape
    assert 1 <= scans <= SCANS_MAX
    assert 1 <= slots <= SLOTS_MAX
    assert block.quality.shape == block.raw.shape
    assert block.sampled_us.shape == block.monotonic_us.shape == (scans,)
    assert (block.quality >= 0).all()
    again = decode_block(encode_block(block))
    for name in ("sampled_us", "monotonic_us", "quality"):
        assert np.array_equal(getattr(again, name), getattr(block, name)), name
    assert again.raw.tobytes() == block.raw.tobytes()
    for name in ("site", "group", "layout", "in_order"):
        assert getattr(again, name) == getattr(block, name), name
    return "accepted"


def packed(content: bytes, **how: bool) -> bytes:
    frame = zstandard.ZstdCompressor(level=1, **how).compress(content)
    return PREFIX.pack(b"GWB", 1, len(frame)) + frame


def bomb(size: int, *, told: int | None) -> bytes:
    """Zeros by the gigabyte, in a frame that tells how many there are, lies about it, or hides it.

    Written by hand (RFC 8878, clause 3.1.1): a window of 128 KiB, and blocks that repeat a byte.
    """
    block = 1 << 17
    head = b"\x28\xb5\x2f\xfd" + (b"\x00\x38" if told is None else b"\x80\x38" + SIZE.pack(told))
    repeated = (block << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (block << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    frame = head + repeated * (size // block - 1) + last
    return PREFIX.pack(b"GWB", 1, len(frame)) + frame


def seeds() -> Iterator[bytes]:
    for scans, slots in ((1, 1), (3, 2), (40, 5)):
        raw = np.arange(scans * slots, dtype=np.float64).reshape(scans, slots)
        at_us = np.arange(scans) * 1_000_000 + 1_760_000_000_000_000
        for worst in (0, 110):
            quality = np.full(raw.shape, worst, np.int16)
            yield encode_block(ScanBlock("mine", "levels", 7, at_us, at_us, raw, quality))
    yield bomb(1 << 30, told=1 << 30)
    yield bomb(1 << 30, told=None)
    yield bomb(1 << 30, told=1 << 16)
    yield encode_unread(unread("bus", "dam/1", 1, "it is no JSON", b"{"))
    yield PREFIX.pack(b"GWB", 2, 0)
    yield bytes((1 << 20) + 1)


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    """Change what a block holds, and pack it again so that length and checksums are right."""
    frame = data[PREFIX.size :]
    try:
        if zstandard.get_frame_parameters(frame).content_size > CHANGED_BYTES_MAX:
            return data  # A bomb, for one; zstandard believes it whatever maximum it is given.
        content = zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError:
        return data
    kind = chance.randrange(4)
    if kind == 0:
        return packed(change(content), write_checksum=True)
    (length,) = SIZE.unpack_from(content.ljust(4, b"\0"))
    header, columns = content[4 : 4 + length], content[4 + length :]
    if kind == 1:
        header = change(header)
    elif kind == 2:
        columns = change(columns)
    else:
        try:
            tree = changed_tree(msgspec.msgpack.decode(header), chance, (True, 512, 2**63))
            header = msgspec.msgpack.encode(tree)
        except (msgspec.DecodeError, OverflowError, TypeError, ValueError):
            return data
        if isinstance(tree, list) and len(tree) > 5 and chance.random() < 0.5:
            columns = _columns(tree, chance)
    return packed(SIZE.pack(len(header)) + header + columns, write_checksum=chance.random() < 0.5)


def _columns(header: list[object], chance: random.Random) -> bytes:
    """As many bytes as the header says that there are."""
    scans, slots = header[3], header[4]
    if not (isinstance(scans, int) and isinstance(slots, int)):
        return b""
    if not (1 <= scans <= SCANS_MAX and 1 <= slots <= SLOTS_MAX):
        return b""
    return chance.randbytes(16 * scans + 8 * scans * slots + 2 * scans * slots * bool(header[5]))


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=(
        *("accepted", "truncated", "oversized", "decompression_bomb", "unknown_version"),
        *("malformed", "unread"),
    ),
    words=(b"GWB\x01", b"GWU\x01", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"),
    mutated=mutated,
    bytes_max=(1 << 20) + 1,  # One more than a block may have.
    short_runs=400,
)
