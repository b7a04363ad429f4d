"""What is kept aside comes back as it was, and is never taken for a block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_fuzz import ARRIVED_US, CHANGES, mutated

from telemetry.unread import decode_unread, encode_unread, unread
from telemetry.wire import WireError, decode_block

TOPIC = "dam/1"


@given(content=st.binary(max_size=300), changes=CHANGES, damaged=st.booleans())
def test_what_is_kept_aside_comes_back_or_is_no_block(
    content: bytes, changes: list[tuple[int, int, bytes]], damaged: bool
) -> None:
    written = encode_unread(unread("bus", TOPIC, ARRIVED_US, "why", content))
    data = mutated(written, changes) if damaged else written
    found = decode_unread(data)
    if not damaged:
        assert found is not None
        assert (found.content, found.place, found.reason) == (content, TOPIC, "why")
    with pytest.raises(WireError):
        decode_block(data)


@given(words=st.text(st.characters(codec=None, exclude_categories=())))
def test_whatever_is_said_about_it_can_be_sent(words: str) -> None:
    found = decode_unread(encode_unread(unread(words, words, ARRIVED_US, words, b"")))
    assert found is not None
    assert "\0" not in found.source + found.place + found.reason
