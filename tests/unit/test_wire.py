"""Blocks as bytes: what is written, and each way in which bytes can be wrong."""

import msgspec
import numpy as np
import pytest
import zstandard

from telemetry.quality import Quality
from telemetry.scan import ScanBlock
from telemetry.wire import (
    BLOCK_BYTES_MAX,
    CONTENT_BYTES_MAX,
    HEADER_LENGTH,
    MAGIC,
    PREFIX,
    SCANS_MAX,
    VERSION,
    Header,
    WireError,
    decode_block,
    encode_block,
)


def block(scans: int = 3, slots: int = 4, *, seed: int = 1) -> ScanBlock:
    chance = np.random.default_rng(seed)
    return ScanBlock(
        site="demo-mine",
        group="section-1",
        layout=-77,
        sampled_us=np.arange(scans, dtype=np.int64) * 1_000_000,
        monotonic_us=np.arange(scans, dtype=np.int64) * 1_000_000 + 5,
        raw=chance.normal(size=(scans, slots)),
        quality=np.zeros((scans, slots), np.int16),
    )


def packed(content: bytes, *, version: int = VERSION) -> bytes:
    compressed = zstandard.compress(content)
    return PREFIX.pack(MAGIC, version, len(compressed)) + compressed


def with_header(header: object, columns: bytes) -> bytes:
    written = msgspec.msgpack.encode(header)
    return packed(HEADER_LENGTH.pack(len(written)) + written + columns)


def reason_of(data: bytes) -> str:
    with pytest.raises(WireError) as caught:
        decode_block(data)
    assert caught.value.message
    return caught.value.reason


def test_quality_travels_only_when_something_is_wrong() -> None:
    good, bad = block(200, 16), block(200, 16)
    bad.quality[:, 3] = Quality.NO_REPLY
    bad.raw[:, 3] = np.nan

    assert not decode_block(encode_block(good)).quality.any()
    assert np.array_equal(decode_block(encode_block(bad)).quality, bad.quality)
    assert np.isnan(decode_block(encode_block(bad)).raw[:, 3]).all()


def test_the_greatest_block_of_noise_fits() -> None:
    noise = block(SCANS_MAX, 128)
    noise.quality[:] = np.random.default_rng(2).integers(0, 30_000, noise.quality.shape)
    data = encode_block(noise)

    assert len(data) <= BLOCK_BYTES_MAX
    assert np.array_equal(decode_block(data).raw, noise.raw)


def test_what_was_read_may_be_written_to() -> None:
    read = decode_block(encode_block(block()))
    read.raw[0, 0] = 1.0
    assert read.sampled_us.dtype == np.int64


@pytest.mark.parametrize("scans", [0, SCANS_MAX + 1])
def test_a_block_without_scans_or_with_too_many_is_not_written(scans: int) -> None:
    with pytest.raises(WireError, match="is not sent"):
        encode_block(block(scans))


def test_every_shortened_block_is_truncated() -> None:
    data = encode_block(block())
    assert {reason_of(data[:length]) for length in range(1, len(data))} == {"truncated"}
    assert reason_of(b"") == "malformed"


def test_bytes_after_the_end_are_malformed() -> None:
    assert reason_of(encode_block(block()) + b"x") == "malformed"


def test_an_oversized_block_is_not_even_looked_at() -> None:
    assert reason_of(MAGIC + bytes(BLOCK_BYTES_MAX)) == "oversized"


def test_a_bomb_is_not_unpacked() -> None:
    assert reason_of(packed(bytes(CONTENT_BYTES_MAX + 1))) == "decompression_bomb"


def test_a_frame_that_hides_its_size_is_taken_for_a_bomb() -> None:
    writer = zstandard.ZstdCompressor().compressobj()
    hidden = writer.compress(bytes(100 << 20)) + writer.flush()
    assert reason_of(PREFIX.pack(MAGIC, VERSION, len(hidden)) + hidden) == "decompression_bomb"


def test_a_frame_that_lies_about_its_size_is_malformed() -> None:
    frame = bytearray(zstandard.compress(bytes(60_000)))
    size_at = frame.index((60_000 - 256).to_bytes(2, "little"))
    frame[size_at : size_at + 2] = (100).to_bytes(2, "little")
    assert reason_of(PREFIX.pack(MAGIC, VERSION, len(frame)) + bytes(frame)) == "malformed"


def test_a_later_version_is_told_apart() -> None:
    assert reason_of(packed(b"whatever", version=9)) == "unknown_version"


@pytest.mark.parametrize(
    "header",
    [
        Header("demo-mine", "section-1", 0, 2, 2, has_quality=False),  # 2 × 2 is too long.
        ["demo-mine", "section-1", 0, 0, 1, False],
        ["demo-mine", "section-1", 0, 1, 129, False],
        ["demo-mine", "section-1", 0, -1, 1, False],
        ["demo-mine", "section-1", 0, SCANS_MAX + 1, 1, False],
        ["demo-mine", "section-1", 2**63, 1, 1, False],
        ["demo-mine", "section-1", 0.5, 1, 1, False],
        ["demo-mine", "section-1", 0, 1, 1, 1],
        ["../../etc", "section-1", 0, 1, 1, False],
        ["demo-mine", "section-1\n", 0, 1, 1, False],
        {"site": "demo-mine"},
        None,
    ],
)
def test_a_wrong_header_is_malformed(header: object) -> None:
    assert reason_of(with_header(header, bytes(24))) == "malformed"


def test_a_header_that_nests_without_end_is_malformed() -> None:
    """What a later version adds is skipped, however deep it goes."""
    fields = ["demo-mine", "section-1", 0, 1, 1, False, True]
    header = b"\x98" + msgspec.msgpack.encode(fields)[1:] + b"\x91" * 100_000 + b"\x01"
    data = packed(HEADER_LENGTH.pack(len(header)) + header + bytes(24))
    assert reason_of(data) == "malformed"


def test_the_same_header_with_fitting_columns_is_right() -> None:
    data = with_header(["demo-mine", "section-1", 0, 1, 1, False], bytes(24))
    assert decode_block(data).raw.tolist() == [[0.0]]


def test_a_header_longer_than_the_block_is_malformed() -> None:
    assert reason_of(packed(HEADER_LENGTH.pack(2**32 - 1))) == "malformed"
    assert reason_of(packed(b"abc")) == "malformed"


def test_a_negative_quality_is_malformed() -> None:
    wrong = block()
    wrong.quality[0, 0] = -1
    assert reason_of(encode_block(wrong)) == "malformed"
