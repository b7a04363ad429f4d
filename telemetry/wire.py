"""A block of scans as bytes: what travels from an edge to the centre, and lies in its spool.

    "GWB" version:u8 length:u32 | zstd( header length:u32 | header | columns )

The header is msgpack; the columns are the raw little-endian numbers, one after the other:
wall clock i8[n], monotonic clock i8[n], raw f8[n, m], and quality i2[n, m] unless all is
good. `decode_block` believes nothing: whatever arrives, it returns a whole block or raises
`WireError`, and never holds more than `CONTENT_BYTES_MAX`. Events have blocks of their own kind in
the same packing: `telemetry.event_wire`.
"""

import struct
from collections.abc import Iterable
from typing import Annotated, Final, Literal, TypeVar

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from telemetry.scan import SLOTS_MAX, ScanBlock
from telemetry.unread import decode_unread, storable

BLOCK_BYTES_MAX: Final = 1 << 20  # Compressed; the line takes messages twice as long.
CONTENT_BYTES_MAX: Final = 4 << 20  # Decompressed.
SCANS_MAX: Final = 512  # So that even random numbers in 128 slots stay below BLOCK_BYTES_MAX.

MAGIC: Final = b"GWB"
VERSION: Final = 1
PREFIX: Final = struct.Struct("<3sBI")
HEADER_LENGTH: Final = struct.Struct("<I")
COMPRESSION_LEVEL: Final = 3

Reason = Literal[
    "truncated", "oversized", "decompression_bomb", "unknown_version", "malformed", "unread"
]
H = TypeVar("H", bound=msgspec.Struct)
WireKey = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}\Z")]


class WireError(Exception):
    """Bytes that are no block: they go to quarantine, the rest of the batch is stored."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message


class Header(msgspec.Struct, array_like=True, frozen=True):
    """What the columns are."""

    site: WireKey
    group: WireKey
    layout: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    scans: Annotated[int, msgspec.Meta(ge=1, le=SCANS_MAX)]
    slots: Annotated[int, msgspec.Meta(ge=1, le=SLOTS_MAX)]
    has_quality: bool
    in_order: bool = True


def encode_block(block: ScanBlock) -> bytes:
    """Write a block as bytes; it must hold at least one scan and at most `SCANS_MAX`."""
    scans, slots = block.raw.shape
    if not (1 <= scans <= SCANS_MAX and slots >= 1):
        raise WireError("malformed", f"a block of {scans} scans × {slots} slots is not sent")
    has_quality = bool(block.quality.any())
    header = Header(
        block.site, block.group, block.layout, scans, slots, has_quality, block.in_order
    )
    columns = [
        np.ascontiguousarray(block.sampled_us, "<i8").tobytes(),
        np.ascontiguousarray(block.monotonic_us, "<i8").tobytes(),
        np.ascontiguousarray(block.raw, "<f8").tobytes(),
    ]
    if has_quality:
        columns.append(np.ascontiguousarray(block.quality, "<i2").tobytes())
    return packed(MAGIC, header, columns)


def decode_block(data: bytes) -> ScanBlock:
    """Read a block from untrusted bytes, or raise `WireError` with the reason."""
    content = unpacked(MAGIC, data)
    header, begin = read_header(content, Header)
    readings = header.scans * header.slots
    expected = begin + 16 * header.scans + 8 * readings + 2 * readings * header.has_quality
    if len(content) != expected:
        raise WireError(
            "malformed",
            f"{header.scans} scans × {header.slots} slots take {expected} bytes, "
            f"but the block holds {len(content)}",
        )
    times = np.frombuffer(content, "<i8", 2 * header.scans, begin).astype(np.int64)
    begin += 16 * header.scans
    raw = np.frombuffer(content, "<f8", readings, begin).astype(np.float64)
    begin += 8 * readings
    return ScanBlock(
        site=header.site,
        group=header.group,
        layout=header.layout,
        sampled_us=times[: header.scans],
        monotonic_us=times[header.scans :],
        raw=raw.reshape(header.scans, header.slots),
        quality=_read_quality(content, begin, header),
        in_order=header.in_order,
    )


def packed(magic: bytes, header: msgspec.Struct, columns: Iterable[bytes]) -> bytes:
    """Put a header and columns together, as all kinds of blocks travel."""
    written = msgspec.msgpack.encode(header)
    content = b"".join([HEADER_LENGTH.pack(len(written)), written, *columns])
    compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, write_checksum=True)
    compressed = compressor.compress(content)
    return PREFIX.pack(magic, VERSION, len(compressed)) + compressed


def unpacked(magic: bytes, data: bytes) -> bytes:
    """Take the packing off untrusted bytes, or raise `WireError`; what is left is bounded."""
    return _decompress(_compressed_part(magic, data))


def read_header(content: bytes, header_type: type[H]) -> tuple[H, int]:
    """Read a header of some type, and where the columns begin; or raise `WireError`."""
    if len(content) < HEADER_LENGTH.size:
        raise WireError("malformed", "the block has no header")
    (length,) = HEADER_LENGTH.unpack_from(content)
    end = HEADER_LENGTH.size + length
    if end > len(content):
        raise WireError("malformed", "the header is longer than the block")
    try:
        header = msgspec.msgpack.decode(content[HEADER_LENGTH.size : end], type=header_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("malformed", f"the header is wrong: {error}") from error
    return header, end


def _compressed_part(magic: bytes, data: bytes) -> bytes:
    if len(data) > BLOCK_BYTES_MAX:
        raise WireError(
            "oversized", f"the block has {len(data)} bytes, more than {BLOCK_BYTES_MAX}"
        )
    if (aside := decode_unread(data)) is not None:
        said = f"the edge could not read this from {aside.source}: {aside.reason}"
        raise WireError("unread", storable(said))
    if not data.startswith(magic[: len(data)]) or not data:
        raise WireError("malformed", "the bytes do not begin as a block does")
    if len(data) < PREFIX.size:
        raise WireError("truncated", f"the block ends after {len(data)} bytes")
    _, version, length = PREFIX.unpack_from(data)
    if version != VERSION:
        raise WireError("unknown_version", f"the block is of version {version}, not {VERSION}")
    present = len(data) - PREFIX.size
    if present < length:
        raise WireError("truncated", f"the block ends after {present} of {length} bytes")
    if present > length:
        raise WireError("malformed", f"{present - length} bytes follow the end of the block")
    return data[PREFIX.size :]


def _decompress(compressed: bytes) -> bytes:
    try:
        size = zstandard.get_frame_parameters(compressed).content_size
        if size > CONTENT_BYTES_MAX:  # Also when the frame does not tell: then it is 2⁶⁴ - 1.
            raise WireError(
                "decompression_bomb",
                f"the block would unpack to more than {CONTENT_BYTES_MAX} bytes, or hides its size",
            )
        return zstandard.ZstdDecompressor().decompress(compressed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise WireError("malformed", f"the block cannot be unpacked: {error}") from error


def _read_quality(content: bytes, begin: int, header: Header) -> NDArray[np.int16]:
    shape = (header.scans, header.slots)
    if not header.has_quality:
        return np.zeros(shape, np.int16)
    quality = np.frombuffer(content, "<i2", shape[0] * shape[1], begin).astype(np.int16)
    if (quality < 0).any():  # A number below 100 may be judged, so this would pass for good.
        raise WireError("malformed", "a quality is negative")
    return quality.reshape(shape)
