"""JSON messages about events by the site file's mapping: events, or a complaint with the topic."""

import random
from collections.abc import Iterator

import numpy as np
from event_plans import SOURCE, mine_with_events, source_plan
from fuzz.documents import as_json, changed_json
from fuzz.target import Change, Target, check_sentence

from telemetry.event_message import EventDecoder
from telemetry.event_wire import decode_events, encode_events
from telemetry.json_message import MessageError

TOPIC = "mine/events"
FURTHER = (
    {},
    {"message": SOURCE["message"] | {"rows": "a"}},
    {"message": SOURCE["message"] | {"time_format": "iso8601"}},
    {"fields": {"id": "/id", "numbers": {"magnitude": "."}}},
)
DECODERS = [EventDecoder("mine", source_plan(mine_with_events(one))) for one in FURTHER]
EVENT = {"id": "e1", "t": 1_760_000_000_000, "ml": 1.5, "e": "1e3", "q": "A", "at": [1, 2, None]}
EXAMPLES = (
    EVENT,
    {"a": [EVENT, EVENT | {"id": 7, "ml": None}]},
    EVENT | {"t": "2025-07-01T00:00:00Z"},
    EVENT | {"ml": "no number", "q": {"x": 1}},
    EVENT | {"id": "", "t": None},
)


def read(data: bytes) -> str:
    """The first byte chooses the mapping."""
    decoder = DECODERS[(data[0] if data else 0) % len(DECODERS)]
    try:
        found = decoder.decode(TOPIC, data[1:])
    except MessageError as error:
        check_sentence(error, TOPIC)
        return "refused"
    for complaint in found.complaints:
        check_sentence(complaint, TOPIC)
    assert found.blocks
    for block in found.blocks:
        again = decode_events(encode_events(block))  # Whatever is taken can be sent.
        assert again.event_id == block.event_id
        assert np.array_equal(again.sampled_us, block.sampled_us)
        assert (block.sampled_us >= 0).all()
    return "accepted with complaints" if found.complaints else "accepted"


def seeds() -> Iterator[bytes]:
    for n in range(len(DECODERS)):
        for one in EXAMPLES:
            yield bytes([n]) + as_json(one)
    yield b"\x00" + b"[" * 7_000
    yield b"\x00" + b'{"id": "\\ud800", "t": 1}'


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    """Change the document, and seldom its bytes."""
    if chance.random() < 0.2:
        return change(data)
    return data[:1] + changed_json(data[1:], chance, change, ("id", "t", "ml", "at", 1e18))


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("accepted", "accepted with complaints", "refused"),
    words=(b'"id"', b'"t"', b'"ml"'),
    mutated=mutated,
)
