"""What must hold for every block of events, and for every string of bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from telemetry.event import EventBlock
from telemetry.event_wire import decode_events, encode_events
from telemetry.unread import storable
from telemetry.wire import WireError, decode_block

KEYS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
INT64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_infinity=False)
WORDS = st.text(max_size=20).filter(lambda word: storable(word) == word)


@st.composite
def blocks(draw: st.DrawFn) -> EventBlock:
    count = draw(st.integers(1, 12))
    names = draw(st.lists(KEYS, max_size=6, unique=True))
    numbers = draw(st.integers(0, len(names)))
    words = st.lists(WORDS, min_size=count, max_size=count).map(tuple)
    return EventBlock(
        site=draw(KEYS),
        source=draw(KEYS),
        kind=draw(st.sampled_from(["seismic", "blast", "observation"])),
        event_id=tuple(draw(st.lists(WORDS.filter(bool), min_size=count, max_size=count))),
        sampled_us=draw(arrays(np.int64, count, elements=INT64)),
        place=draw(arrays(np.float64, (count, 3), elements=FLOATS)),
        number_names=tuple(names[:numbers]),
        numbers=draw(arrays(np.float64, (count, numbers), elements=FLOATS)),
        text_names=tuple(names[numbers:]),
        texts=tuple(draw(words) for _ in names[numbers:]),
    )


@given(blocks())
def test_a_block_comes_back_as_it_was(block: EventBlock) -> None:
    back = decode_events(encode_events(block))

    for name in ("site", "source", "kind", "event_id", "number_names", "text_names", "texts"):
        assert getattr(back, name) == getattr(block, name), name
    assert np.array_equal(back.sampled_us, block.sampled_us)
    # Bit for bit: -0.0 and every NaN come back as they were.
    assert back.place.tobytes() == block.place.tobytes()
    assert back.numbers.tobytes() == block.numbers.tobytes()


@given(blocks(), st.data())
def test_changed_bytes_are_noticed(block: EventBlock, data: st.DataObject) -> None:
    changed = bytearray(encode_events(block))
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        back = decode_events(bytes(changed))
    except WireError:
        return
    # Some bits of the packing mean nothing; then the block is still the same.
    assert encode_events(back) == encode_events(block)


@given(blocks())
def test_events_are_never_taken_for_scans(block: EventBlock) -> None:
    try:
        decode_block(encode_events(block))
    except WireError as error:
        assert error.reason == "malformed"  # noqa: PT017 - nothing else may come of it
    else:
        raise AssertionError("events were read as scans")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_block_or_a_wire_error(data: bytes) -> None:
    for candidate in (data, b"GWE\x01" + len(data).to_bytes(4, "little") + data):
        try:
            assert len(decode_events(candidate)) > 0
        except WireError as error:
            assert error.message  # noqa: PT017 - either outcome is right
