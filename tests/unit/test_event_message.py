"""JSON messages about events: what is taken, what is complained about, and what is no event."""

import json
from typing import Any

import numpy as np
import pytest
from event_plans import SOURCE, mine_with_events, source_plan

from telemetry.event import EVENTS_MAX
from telemetry.event_message import EventDecoder
from telemetry.json_message import MessageError

TOPIC = "mine/events"
ROWS = {"message": SOURCE["message"] | {"rows": "events"}}
EVENT: dict[str, Any] = {
    "id": "e1",
    "t": 1_760_000_000_123,
    "ml": 1.5,
    "e": "2.5e3",
    "m0": None,
    "q": "A",
    "at": [10, 20.5, -980],
}


def decoder(source: dict[str, Any] | None = None) -> EventDecoder:
    return EventDecoder("mine", source_plan(mine_with_events(source)))


def bytes_of(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_an_event_is_taken_as_it_is_told() -> None:
    found = decoder().decode(TOPIC, bytes_of(EVENT))

    (block,) = found.blocks
    assert found.complaints == ()
    assert (block.site, block.source, block.kind) == ("mine", "network", "seismic")
    assert block.event_id == ("e1",)
    assert block.sampled_us.tolist() == [1_760_000_000_123_000]
    assert block.place.tolist() == [[10.0, 20.5, -980.0]]
    assert block.number_names == ("magnitude", "energy_j", "moment_nm")
    assert block.numbers[0, :2].tolist() == [1.5, 2500.0]
    assert np.isnan(block.numbers[0, 2])
    assert block.texts == (("A",),)


def test_a_list_is_cut_into_blocks_that_the_wire_takes() -> None:
    rows = [EVENT | {"id": n} for n in range(EVENTS_MAX + 5)]
    found = decoder(ROWS).decode(TOPIC, bytes_of({"events": rows}))
    assert [len(block) for block in found.blocks] == [EVENTS_MAX, 5]
    assert found.blocks[1].event_id[0] == str(EVENTS_MAX)


def test_what_can_be_used_is_taken_beside_what_cannot() -> None:
    rows = [
        EVENT,
        EVENT | {"id": "e2", "t": "yesterday"},
        EVENT | {"id": None},
        EVENT | {"ml": "?"},
    ]
    found = decoder(ROWS).decode(TOPIC, bytes_of({"events": rows}))

    (block,) = found.blocks
    assert block.event_id == ("e1", "e1")
    assert np.isnan(block.numbers[1, 0])
    assert [TOPIC in one for one in found.complaints] == [True] * 3
    assert "where the event's id should be" in found.complaints[0]
    assert "no instant as unix_ms" in found.complaints[1]
    assert "for magnitude of an event of network, which is no number" in found.complaints[2]


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (EVENT | {"t": None}, "nothing|None"),
        (EVENT | {"id": ""}, "id should be"),
        (EVENT | {"id": "x" * 65}, "id should be"),
        (EVENT | {"id": True}, "id should be"),
        (EVENT | {"id": "a\0b"}, "id should be"),
        (EVENT | {"id": {"x": 1}}, "id should be"),
        ([], "id should be"),
        (7, "id should be"),
    ],
)
def test_no_event_is_made_up(document: Any, what: str) -> None:
    with pytest.raises(MessageError, match=what):
        decoder().decode(TOPIC, bytes_of(document))


def test_a_place_may_be_unknown_and_a_long_text_is_cut() -> None:
    (block,) = decoder().decode(TOPIC, bytes_of({"id": 7, "t": 1, "q": "é" * 500})).blocks
    assert np.isnan(block.place).all()
    assert block.texts == (("é" * 200,),)
