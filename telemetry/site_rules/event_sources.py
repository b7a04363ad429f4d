"""Rules about sources of events: a bus that tells of them, fields, and detectors that can work."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from telemetry.event_rules import BValueRule, EnergyIndexRule, EventDetector
from telemetry.site import EventSource, Site, Station
from telemetry.site_rules.messages import json_findings, path_findings
from telemetry.site_rules.places import Finding, Loc, event_sources_of, stations_of

# Numbers that a method can do nothing without, by the names that `fields.numbers` gives them.
NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "event_rate": (),
    "energy_rate": ("energy_j",),
    "b_value": ("magnitude",),
    "energy_index": ("energy_j", "moment_nm"),
    "reentry": ("magnitude",),
}


def event_source_findings(site: Site) -> Iterator[Finding]:
    """Find sources that no edge can hear, events that are of no time, detectors without numbers."""
    kind_of_bus = {bus.id: bus.kinds for bus in site.buses}
    for loc, source in event_sources_of(site):
        yield from _bus_findings(loc, source, kind_of_bus)
        yield from json_findings((*loc, "message"), source.message)
        yield from _field_findings(loc, source)
        seen: set[tuple[str, float]] = set()
        for n, detector in enumerate(source.detectors):
            where = (*loc, "detectors", n)
            yield from _level_findings(where, detector)
            yield from _needed_findings(where, source, detector)
            if (detector.method, detector.window_h) in seen:
                message = "two detectors have the same method and the same window"
                yield Finding(where, message, "one for each of them")
            seen.add((detector.method, detector.window_h))
    for loc, station in stations_of(site):
        yield from _edge_findings(loc, site, station)


def _bus_findings(
    loc: Loc, source: EventSource, kind_of_bus: dict[str, tuple[str, ...]]
) -> Iterator[Finding]:
    kinds = kind_of_bus.get(source.bus)
    if kinds is None:
        message = f"the bus {source.bus} is unknown"
        allowed = f"one of the site's buses: {', '.join(kind_of_bus) or 'none is defined'}"
        yield Finding((*loc, "bus"), message, allowed, refers_to=source.bus)
    elif kinds != ("mqtt",):
        message = f"the bus {source.bus} tells of no events"
        yield Finding((*loc, "bus"), message, "a bus of the kind mqtt")


def _edge_findings(loc: Loc, site: Site, station: Station) -> Iterator[Finding]:
    edge_of_bus = {bus.id: bus.edge for bus in site.buses}
    edges = {edge_of_bus[one.bus] for one in station.scan_groups if one.bus in edge_of_bus}
    for n, source in enumerate(station.event_sources):
        if source.bus not in edge_of_bus:
            continue
        edges.add(edge_of_bus[source.bus])
        if len(edges) > 1:
            message = f"the station {station.id} is read by the edges {', '.join(sorted(edges))}"
            allowed = "buses of one edge; split the station where two edges read it"
            yield Finding((*loc, "event_sources", n, "bus"), message, allowed)


def _field_findings(loc: Loc, source: EventSource) -> Iterator[Finding]:
    if source.message.time is None:
        message = "an event is of the instant at which it happened, not of its arrival"
        allowed = "with the key time: the field of that instant"
        yield Finding((*loc, "message"), message, allowed, missing="time")
    fields = source.fields
    yield from path_findings((*loc, "fields", "id"), fields.id)
    if fields.place is not None:
        for key in ("east_m", "north_m", "elevation_m"):
            path = getattr(fields.place, key)
            if path is not None:
                yield from path_findings((*loc, "fields", "place", key), path)
    for key, named in (("numbers", fields.numbers), ("texts", fields.texts)):
        for name, path in named.items():
            yield from path_findings((*loc, "fields", key, name), path)
    for name in sorted(fields.numbers.keys() & fields.texts.keys()):
        message = f"{name} is a number and a text"
        yield Finding((*loc, "fields", "texts", name), message, "each name once")


def _level_findings(loc: Loc, detector: EventDetector) -> Iterator[Finding]:
    bounds = [(name, bound) for name, bound in detector.levels if bound is not None]
    if not bounds:
        message = "the detector has no level"
        yield Finding((*loc, "levels"), message, "at least one of blue, yellow, orange, red")
    sign, order = (-1.0, "below") if isinstance(detector, BValueRule) else (1.0, "above")
    for (lower, before), (upper, after) in pairwise(bounds):
        if sign * (after - before) <= 0.0:
            message = f"{upper} must lie {order} {lower} in a detector {detector.method}"
            allowed = "blue < yellow < orange < red; blue > yellow > orange > red for b_value"
            yield Finding((*loc, "levels", upper), message, allowed)


def _needed_findings(loc: Loc, source: EventSource, detector: EventDetector) -> Iterator[Finding]:
    for name in NEEDED[detector.method]:
        if name not in source.fields.numbers:
            message = (
                f"the detector {detector.method} needs {name}, which this source does not tell"
            )
            allowed = f"a field for {name} in fields.numbers of the source"
            yield Finding((*loc, "method"), message, allowed)
    if isinstance(detector, BValueRule | EnergyIndexRule) and source.convention is None:
        message = f"the detector {detector.method} needs the conventions of the source's numbers"
        yield Finding((*loc, "method"), message, "with the key convention in the source")
    if isinstance(detector, EnergyIndexRule) and (detector.slope is None) != (
        detector.intercept is None
    ):
        message = "slope and intercept belong together: they are one fit"
        yield Finding((*loc, "slope"), message, "both of them, or none")
