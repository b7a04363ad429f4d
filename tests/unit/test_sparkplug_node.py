"""A Sparkplug node's life, message by message: births, changes, gaps, deaths."""

import math
from itertools import pairwise
from typing import Any

import pytest
from mqtt_plans import mqtt_group, mqtt_site

from edge_agent.message_reading import GroupScans, Message, Reading
from edge_agent.sparkplug_node import SparkplugNode
from telemetry.plan import plan_of
from telemetry.quality import Quality
from telemetry.site import Site
from telemetry.sparkplug import (
    DataType,
    Metric,
    Payload,
    decode_payload,
    encode_payload,
    is_rebirth_request,
)

AT_MS = 1_751_328_000_000
NODE = {"kind": "sparkplug_b", "group": "mine", "node": "dam"}
GOOD, UNTOLD = Quality.GOOD, Quality.NO_VALUE
NAN = math.nan
PERIOD_S = 30.0


class Host:
    """A reader of one node, and the node that speaks to it."""

    def __init__(self, *groups: dict[str, Any]) -> None:
        found = groups or (
            mqtt_group(["p", "q"], NODE | {"device": "d1"}, period_s=PERIOD_S),
            mqtt_group(["supply"], NODE, name="own", period_s=PERIOD_S),
        )
        plan = plan_of(Site.model_validate(mqtt_site(found, {})))
        self.node = SparkplugNode("mine", "dam", plan.groups)
        self.seq = -1
        self.now_ms = AT_MS
        self.complaints: list[str] = []

    def hears(
        self,
        kind: str,
        metrics: list[Metric],
        *,
        device: str | None = None,
        at_ms: int | None = None,
        lost: int = 0,
        raw: bytes | None = None,
        **flags: bool,
    ) -> list[tuple[str, int, list[Any], list[int]]]:
        """Hand a message over; give the scans: group, milliseconds, raw numbers, qualities."""
        self.seq = 0 if kind == "NBIRTH" else (self.seq + 1 + lost) % 256
        seq = None if kind == "NDEATH" else self.seq
        payload = Payload(AT_MS + (at_ms or 0), seq, tuple(metrics))
        topic = f"spBv1.0/mine/{kind}/dam" + (f"/{device}" if device else "")
        content = encode_payload(payload) if raw is None else raw
        message = Message(topic, content, self.now_ms * 1000, **flags)
        reading: Reading = self.node.read(message, 0.0)
        self.complaints += reading.complaints
        return shown(reading.scans)

    def is_born(self, at_ms: int = 0, p: float = 1.0, q: float = 2.0, number: int = 7) -> None:
        births = [
            Metric("bdSeq", datatype=DataType.UINT64, value=number),
            Metric("supply", 1, datatype=DataType.FLOAT, value=12.5),
        ]
        self.hears("NBIRTH", births, at_ms=at_ms)
        metrics = [
            Metric("p", 2, datatype=DataType.DOUBLE, value=p),
            Metric("q", 3, datatype=DataType.DOUBLE, value=q),
        ]
        self.hears("DBIRTH", metrics, device="d1", at_ms=at_ms)

    def asks(self, now_s: float = 0.0) -> bool:
        commands = self.node.commands(self.now_ms * 1000, now_s)
        for command in commands:
            assert command.topic == "spBv1.0/mine/NCMD/dam"
            assert is_rebirth_request(decode_payload(command.payload))
        return bool(commands)


def shown(scans: tuple[GroupScans, ...]) -> list[tuple[str, int, list[Any], list[int]]]:
    assert not any(one.in_order for one in scans)
    return [
        (
            one.plan.key,
            int(one.scans.sampled_us[0]) - AT_MS * 1000,
            [None if math.isnan(raw) else raw for raw in one.scans.raw[0]],
            one.scans.quality[0].tolist(),
        )
        for one in scans
    ]


def changed(alias: int, value: float, at_ms: int | None = None, **further: Any) -> Metric:
    stamp = None if at_ms is None else AT_MS + at_ms
    return Metric(alias=alias, timestamp_ms=stamp, value=value, **further)


def test_births_tell_whole_rows() -> None:
    host = Host()
    supply = Metric("supply", 1, datatype=DataType.FLOAT, value=12.5)
    assert host.hears("NBIRTH", [supply], at_ms=5) == [("own", 5_000, [12.5], [GOOD])]
    p, q = (Metric(name, datatype=DataType.INT8, value=-3) for name in ("p", "q"))
    assert host.hears("DBIRTH", [p, q], device="d1", at_ms=6) == [
        ("group", 6_000, [-3, -3], [GOOD, GOOD])
    ]
    assert host.hears("DBIRTH", [p], device="d2") == []  # Nobody asked for this one.
    assert not host.asks()
    assert host.complaints == []


def test_what_has_not_changed_still_holds() -> None:
    host = Host()
    host.is_born()
    assert host.hears("DDATA", [changed(2, 5.0)], device="d1", at_ms=10) == [
        ("group", 10_000, [5, 2], [GOOD, GOOD])
    ]
    assert host.hears("DDATA", [changed(3, 6.0)], device="d1", at_ms=20) == [
        ("group", 20_000, [5, 6], [GOOD, GOOD])
    ]
    assert host.hears("NDATA", [changed(1, 11.0)], at_ms=20) == [("own", 20_000, [11], [GOOD])]


def test_metrics_of_one_message_become_scans_by_their_instants() -> None:
    host = Host()
    host.is_born()
    metrics = [changed(3, 9.0, 12), changed(2, 7.0, 11), changed(2, 8.0, 12)]
    assert host.hears("DDATA", metrics, device="d1", at_ms=13) == [
        ("group", 11_000, [7, 2], [GOOD, GOOD]),
        ("group", 12_000, [8, 9], [GOOD, GOOD]),
    ]


def test_two_messages_of_one_instant_do_not_contradict_each_other() -> None:
    host = Host()
    host.is_born()
    host.hears("DDATA", [changed(2, 5.0)], device="d1", at_ms=10)
    assert host.hears("DDATA", [changed(3, 6.0)], device="d1", at_ms=10) == [
        ("group", 10_001, [5, 6], [GOOD, GOOD])
    ]
    assert host.hears("DDATA", [changed(3, 6.0)], device="d1", at_ms=10) == []  # Said already.


def test_an_older_instant_is_given_without_what_was_not_known_then() -> None:
    host = Host()
    host.is_born()
    host.hears("DDATA", [changed(2, 5.0)], device="d1", at_ms=10)
    assert host.hears("DDATA", [changed(3, 6.0, 9)], device="d1", at_ms=11) == [
        ("group", 9_000, [None, 6], [UNTOLD, GOOD])
    ]
    assert host.hears("DDATA", [changed(2, 5.5)], device="d1", at_ms=12) == [
        ("group", 12_000, [5.5, 6], [GOOD, GOOD])
    ]


def test_what_was_measured_in_the_past_says_nothing_about_now() -> None:
    host = Host()
    host.is_born()
    past = [changed(2, 50.0, -1000, is_historical=True), changed(3, 3.0, 5)]
    assert host.hears("DDATA", past, device="d1", at_ms=5) == [
        ("group", -1_000_000, [50, None], [GOOD, UNTOLD]),
        ("group", 5_000, [1, 3], [GOOD, GOOD]),
    ]


def test_null_quality_and_nonsense_are_bad_readings() -> None:
    host = Host()
    host.is_born()
    (scan,) = host.hears(
        "DDATA", [Metric(alias=2, is_null=True), changed(3, NAN)], device="d1", at_ms=1
    )
    assert scan[2:] == ([None, None], [Quality.NO_VALUE, Quality.NOT_FINITE])
    (scan,) = host.hears(
        "DDATA", [changed(2, 1.0, quality=0), changed(3, 1.0, quality=500)], device="d1", at_ms=2
    )
    assert scan[2:] == ([None, None], [Quality.DEVICE_ERROR, Quality.NO_REPLY])
    assert host.complaints == []
    text = Metric(alias=2, value="full")
    (scan,) = host.hears("DDATA", [text, changed(3, 4.0, quality=192)], device="d1", at_ms=3)
    assert scan[2:] == ([None, 4], [Quality.DEVICE_ERROR, GOOD])
    assert "'full' in the metric p (data type 10)" in host.complaints[0]


def test_a_gap_in_the_sequence_asks_for_a_birth_and_trusts_nothing_until_then() -> None:
    host = Host()
    host.is_born()
    assert host.hears("DDATA", [changed(2, 5.0)], device="d1", at_ms=10, lost=1) == [
        ("group", 10_000, [5, None], [GOOD, UNTOLD])
    ]
    assert host.asks()
    assert host.hears("DDATA", [changed(2, 6.0)], device="d1", at_ms=20) == [
        ("group", 20_000, [6, None], [GOOD, UNTOLD])
    ]
    host.is_born(at_ms=30, p=6.0, q=7.0)
    assert not host.asks(1000.0)
    assert host.hears("DDATA", [changed(2, 8.0)], device="d1", at_ms=40) == [
        ("group", 40_000, [8, 7], [GOOD, GOOD])
    ]


def test_the_sequence_goes_round() -> None:
    host = Host()
    host.is_born()
    for n in range(600):
        (scan,) = host.hears("DDATA", [changed(2, float(n))], device="d1", at_ms=n + 1)
        assert scan[2] == [n, 2]
    assert not host.asks()


def test_what_comes_again_breaks_no_sequence() -> None:
    host = Host()
    host.is_born()
    host.hears("DDATA", [changed(2, 5.0)], device="d1", at_ms=10)
    host.seq -= 1
    host.hears("DDATA", [changed(2, 5.0)], device="d1", at_ms=10, again=True)
    (scan,) = host.hears("DDATA", [changed(2, 6.0)], device="d1", at_ms=20)
    assert scan[2] == [6, 2]
    assert not host.asks()


def test_data_before_a_birth_asks_for_one_and_is_no_error() -> None:
    host = Host()
    assert host.hears("DDATA", [changed(2, 5.0)], device="d1") == []
    assert host.asks()
    named = Metric("p", datatype=DataType.DOUBLE, value=5.0)  # This says all there is to know.
    assert host.hears("DDATA", [named], device="d1", at_ms=1) == [
        ("group", 1_000, [5, None], [GOOD, UNTOLD])
    ]
    assert host.complaints == []


def test_an_unknown_alias_asks_for_a_birth() -> None:
    host = Host()
    host.is_born()
    assert host.hears("DDATA", [changed(99, 5.0)], device="d1") == []
    assert host.asks()


def test_a_birth_is_asked_for_more_and_more_seldom() -> None:
    host = Host()
    host.node.connected(0, 0.0)
    asked = [now_s for now_s in range(2_000) if host.asks(float(now_s))]
    assert asked[:6] == [0, 10, 30, 70, 150, 310]
    assert {later - earlier for earlier, later in pairwise(asked[6:])} == {300}


def test_a_death_makes_everything_unread() -> None:
    host = Host()
    host.is_born()
    bad = Quality.NO_CONNECTION
    assert host.hears("DDEATH", [], device="d1") == [("group", 500, [None, None], [bad, bad])]
    assert shown(host.node.held(AT_MS * 1000)) == []
    host.is_born()
    number = Metric("bdSeq", datatype=DataType.UINT64, value=7)
    host.now_ms += 3
    assert host.hears("NDEATH", [number]) == [
        ("group", 3_500, [None, None], [bad, bad]),
        ("own", 3_500, [None], [bad]),
    ]
    assert not host.asks(1000.0)


def test_a_death_of_an_older_session_kills_nobody_but_is_looked_into() -> None:
    host = Host()
    host.is_born(number=8)
    old = Metric("bdSeq", datatype=DataType.UINT64, value=7)
    assert host.hears("NDEATH", [old]) == []
    host.seq -= 1
    assert host.asks()
    (scan,) = shown(host.node.held(AT_MS * 1000 + 60_000_000))[:1]
    assert scan[3] == [Quality.NO_REPLY] * 2  # Whoever does not answer is not believed alive.
    host.is_born(number=8, at_ms=70_000)
    (scan,) = host.hears("DDATA", [changed(2, 6.0)], device="d1", at_ms=70_020)
    assert scan[2] == [6, 2]


def test_what_holds_is_said_again_each_period_until_death() -> None:
    host = Host()
    host.node.connected(AT_MS * 1000, 0.0)
    host.is_born()

    def told(from_s: float, to_s: float) -> list[tuple[int, list[Any], list[int]]]:
        found = []
        for tenth in range(round(from_s * 10), round(to_s * 10)):
            scans = shown(host.node.held(AT_MS * 1000 + tenth * 100_000))
            found += [scan[1:] for scan in scans if scan[0] == "group"]
        return found

    assert told(0, 110) == [
        (at_s * 1_000_000 + 500, [1, 2], [GOOD, GOOD]) for at_s in (45, 75, 105)
    ]
    host.now_ms = AT_MS + 110_000
    host.hears("DDEATH", [], device="d1")
    bad = [Quality.NO_CONNECTION] * 2
    assert told(110, 160) == [(155_000_500, [None, None], bad)]


def test_without_a_broker_or_after_a_gap_nothing_holds() -> None:
    host = Host()
    host.is_born()
    minute_us = 60_000_000
    host.hears("DDATA", [changed(2, 5.0)], device="d1", at_ms=10, lost=1)
    gap = shown(host.node.held(AT_MS * 1000 + minute_us))
    assert gap[0][2:] == ([None, None], [Quality.NO_REPLY] * 2)
    away = shown(host.node.disconnected(AT_MS * 1000 + 2 * minute_us))
    assert away[0][2:] == ([None, None], [Quality.NO_CONNECTION] * 2)


def test_retained_messages_and_commands_are_passed_over() -> None:
    host = Host()
    host.is_born()
    assert host.hears("DDATA", [changed(2, 5.0)], device="d1", retained=True) == []
    assert host.hears("NCMD", [changed(2, 5.0)]) == []
    assert host.hears("XYZ", [changed(2, 5.0)], raw=b"\xff") == []
    assert host.complaints == []


@pytest.mark.parametrize("kind", ["NBIRTH", "NDATA", "DBIRTH", "DDATA", "DDEATH", "NDEATH"])
def test_bytes_that_are_no_payload_say_where(kind: str) -> None:
    host = Host()
    host.is_born()
    device = "d1" if kind.startswith("D") else None
    scans = host.hears(kind, [], device=device, raw=b"\x0a\xff")
    assert f"the message on spBv1.0/mine/{kind}/dam" in host.complaints[0]
    assert bool(scans) == kind.endswith("DEATH")  # A death that cannot be read is still one.
    assert host.asks() == (kind != "NDEATH")


def test_a_birth_without_a_metric_of_the_site_file_is_told() -> None:
    host = Host()
    host.hears("NBIRTH", [])
    p = Metric("p", datatype=DataType.DOUBLE, value=1.0)
    assert host.hears("DBIRTH", [p], device="d1") == [("group", 0, [1, None], [GOOD, UNTOLD])]
    assert "has no metric supply, which the scan group own needs" in host.complaints[0]
    assert "has no metric q, which the scan group group needs" in host.complaints[1]


def test_a_clock_without_a_battery_is_told_as_it_is() -> None:
    host = Host()
    host.is_born()
    (scan,) = host.hears("DDATA", [changed(2, 5.0, 1 - AT_MS)], device="d1")
    assert scan[1] == (1 - AT_MS) * 1000
    far = Metric(alias=2, timestamp_ms=2**64 - 1, value=5.0)
    (scan,) = host.hears("DDATA", [far], device="d1", at_ms=7)
    assert scan[1] == 7_000
