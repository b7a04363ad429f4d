"""Whatever a device publishes as JSON: no crash, no invented number, an error that says where."""

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_fuzz import ARRIVED_US, CHANGES, MEMORY_MAX, check_scans, mutated
from mqtt_plans import mqtt_plan

from edge_agent.message_reading import JsonReader, Message
from telemetry.json_message import MESSAGE_BYTES_MAX, JsonDecoder, MessageError
from telemetry.quality import Quality

TOPIC = "dam/1"
FORMATS = ["iso8601", "unix_s", "unix_ms", "unix_us", "unix_ns"]
DECODERS = [
    JsonDecoder(mqtt_plan({0: "p", 2: "a.0.p"}, {"kind": "json", "topic": TOPIC, **further}))
    for further in (
        {},
        *({"time": "t", "time_format": one} for one in FORMATS),
        {"rows": "a", "time": "t", "time_format": "unix_s"},
        {"rows": ".", "time": "0", "utc_offset_h": 8},
    )
]
DECODERS.append(JsonDecoder(mqtt_plan(["."], {"kind": "json", "topic": TOPIC})))

KEYS = st.sampled_from(["p", "a", "t", "0", "x", ""])
STAMPS = st.sampled_from(["2025-07-01T00:00:00Z", "2025-07-01T00:00:00", "0001-01-01T00:00:00Z"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["NaN", "1e9", "-0", " 7 ", "1_0", "٣"]),
    STAMPS,
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=40,
)


def check_json(payload: bytes) -> None:
    for decoder in DECODERS:
        try:
            found = decoder.decode(TOPIC, payload, ARRIVED_US)
        except MessageError as error:
            told = str(error)
        else:
            check_scans(found)
            told = TOPIC
        assert TOPIC in told
        assert len(told) < 8_000


@given(document=DOCUMENTS)
def test_any_json_is_taken_or_refused(document: object) -> None:
    check_json(json.dumps(document).encode())


@given(payload=st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(payload: bytes) -> None:
    check_json(payload)


@given(document=DOCUMENTS, changes=CHANGES)
def test_damaged_json_is_taken_or_refused(
    document: object, changes: list[tuple[int, int, bytes]]
) -> None:
    valid = {"t": "2025-07-01T00:00:00Z", "p": 1.5, "a": [{"p": 2, "t": 0}, document]}
    check_json(mutated(json.dumps(valid).encode(), changes))


ROWS = st.lists(
    st.tuples(
        st.integers(0, 1 << 61), st.one_of(st.none(), st.floats(allow_nan=False)), st.integers()
    ),
    min_size=1,
    max_size=20,
)


@given(rows=ROWS, as_text=st.booleans())
def test_what_was_sent_is_what_is_read(
    rows: list[tuple[int, float | None, int]], as_text: bool
) -> None:
    decoder = JsonDecoder(
        mqtt_plan(
            ["p", "q"],
            {"kind": "json", "topic": TOPIC, "rows": ".", "time": "t", "time_format": "unix_us"},
        )
    )
    written = [
        {"t": t, "p": str(p) if as_text and p is not None and math.isfinite(p) else p, "q": q}
        for t, p, q in rows
    ]
    found = decoder.decode(TOPIC, json.dumps(written).encode(), ARRIVED_US)
    check_scans(found)
    assert found.sampled_us.tolist() == [t for t, _, _ in rows]
    for n, (_, p, q) in enumerate(rows):
        if p is not None and math.isfinite(p):
            assert found.raw[n, 0] == p
        else:
            assert found.quality[n, 0] in {Quality.NO_VALUE, Quality.NOT_FINITE}
        assert found.raw[n, 1] == float(q)


DEEP = 500_000
BIG = {
    "lists in lists": b"[" * DEEP + b"]" * DEEP,
    "objects in objects": b'{"a":' * 150_000 + b"1" + b"}" * 150_000,
    "an endless list": b"[" + b"0," * (DEEP - 1) + b"0]",
    "an endless list of rows": b'{"a":[' + b"{}," * 300_000 + b"{}]}",
    "a list of lists": b"[" + b"[]," * 300_000 + b"[]]",
    "many keys": b"{" + b",".join(b'"%d":0' % n for n in range(80_000)) + b"}",
    "an endless text": b'{"p":"' + b"x" * 1_000_000 + b'"}',
    "an endless number": b'{"p":' + b"9" * 1_000_000 + b"}",
    "an endless key": b'{"' + b"k" * 1_000_000 + b'":1}',
    "too much": b"7" * (MESSAGE_BYTES_MAX + 1),
}


@pytest.mark.parametrize("payload", list(BIG.values()), ids=list(BIG))
def test_big_json_takes_bounded_memory(payload: bytes) -> None:
    tracemalloc.start()
    try:
        check_json(payload)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_MAX
    finally:
        tracemalloc.stop()


@given(payload=st.binary(max_size=60), retained=st.booleans(), again=st.booleans())
def test_messages_without_instants_are_never_of_one_instant(
    payload: bytes, retained: bool, again: bool
) -> None:
    reader = JsonReader(mqtt_plan(["."], {"kind": "json", "topic": TOPIC}))
    seen: list[int] = []
    for content in (b"1", payload, b"2", b"3"):
        message = Message(TOPIC, content, ARRIVED_US, retained=retained, again=again)
        for one in reader.read(message, 0.0).scans:
            check_scans(one.scans)
            seen += one.scans.sampled_us.tolist()
            assert one.in_order
    assert seen == sorted(set(seen))
    assert bool(seen) != retained
