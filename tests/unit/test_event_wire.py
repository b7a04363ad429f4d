"""Blocks of events as bytes: each way in which a whole packing can hold what no table may."""

from dataclasses import replace

import numpy as np
import pytest
from event_plans import events

from telemetry.event import EVENTS_MAX, EventBlock
from telemetry.event_wire import decode_events, encode_events
from telemetry.wire import WireError

BLOCK = events(["a", "b"])


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (replace(BLOCK, numbers=np.array([[np.inf, 1.0], [1.0, 1.0]])), "infinite"),
        (replace(BLOCK, place=np.full((2, 3), -np.inf)), "infinite"),
        (replace(BLOCK, event_id=("a", "b\0")), "can't be stored"),
        (replace(BLOCK, texts=(("A", "\0"),)), "can't be stored"),
        (replace(BLOCK, number_names=("magnitude", "magnitude")), "one name"),
        (replace(BLOCK, text_names=("magnitude",)), "one name"),
        (replace(BLOCK, event_id=("", "b")), "header is wrong"),
        (replace(BLOCK, event_id=("x" * 65, "b")), "header is wrong"),
        (replace(BLOCK, texts=(("A", "x" * 201),)), "header is wrong"),
        (replace(BLOCK, source="No Key"), "header is wrong"),
        (replace(BLOCK, kind="storm"), "header is wrong"),  # type: ignore[arg-type]
    ],
)
def test_what_no_table_may_hold_is_refused(block: EventBlock, what: str) -> None:
    with pytest.raises(WireError, match=what) as caught:
        decode_events(encode_events(block))
    assert caught.value.reason == "malformed"


def test_no_block_is_empty_or_longer_than_agreed() -> None:
    for count in (0, EVENTS_MAX + 1):
        with pytest.raises(WireError, match="is not sent"):
            encode_events(events([f"e{n}" for n in range(count)]))
