"""Rules about sounders: a coil that can be driven, and an alarm that can make it sound.

A siren that can never sound is worse than none, because people rely on it.
"""

from collections.abc import Iterator
from typing import Final

from telemetry.register import BIT_TABLES, Register
from telemetry.site import MODBUS_KINDS, Bus, Level, ScanGroup, Site
from telemetry.site_rules.places import ChannelPlace, Finding, Loc, groups_of
from telemetry.sounders import Sounder

# A write waits for the question before it, where both share a line; two seconds are promised.
SHARED_TIMEOUT_MOST_S: Final = 0.5
_MEANT = frozenset({"given_table", "given_address", "number", "reference", "given_type"})


def sounder_findings(site: Site) -> Iterator[Finding]:
    """Find sounders that nobody can drive, that two would fight over, or that stay silent."""
    buses = {bus.id: bus for bus in site.buses}
    taken: dict[tuple[str, int, int], str] = {}
    for n, one in enumerate(site.sounders):
        loc: Loc = ("sounders", n)
        yield from _coil_findings(loc, one)
        place = (one.bus, one.device_id, one.coil.address)
        if place in taken:
            message = f"the sounder {taken[place]} has this coil already"
            yield Finding((*loc, "coil"), message, "a coil of its own for each sounder")
        taken.setdefault(place, one.id)
        bus = buses.get(one.bus)
        if bus is None or len(bus.kinds) != 1:
            message = f"the bus {one.bus} is unknown"
            allowed = f"one of the site's buses: {', '.join(buses) or 'none is defined'}"
            yield Finding((*loc, "bus"), message, allowed, refers_to=one.bus)
            continue
        yield from _bus_findings(loc, bus)
        if one.device_id == 0 and bus.kind != "modbus_tcp":
            message = "0 is no unit on a serial line: all of them would obey, and none would answer"
            yield Finding((*loc, "device_id"), message, "1 to 247")
        yield from _reach_findings(loc, site, one, bus.edge)


def _coil_findings(loc: Loc, one: Sounder) -> Iterator[Finding]:
    if one.coil.table != "coil":
        message = f"a sounder is driven by a coil, not by a register of the table {one.coil.table}"
        allowed = 'table: coil beside the address, or a reference such as "00001"'
        yield Finding((*loc, "coil"), message, allowed)
    if one.read_back is not None and one.read_back.table not in BIT_TABLES:
        message = f"one bit tells whether it sounds, not the table {one.read_back.table}"
        yield Finding((*loc, "read_back"), message, "table: coil or table: discrete")
    for key, register in (("coil", one.coil), ("read_back", one.read_back)):
        yield from _idle_findings((*loc, key), register)


def _idle_findings(loc: Loc, register: Register | None) -> Iterator[Finding]:
    """Find what a register may say and a bit has no use for."""
    idle = sorted((register.model_fields_set if register else set()) - _MEANT)
    if idle:
        message = f"{' and '.join(idle)} would be without effect here"
        yield Finding(loc, message, "the place of the bit alone")


def _bus_findings(loc: Loc, bus: Bus) -> Iterator[Finding]:
    if bus.kind not in MODBUS_KINDS:
        message = f"the bus {bus.id} is of the kind {bus.kind}, which has no coils"
        yield Finding((*loc, "bus"), message, f"a bus of the kind {', '.join(MODBUS_KINDS)}")
    elif bus.kind != "modbus_tcp" and bus.modbus.timeout_s > SHARED_TIMEOUT_MOST_S:
        message = (
            f"the sounder waits for its turn on the line {bus.id}, "
            f"where answers are waited for up to {bus.modbus.timeout_s:g} s"
        )
        allowed = f"timeout_s of at most {SHARED_TIMEOUT_MOST_S:g} on this bus"
        yield Finding((*loc, "bus"), message, allowed)


def _reach_findings(loc: Loc, site: Site, one: Sounder, edge: str) -> Iterator[Finding]:
    known = [structure.id for structure in site.structures]
    for n, structure in enumerate(one.structures):
        where = (*loc, "structures", n)
        if structure not in known:
            message = f"the structure {structure} is unknown"
            yield Finding(where, message, f"one of {', '.join(known)}", refers_to=structure)
        elif not _can_sound(site, known.index(structure), edge, Level[one.from_level.upper()]):
            message = (
                f"nothing that the edge {edge} reads of {structure} "
                f"has a limit or a state of the level {one.from_level} or above"
            )
            allowed = "a lower from_level, a structure or a bus of another edge, or such a limit"
            yield Finding(where, message, allowed)


def _can_sound(site: Site, structure: int, edge: str, level: Level) -> bool:
    edge_of_bus = {bus.id: bus.edge for bus in site.buses}
    return any(
        _highest(channel) >= level
        for place in groups_of(site)
        if place.loc[1] == structure
        and isinstance(place.group, ScanGroup)
        and edge_of_bus.get(place.group.bus) == edge
        for channel in place.channels()
    )


def _highest(place: ChannelPlace) -> Level:
    """The highest level that a channel's rules can come to by themselves."""
    channel = place.channel
    limits = [*channel.limits, *channel.rate_limits, *channel.charts]
    reached = [
        Level[name.upper()] for limit in limits for name, bound in limit.levels if bound is not None
    ]
    states = (channel.states or {}).values()
    reached += [Level[state.level.upper()] for state in states if state.level is not None]
    return max(reached, default=Level.NONE)
