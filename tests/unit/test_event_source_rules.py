"""Rules about sources of events in a site file, each broken once."""

from typing import Any

import pytest
from event_plans import SOURCE, mine_with_events
from ingest_site import site_document

from telemetry.plan import plan_of
from telemetry.site import Site
from telemetry.site_rules import findings

PLACE = ("structures", 0, "stations", 0, "event_sources", 0)
B: dict[str, Any] = {"method": "b_value", "window_h": 72, "levels": {"red": 0.6}, "source": "P"}
RATE = B | {"method": "event_rate", "background_h": 240, "levels": {"red": 5}}


def found_in(source: dict[str, Any] | None = None) -> list[tuple[tuple[object, ...], str]]:
    site = Site.model_validate(mine_with_events(source))
    return [(one.loc, one.message) for one in findings(site)]


def test_a_source_that_is_right_is_let_through() -> None:
    assert found_in() == []
    assert found_in({"detectors": [B, RATE, B | {"window_h": 24}]}) == []


@pytest.mark.parametrize(
    ("source", "where", "what"),
    [
        ({"bus": "nowhere"}, ("bus",), "the bus nowhere is unknown"),
        ({"bus": "dam-bus"}, ("bus",), "tells of no events"),
        ({"id": "levels"}, ("id",), "used a second time"),
        ({"message": {"kind": "json", "topic": "a/b"}}, ("message",), "not of its arrival"),
        ({"message": SOURCE["message"] | {"topic": "a#"}}, ("message", "topic"), "no topic"),
        ({"fields": {"id": "a..b"}}, ("fields", "id"), "empty step"),
        (
            {"fields": {"id": "a", "numbers": {"magnitude": ".x"}}},
            ("fields", "numbers", "magnitude"),
            "empty step",
        ),
        (
            {"fields": {"id": "a", "numbers": {"n": "x"}, "texts": {"n": "y"}}},
            ("fields", "texts", "n"),
            "n is a number and a text",
        ),
        ({"detectors": [RATE | {"levels": {}}]}, ("detectors", 0, "levels"), "no level"),
        (
            {"detectors": [B | {"levels": {"yellow": 0.6, "red": 0.8}}]},
            ("detectors", 0, "levels", "red"),
            "red must lie below yellow",
        ),
        (
            {"detectors": [RATE | {"levels": {"yellow": 5, "red": 3}}]},
            ("detectors", 0, "levels", "red"),
            "red must lie above yellow",
        ),
        ({"detectors": [RATE, RATE]}, ("detectors", 1), "same method and the same window"),
        (
            {"detectors": [B], "fields": {"id": "a"}},
            ("detectors", 0, "method"),
            "needs magnitude, which this source does not tell",
        ),
        (
            {"detectors": [B], "convention": None},
            ("detectors", 0, "method"),
            "needs the conventions",
        ),
        (
            {"detectors": [RATE | {"method": "energy_index", "slope": 1.0}]},
            ("detectors", 0, "slope"),
            "belong together",
        ),
    ],
)
def test_what_cannot_be_meant_is_found(
    source: dict[str, Any], where: tuple[object, ...], what: str
) -> None:
    found = found_in(source)
    assert [loc for loc, _ in found] == [(*PLACE, *where)]
    assert what in found[0][1]


def test_a_station_belongs_to_one_edge() -> None:
    tree = mine_with_events()
    tree["buses"][-1]["edge"] = "other-edge"
    (one,) = findings(Site.model_validate(tree))
    assert one.loc == (*PLACE, "bus")
    assert "read by the edges dam-edge, other-edge" in one.message


def test_an_edge_may_have_nothing_but_events() -> None:
    tree = site_document()
    tree["buses"].append({"id": "bus", "edge": "quiet-edge", "mqtt": {"host": "h"}})
    tree["structures"][0]["stations"].append(
        {"id": "array", "name": {"en": "Array", "zh": "阵列"}, "event_sources": [SOURCE]}
    )
    site = Site.model_validate(tree)
    plan = plan_of(site)
    assert list(findings(site)) == []
    assert [one.key for one in plan.event_sources_of_edge("quiet-edge")] == ["network"]
    assert plan.structure_of_edge("quiet-edge") == "dam"
