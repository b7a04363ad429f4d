"""Rules about MQTT messages in a site file, each broken once."""

from typing import Any

import pytest
from mqtt_plans import mqtt_group, mqtt_site

from telemetry.site import Site
from telemetry.site_rules import findings

JSON = {"kind": "json", "topic": "dam/1"}
SPARKPLUG = {"kind": "sparkplug_b", "group": "mine", "node": "dam"}
GROUP = ("structures", 0, "stations", 0, "scan_groups", 0)


def found_in(message: dict[str, Any], field: str = "p") -> list[tuple[tuple[object, ...], str]]:
    site = Site.model_validate(mqtt_site([mqtt_group([field], message)], {}))
    return [(finding.loc, finding.message) for finding in findings(site)]


@pytest.mark.parametrize("topic", ["dam/1", "+/1", "dam/+/p/#", "#", "/", "dam/", "a.b/$x"])
def test_topics_that_brokers_know(topic: str) -> None:
    assert found_in(JSON | {"topic": topic}) == []


@pytest.mark.parametrize("topic", ["dam/1+", "dam/#/1", "dam#", "+dam/1", "dam/\0"])
def test_topics_that_no_broker_knows(topic: str) -> None:
    assert found_in(JSON | {"topic": topic}) == [
        ((*GROUP, "message", "topic"), f"{topic} is no topic")
    ]


@pytest.mark.parametrize(
    ("message", "key", "what"),
    [
        (JSON | {"rows": "data"}, "rows", "needs the instant of each"),
        (JSON | {"rows": "a..b", "time": "t"}, "rows", "empty step"),
        (JSON | {"time": ".t"}, "time", "empty step"),
        (JSON | {"utc_offset_h": 8}, "utc_offset_h", "the message has no time"),
        (
            JSON | {"utc_offset_h": 8, "time": "t", "time_format": "unix_s"},
            "utc_offset_h",
            "such instants are in UTC",
        ),
        (SPARKPLUG | {"group": "a/b"}, "group", "no part of a topic"),
        (SPARKPLUG | {"node": "a+"}, "node", "no part of a topic"),
        (SPARKPLUG | {"device": "#"}, "device", "no part of a topic"),
    ],
)
def test_messages_that_cannot_be_meant(message: dict[str, Any], key: str, what: str) -> None:
    ((loc, told),) = found_in(message)
    assert loc == (*GROUP, "message", key)
    assert what in told


def test_paths_of_fields_are_looked_at_for_json_only() -> None:
    ((loc, told),) = found_in(JSON, field="a..b")
    assert loc == (*GROUP, "channels", 0, "field")
    assert "empty step" in told
    assert found_in(SPARKPLUG, field="Node Info/a..b") == []
