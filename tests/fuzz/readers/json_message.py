"""JSON messages of devices by the site file's mapping: scans, or a complaint with the topic."""

import json
import math
import random
from collections.abc import Iterator

from fuzz.documents import as_json, changed_json
from fuzz.target import Change, Target, check_sentence
from message_fuzz import ARRIVED_US, check_scans
from mqtt_plans import mqtt_plan

from telemetry.json_message import JsonDecoder, MessageError
from telemetry.quality import FIRST_BAD

TOPIC = "dam/1"
FORMATS = ("iso8601", "unix_s", "unix_ms", "unix_us", "unix_ns")
FURTHER = (
    {},
    *({"time": "t", "time_format": one} for one in FORMATS),
    {"rows": "a", "time": "t", "time_format": "unix_s"},
    {"rows": ".", "time": "0", "utc_offset_h": 8},
    {"rows": "a.0.r", "time": "/t", "time_format": "unix_ms"},
)
DECODERS = [
    JsonDecoder(mqtt_plan({0: "p", 2: "a.0.p"}, {"kind": "json", "topic": TOPIC, **one}))
    for one in FURTHER
]
EXAMPLES = (
    {"t": "2025-07-01T00:00:00Z", "p": 1.5, "a": [{"p": "2.5", "t": 0}]},
    {"t": 1_760_000_000, "p": None, "a": [{"p": True, "t": 7, "r": [{"p": 1, "t": 1}]}]},
    {"t": "1760000000000", "p": "n/a", "a": [{"p": 3, "t": 1.5}, {"p": -1e3, "t": 2}]},
    [["2025-07-01T00:00:00", 1], {"0": "2025-07-01T08:00:00+08:00", "p": 7}],
    {"p": float("nan"), "a": [{"p": float("inf")}]},
)


def read(data: bytes) -> str:
    """The first byte chooses the mapping."""
    decoder = DECODERS[(data[0] if data else 0) % len(DECODERS)]
    payload = data[1:]
    try:
        found = decoder.decode(TOPIC, payload, ARRIVED_US)
    except MessageError as error:
        check_sentence(error, TOPIC)
        return "refused"
    check_scans(found)
    for complaint in found.complaints:
        check_sentence(complaint, TOPIC)
    if decoder.message.rows is None:
        check_number(json.loads(payload), found.raw[0, 0], found.quality[0, 0])
    return "accepted with complaints" if found.complaints else "accepted"


def check_number(document: object, number: float, quality: int) -> None:
    """What is taken for the field `p` is what stands there."""
    said = document.get("p") if isinstance(document, dict) else None
    if quality >= FIRST_BAD:
        assert math.isnan(number)
        assert (
            isinstance(said, bool)
            or not isinstance(said, int | float)
            or abs(said) > 1e300
            or (not math.isfinite(said))
        ), said
        return
    expected = said.strip().lower() if isinstance(said, str) else said
    if expected in {"true", "false"}:
        expected = expected == "true"
    assert isinstance(expected, str | int | float), said
    assert float(expected) == number, (said, number)


def seeds() -> Iterator[bytes]:
    for n in range(len(DECODERS)):
        for one in EXAMPLES:
            yield bytes([n]) + as_json(one)
    yield b"\x00" + b"[" * 7_000
    yield b"\x00" + b'{"p": ' + b"9" * 5_000 + b"}"  # More digits than Python reads.
    yield b"\x00" + b'{"p": 1}'.decode().encode("utf-16")


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    first = data[:1] if chance.random() < 0.9 else bytes([chance.randrange(len(DECODERS))])
    return first + changed_json(data[1:], chance, change, ("p", "a", "t", "r", "0", 1e18, "12:00"))


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("accepted", "accepted with complaints", "refused"),
    words=(
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b'"t":',
        b'"p":',
        b"\xef\xbb\xbf",
        b"\\ud800",
        b"1e400",
    ),
    mutated=mutated,
    short_runs=800,
)
