"""The life of a Sparkplug node: payloads that are read as written, scans that hold together."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec
from fuzz.protobuf import changed_message
from fuzz.target import Change, Target, check_sentence
from message_fuzz import ARRIVED_US, check_scans
from mqtt_plans import mqtt_group, mqtt_site

from edge_agent.message_reading import GroupScans, Message
from edge_agent.sparkplug_node import SparkplugNode
from telemetry.plan import plan_of
from telemetry.site import Site
from telemetry.sparkplug import Metric, Payload, SparkplugError, decode_payload, encode_payload

GROUPS = [
    mqtt_group(["p", "q"], {"kind": "sparkplug_b", "group": "g", "node": "n", "device": "d"}),
    mqtt_group(["p"], {"kind": "sparkplug_b", "group": "g", "node": "n"}, name="own"),
]
PLANS = plan_of(Site.model_validate(mqtt_site(GROUPS, {}))).groups
KINDS = ("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH", "NCMD", "STATE")
DEVICES = ("", "/d", "/e")
MESSAGES_MAX = 24
Step = tuple[int, int, int, bytes]  # Kind, device, what happened besides, payload.


def read(data: bytes) -> str:
    """Messages one after the other, to a node that may be connected and cut off in between."""
    steps = steps_of(data)
    node = SparkplugNode("g", "n", PLANS)
    came: set[str] = set()
    at_us = ARRIVED_US
    for kind, device, besides, payload in steps:
        at_us += 1_000_000 * (besides & 63)
        came.add(hear(node, f"spBv1.0/g/{KINDS[kind]}/n{DEVICES[device]}", payload, at_us, besides))
        check(node.held(at_us))
        if besides & 256:
            check(node.disconnected(at_us))
        if besides & 512:
            node.connected(at_us, at_us / 1e6)
        assert len(node.commands(at_us, at_us / 1e6)) <= 1
    return next(one for one in ("scans", "complaints", "nothing") if one in {*came, "nothing"})


def hear(node: SparkplugNode, topic: str, payload: bytes, at_us: int, besides: int) -> str:
    message = Message(topic, payload, at_us, retained=bool(besides & 64), again=bool(besides & 128))
    reading = node.read(message, at_us / 1e6)
    check(reading.scans)
    for complaint in reading.complaints:
        check_sentence(complaint, topic)
    try:
        found = decode_payload(payload)
    except SparkplugError as error:
        check_sentence(error)
    else:
        check_again(found)
    if reading.scans:
        return "scans"
    return "complaints" if reading.complaints else "nothing"


def check(scans: tuple[GroupScans, ...]) -> None:
    for one in scans:
        check_scans(one.scans)
        assert one.scans.raw.shape[1] == one.plan.slot_count


def check_again(found: Payload) -> None:
    """What was read is what anybody reads who is told it again, but for the type's precision."""
    again = decode_payload(encode_payload(found))
    assert (again.timestamp_ms, again.seq) == (found.timestamp_ms, found.seq)
    for one, other in zip(again.metrics, found.metrics, strict=True):
        for name in ("name", "alias", "timestamp_ms", "datatype", "is_null", "is_historical"):
            assert getattr(one, name) == getattr(other, name), name
        assert one.quality == other.quality


def steps_of(data: bytes) -> list[Step]:
    try:
        given = msgspec.msgpack.decode(data, type=list[tuple[int, int, int, bytes]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        given = [(data[0] if data else 0, 1, 0, data[1:])]
    return [
        (kind % len(KINDS), device % len(DEVICES), besides % 1024, payload)
        for kind, device, besides, payload in given[:MESSAGES_MAX]
    ]


def seeds() -> Iterator[bytes]:
    number = Metric("bdSeq", datatype=4, value=1)
    own = Metric("p", 1, 5, 12, "7.5")
    born = encode_payload(Payload(1, 0, (number, own)))
    values = (Metric("p", 2, datatype=10, value=1.5), Metric("q", 3, datatype=1, value=0xFE))
    device = encode_payload(Payload(2, 1, values))
    for payload in (
        Payload(1_760_000_000_000, 2, (Metric(alias=2, timestamp_ms=9, value=2.5),)),
        Payload(3, 2, (Metric("q", datatype=4, value=2**64 - 1, is_historical=True),)),
        Payload(2**63, 7, (Metric(alias=3, is_null=True), Metric(alias=9, value=True))),
        Payload(None, None, (Metric(alias=2, value="1e5", quality=500), Metric("p", 2, 2**63))),
    ):
        lives: list[list[Any]] = [[0, 0, 512, born], [3, 1, 1, device]]
        lives.append([4, 1, 40, encode_payload(payload)])
        yield msgspec.msgpack.encode(lives)
        lives.append([2, 0, 256, encode_payload(Payload(5, None, (number,)))])
        yield msgspec.msgpack.encode(lives)
    yield msgspec.msgpack.encode([[5, 1, 0, b"\x3b" * 900 + b"\x3c" * 900]])


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    steps = steps_of(data)
    if not steps:
        return change(data)
    at = chance.randrange(len(steps))
    kind, device, besides, payload = steps[at]
    match chance.randrange(8):
        case 0:
            steps[at] = (chance.randrange(len(KINDS)), device, besides, payload)
        case 1:
            steps[at] = (kind, chance.randrange(len(DEVICES)), besides, payload)
        case 2:
            steps[at] = (kind, device, besides ^ 1 << chance.randrange(10), payload)
        case 3:
            steps.insert(chance.randrange(len(steps) + 1), steps[at])
        case _:
            steps[at] = (kind, device, besides, changed_message(payload, chance, change))
    return msgspec.msgpack.encode(steps)


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("scans", "complaints", "nothing"),
    words=(b"SPBV1.0_COMPRESSED", b"Quality", b"bdSeq", b"p", b"q", b"\xff\xff\xff\xff"),
    mutated=mutated,
    short_runs=400,
)
