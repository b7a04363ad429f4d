"""Whatever a Sparkplug node publishes: no crash, no invented number, an error that says where."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_fuzz import ARRIVED_US, CHANGES, MEMORY_MAX, check_scans, mutated
from mqtt_plans import mqtt_group, mqtt_site

from edge_agent.message_reading import GroupScans, Message
from edge_agent.sparkplug_node import KINDS, SparkplugNode
from telemetry.plan import plan_of
from telemetry.site import Site
from telemetry.sparkplug import (
    PAYLOAD_BYTES_MAX,
    Metric,
    Payload,
    SparkplugError,
    decode_payload,
    encode_payload,
)

GROUPS = [
    mqtt_group(["p", "q"], {"kind": "sparkplug_b", "group": "g", "node": "n", "device": "d"}),
    mqtt_group(["p"], {"kind": "sparkplug_b", "group": "g", "node": "n"}, name="own"),
]
PLAN = plan_of(Site.model_validate(mqtt_site(GROUPS, {})))
U64 = st.integers(0, 2**64 - 1)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.text(max_size=6),
    st.integers(0, 2**32 - 1),
)
METRICS = st.builds(
    Metric,
    name=st.one_of(st.none(), st.sampled_from(["p", "q", "bdSeq", "other", ""])),
    alias=st.one_of(st.none(), st.integers(0, 3), U64),
    timestamp_ms=st.one_of(st.none(), st.integers(0, 5), U64),
    datatype=st.one_of(st.none(), st.sampled_from([1, 4, 8, 10, 11, 12, 99])),
    value=VALUES,
    is_null=st.booleans(),
    is_historical=st.booleans(),
    quality=st.one_of(st.none(), st.sampled_from([0, 192, 500, 7])),
)
PAYLOADS = st.builds(
    Payload,
    timestamp_ms=st.one_of(st.none(), st.integers(0, 5), U64),
    seq=st.one_of(st.none(), st.integers(0, 3), U64),
    metrics=st.lists(METRICS, max_size=5).map(tuple),
)
TOPICS = st.tuples(
    st.sampled_from([*sorted(KINDS), "NCMD", "?"]), st.sampled_from(["", "/d", "/e"])
)
WHEN = st.integers(0, 1 << 52)
FLAGS = st.fixed_dictionaries({"again": st.booleans(), "retained": st.sampled_from([False, True])})
LIVES = st.lists(st.tuples(TOPICS, PAYLOADS, FLAGS, WHEN), max_size=12)


def check_group_scans(scans: tuple[GroupScans, ...]) -> None:
    for one in scans:
        check_scans(one.scans)
        assert one.scans.raw.shape[1] == one.plan.slot_count


def hear(node: SparkplugNode, topic: tuple[str, str], content: bytes, **further: Any) -> None:
    name = f"spBv1.0/g/{topic[0]}/n{topic[1]}"
    reading = node.read(Message(name, content, ARRIVED_US, **further), 0.0)
    check_group_scans(reading.scans)
    assert all(name in complaint for complaint in reading.complaints)
    assert sum(map(len, reading.complaints)) < 8_000


@given(
    messages=st.lists(st.tuples(TOPICS, PAYLOADS, FLAGS, WHEN), max_size=12),
    connected=st.booleans(),
)
def test_any_life_of_a_node_is_followed(
    messages: list[tuple[tuple[str, str], Payload, dict[str, bool], int]], connected: bool
) -> None:
    node = SparkplugNode("g", "n", PLAN.groups)
    if connected:
        node.connected(0, 0.0)
    for topic, payload, flags, at_us in messages:
        hear(node, topic, encode_payload(payload), **flags)
        check_group_scans(node.held(at_us))
        check_group_scans(node.disconnected(at_us + 1))
        assert len(node.commands(at_us, at_us / 1e6)) <= 1


@given(payload=PAYLOADS)
def test_a_payload_is_read_as_it_was_written(payload: Payload) -> None:
    found = decode_payload(encode_payload(payload))
    assert (found.timestamp_ms, found.seq) == (payload.timestamp_ms, payload.seq)
    for one, written in zip(found.metrics, payload.metrics, strict=True):
        assert (one.name, one.alias, one.quality) == (written.name, written.alias, written.quality)
        assert one.is_null == written.is_null


@given(topic=TOPICS, payload=PAYLOADS, changes=CHANGES)
def test_damaged_payloads_are_taken_or_refused(
    topic: tuple[str, str], payload: Payload, changes: list[tuple[int, int, bytes]]
) -> None:
    node = SparkplugNode("g", "n", PLAN.groups)
    hear(node, ("NBIRTH", ""), encode_payload(Payload(1, 0, (Metric("p", 1, datatype=12),))))
    hear(node, ("DBIRTH", "/d"), encode_payload(Payload(1, 1, (Metric("p", 2, datatype=12),))))
    hear(node, topic, mutated(encode_payload(payload), changes))


@given(topic=TOPICS, content=st.binary(max_size=200))
def test_any_bytes_of_a_node_are_taken_or_refused(topic: tuple[str, str], content: bytes) -> None:
    hear(SparkplugNode("g", "n", PLAN.groups), topic, content)


def nested(depth: int) -> bytes:
    """Groups of protobuf in each other, which a reader meets as an unknown field."""
    return b"\x3b" * depth + b"\x3c" * depth


BIG_PAYLOADS = {
    "empty metrics": b"\x12\x00" * (PAYLOAD_BYTES_MAX // 2),
    "groups in groups": nested(PAYLOAD_BYTES_MAX // 2 - 1),
    "an endless name": b"\x12" + b"\xc4\x84\x3d" + b"\x0a" + b"\xc0\x84\x3d" + b"x" * 1_000_000,
    "too much": b"\x08" * (PAYLOAD_BYTES_MAX + 1),
}


@pytest.mark.parametrize("content", list(BIG_PAYLOADS.values()), ids=list(BIG_PAYLOADS))
def test_big_payloads_take_bounded_memory(content: bytes) -> None:
    tracemalloc.start()
    try:
        hear(SparkplugNode("g", "n", PLAN.groups), ("DDATA", "/d"), content)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_MAX
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("field", [b"\x0a", b"\x7a"], ids=["name", "value"])
def test_a_text_that_is_not_utf8_is_refused(field: bytes) -> None:
    with pytest.raises(SparkplugError, match="not UTF-8"):
        decode_payload(b"\x12\x03" + field + b"\x01\xff")


def test_more_metrics_than_anybody_has_are_refused() -> None:
    with pytest.raises(SparkplugError, match="524288 metrics"):
        decode_payload(BIG_PAYLOADS["empty metrics"])
