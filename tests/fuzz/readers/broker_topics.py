"""Topics at a broker: whose they are, and nobody else's."""

from collections.abc import Iterator

from fuzz.target import Target

from telemetry.broker_topics import (
    answers_topic,
    down_topic,
    every_readings_topic,
    every_up_topic,
    gateway_of,
    session_of,
    up_topic,
)
from telemetry.sealing import Session

SESSION = Session("mine", "dam-edge", "0f" * 16)
KEY = set("abcdefghijklmnopqrstuvwxyz0123456789_-")


def read(data: bytes) -> str:
    topic = data.decode("utf-8", "replace")
    session, gateway = session_of(topic), gateway_of(topic)
    assert session is None or gateway is None
    if session is not None:
        assert up_topic(session) == topic
        assert session_of(down_topic(session)) is None
        assert matches(every_up_topic(session.site), topic)
        check_keys(session.site, session.edge, session.name)
        return "session"
    if gateway is not None:
        assert topic.endswith("/readings")
        assert matches(every_readings_topic(gateway[0]), topic)
        assert answers_topic(*gateway) == topic.removesuffix("readings") + "answers"
        check_keys(*gateway)
        return "gateway"
    return "nobody's"


def check_keys(*keys: str) -> None:
    for key in keys:
        assert 1 <= len(key) <= 63
        assert set(key) <= KEY


def matches(filter_: str, topic: str) -> bool:
    """Tell whether a broker hands a topic to who has subscribed to a filter without #."""
    wanted, given = filter_.split("/"), topic.split("/")
    return len(wanted) == len(given) and all(
        one in {"+", other} for one, other in zip(wanted, given, strict=True)
    )


def seeds() -> Iterator[bytes]:
    yield up_topic(SESSION).encode()
    yield down_topic(SESSION).encode()
    yield b"groundwatch/v1/mine/hill-box/readings"
    yield b"groundwatch/v1/mine/hill-box/answers"
    yield b"groundwatch/v1/mine/hill-box/readings\n"


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("session", "gateway", "nobody's"),
    words=(b"groundwatch/v1/", b"/up/", b"/readings", b"/", b"+", b"#", b"\n", "٣".encode()),
    bytes_max=300,
    short_runs=2000,
)
