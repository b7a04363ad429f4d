"""Rules about buses: each of one kind, with groups and channels that say what this kind needs."""

from collections.abc import Iterator
from typing import Final

from telemetry.logger_files.format import names_row_of
from telemetry.site import BUS_KINDS, MODBUS_KINDS, Bus, Channel, ScanGroup, Site
from telemetry.site_rules.places import Finding, GroupPlace, groups_of

# What a group and its channels say about where they stand, by the kind of their bus.
GROUP_KEYS: Final[dict[str, str | None]] = {
    **dict.fromkeys(MODBUS_KINDS, "device_id"),
    "mqtt": "message",
    "folder": "file",
    "gateway": None,
}
CHANNEL_KEYS: Final[dict[str, str | None]] = {
    **dict.fromkeys(MODBUS_KINDS, "register"),
    "mqtt": "field",
    "folder": "column",
    "gateway": None,
}
_ATTRIBUTES: Final = {"register": "register_"}


def source_findings(site: Site) -> Iterator[Finding]:
    """Find buses of no kind or of several, and places that do not fit the kind."""
    buses: dict[str, Bus] = {}
    for n, bus in enumerate(site.buses):
        if len(bus.kinds) == 1:
            buses[bus.id] = bus
            continue
        told = ", ".join(bus.kinds) or "none"
        message = f"a bus is of exactly one kind, this one is of {told}"
        yield Finding(("buses", n), message, f"one of the keys {', '.join(BUS_KINDS)}")
    for place in groups_of(site):
        group = place.group
        if isinstance(group, ScanGroup) and group.bus in buses:
            yield from _place_findings(place, group, buses[group.bus])
            yield from _file_findings(place, group)


def _place_findings(place: GroupPlace, group: ScanGroup, bus: Bus) -> Iterator[Finding]:
    yield from _key_findings(place.loc, group, GROUP_KEYS, bus)
    for one in place.channels():
        if isinstance(one.channel, Channel):
            yield from _key_findings(one.loc, one.channel, CHANNEL_KEYS, bus)


def _key_findings(
    loc: tuple[str | int, ...],
    part: ScanGroup | Channel,
    keys: dict[str, str | None],
    bus: Bus,
) -> Iterator[Finding]:
    wanted = keys[bus.kind]
    allowed = f"with the key {wanted}" if wanted else "without any of these keys"
    for key in dict.fromkeys(one for one in keys.values() if one is not None):
        given = getattr(part, _ATTRIBUTES.get(key, key)) is not None
        if given and key != wanted:
            message = f"the bus {bus.id} is {_kind_in_words(bus)}, where {key} means nothing"
            yield Finding((*loc, key), message, allowed)
        elif key == wanted and not given:
            message = f"the key {key} is missing: the bus {bus.id} is {_kind_in_words(bus)}"
            yield Finding(loc, message, allowed, missing=key)


def _file_findings(place: GroupPlace, group: ScanGroup) -> Iterator[Finding]:
    """Find watched files that don't grow at their end, and named columns without names."""
    if group.file is None:
        return
    if group.file.newest_first:
        message = "a watched file grows at its end, so its newest row is its last one"
        yield Finding((*place.loc, "file", "newest_first"), message, "false; or import the file")
    for one in place.channels():
        column = getattr(one.channel, "column", None)
        if isinstance(column, str) and names_row_of(group.file) is None:
            message = "the column is named, but the file has no row of names"
            allowed = "names_row, or the column's number from 0"
            yield Finding((*one.loc, "column"), message, allowed)


def _kind_in_words(bus: Bus) -> str:
    return f"of the kind {bus.kind}"
