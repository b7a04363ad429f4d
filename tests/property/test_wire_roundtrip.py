"""What must hold for every block, and for every string of bytes."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from telemetry.scan import ScanBlock
from telemetry.wire import WireError, decode_block, encode_block

KEYS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
INT64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def blocks(draw: st.DrawFn) -> ScanBlock:
    scans, slots = draw(st.integers(1, 20)), draw(st.integers(1, 8))
    return ScanBlock(
        site=draw(KEYS),
        group=draw(KEYS),
        layout=draw(INT64),
        sampled_us=draw(arrays(np.int64, scans, elements=INT64)),
        monotonic_us=draw(arrays(np.int64, scans, elements=INT64)),
        raw=draw(arrays(np.float64, (scans, slots), elements=st.floats())),
        quality=draw(arrays(np.int16, (scans, slots), elements=st.integers(0, 121))),
        in_order=draw(st.booleans()),
    )


@given(blocks())
def test_a_block_comes_back_as_it_was(block: ScanBlock) -> None:
    back = decode_block(encode_block(block))

    assert (back.site, back.group, back.layout) == (block.site, block.group, block.layout)
    assert np.array_equal(back.sampled_us, block.sampled_us)
    assert np.array_equal(back.monotonic_us, block.monotonic_us)
    # Bit for bit: -0.0, infinities and every NaN come back as they were.
    assert np.array_equal(back.raw.view(np.int64), block.raw.view(np.int64))
    assert np.array_equal(back.quality, block.quality)
    assert back.in_order == block.in_order


@given(blocks(), st.data())
def test_changed_bytes_are_noticed(block: ScanBlock, data: st.DataObject) -> None:
    changed = bytearray(encode_block(block))
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        back = decode_block(bytes(changed))
    except WireError:
        return
    # Some bits of the packing mean nothing; then the block is still the same.
    assert encode_block(back) == encode_block(block)


@given(st.binary(max_size=400))
@example(b"GWB\x01\x00\x00\x00\x00")
def test_any_bytes_are_a_block_or_a_wire_error(data: bytes) -> None:
    for candidate in (data, b"GWB\x01" + len(data).to_bytes(4, "little") + data):
        try:
            assert decode_block(candidate).reading_count > 0
        except WireError as error:
            assert error.message  # noqa: PT017 - either outcome is right
