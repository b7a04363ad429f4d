"""Rules about buses, devices, registers and slots."""

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from telemetry.complaint import listed
from telemetry.register import Register, Table
from telemetry.site import MODBUS_KINDS, Bus, Channel, ScanGroup, Site
from telemetry.site_rules.places import (
    ChannelPlace,
    Finding,
    channels_of,
    groups_of,
    stations_of,
)
from telemetry.sources import ModbusRtu

# Serial line specification 1.02, clause 2.2: 0 is broadcast, which nobody answers.
SERIAL_UNITS: Final = range(1, 248)
_NAMES: Final[dict[Table, str]] = {
    "coil": "coils",
    "discrete": "discrete inputs",
    "holding": "holding registers",
    "input": "input registers",
}
# A part of a host's name between two dots; names in other scripts are written so on the wire.
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def device_findings(site: Site) -> Iterator[Finding]:
    """Find channels that no line reaches, registers read twice and slots used twice."""
    yield from _bus_findings(site)
    yield from _host_findings(site)
    yield from _line_findings(site)
    yield from _slot_findings(site)
    yield from _instrument_findings(site)
    yield from _unit_findings(site)
    yield from _register_findings(site)


def _bus_findings(site: Site) -> Iterator[Finding]:
    edge_of_bus = {bus.id: bus.edge for bus in site.buses}
    for place in groups_of(site):
        if isinstance(place.group, ScanGroup) and place.group.bus not in edge_of_bus:
            yield Finding(
                (*place.loc, "bus"),
                f"the bus {place.group.bus} is unknown",
                f"one of the site's buses: {listed(edge_of_bus) or 'none is defined'}",
                refers_to=place.group.bus,
            )
    for loc, station in stations_of(site):
        edges: set[str] = set()
        for n, group in enumerate(station.scan_groups):
            edges |= {edge_of_bus[group.bus]} if group.bus in edge_of_bus else set()
            if len(edges) > 1:
                message = f"the station's groups are read by several edges ({_listed(edges)})"
                allowed = "buses of one edge; split the station where two edges read it"
                yield Finding((*loc, "scan_groups", n, "bus"), message, allowed)
                break


def _host_findings(site: Site) -> Iterator[Finding]:
    """Find hosts that no connection can be tried with; on some the resolver itself fails."""
    for n, bus in enumerate(site.buses):
        for kind in bus.kinds:
            host = getattr(getattr(bus, kind), "host", None)
            if host is not None and not _is_host(host):
                allowed = "an address such as 10.0.3.17, or a name such as logger-3.mine.example"
                yield Finding(("buses", n, kind, "host"), f"{host[:60]} is no host", allowed)


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        try:
            name = host.encode("idna").decode("ascii")
        except UnicodeError:
            return False
        return all(_LABEL.fullmatch(label) for label in name.removesuffix(".").split("."))
    return True


def _slot_findings(site: Site) -> Iterator[Finding]:
    for place in groups_of(site):
        holder: dict[int, str] = {}
        for one in place.channels():
            slot = one.channel.slot
            if slot in holder:
                message = f"slot {slot} belongs to the channel {holder[slot]} already"
                allowed = "a slot of its own for each channel of a group, never used again"
                yield Finding((*one.loc, "slot"), message, allowed)
            holder.setdefault(slot, one.channel.id)


def _instrument_findings(site: Site) -> Iterator[Finding]:
    known = {
        id(station): {instrument.id: None for instrument in station.instruments}
        for _, station in stations_of(site)
    }
    for one in channels_of(site):
        here = known[id(one.place.station)]
        if isinstance(one.channel, Channel) and one.channel.instrument not in here:
            yield Finding(
                (*one.loc, "instrument"),
                f"the instrument {one.channel.instrument} is not at this station",
                f"one of the station's instruments: {listed(here) or 'none is defined'}",
                refers_to=one.channel.instrument,
            )


def _unit_findings(site: Site) -> Iterator[Finding]:
    """Find units that no device on a serial line can be, also behind a converter."""
    serial = {bus.id for bus in site.buses if bus.modbus_rtu or bus.modbus_rtu_over_tcp}
    for place in groups_of(site):
        group = place.group
        if isinstance(group, ScanGroup) and group.bus in serial:
            unit = group.device_id
            if unit is not None and unit not in SERIAL_UNITS:
                message = f"no device on a serial line has the number {unit}"
                yield Finding((*place.loc, "device_id"), message, "1 to 247")


def _register_findings(site: Site) -> Iterator[Finding]:
    """Find registers that two channels of one device share, in whatever groups they are."""
    endpoints = {bus.id: _endpoint(bus) for bus in site.buses if _is_modbus(bus)}
    tables: dict[tuple[object, int, Table], list[tuple[Register, ChannelPlace]]] = defaultdict(list)
    for one in channels_of(site):
        group = one.place.group
        if isinstance(one.channel, Channel) and isinstance(group, ScanGroup):
            register = one.channel.register_
            if register is None or group.device_id is None:
                continue
            endpoint = endpoints.get(group.bus, group.bus)
            tables[endpoint, group.device_id, register.table].append((register, one))
    for (_, device_id, table), used in tables.items():
        yield from _overlap_findings(f"{_NAMES[table]} of device {device_id}", used)


def _endpoint(bus: Bus) -> tuple[str, ...]:
    """Tell where a bus leads: two buses of one edge to one address reach the same devices.

    Edges stand in networks of their own, where the same private address is another machine.
    """
    address = bus.modbus
    if isinstance(address, ModbusRtu):
        return bus.edge, address.device
    return bus.edge, address.host.lower(), str(address.port)


def _line_findings(site: Site) -> Iterator[Finding]:
    """Find two buses on one serial line: their questions would meet on it."""
    holder: dict[tuple[str, ...], str] = {}
    for n, bus in enumerate(site.buses):
        if not _is_modbus(bus) or bus.kind == "modbus_tcp":
            continue
        line = _endpoint(bus)
        if line in holder:
            message = f"the bus {holder[line]} asks on this line already"
            allowed = "one bus for each serial line, with all groups of its devices"
            yield Finding(("buses", n, bus.kind), message, allowed)
        holder.setdefault(line, bus.id)


def _is_modbus(bus: Bus) -> bool:
    return len(bus.kinds) == 1 and bus.kind in MODBUS_KINDS


def _overlap_findings(whose: str, used: list[tuple[Register, ChannelPlace]]) -> Iterator[Finding]:
    whole: dict[int, str] = {}  # Who reads a register as a whole.
    parts: dict[int, dict[int, str]] = defaultdict(dict)  # Who reads single bits of it.
    for register, one in used:
        addresses = range(register.address, register.end)
        others = {whole[address] for address in addresses if address in whole}
        for address in addresses:
            if register.bit is None:
                others |= set(parts[address].values()) if address in parts else set()
                whole.setdefault(address, one.channel.id)
            else:
                others |= (
                    {parts[address][register.bit]} if register.bit in parts[address] else set()
                )
                parts[address].setdefault(register.bit, one.channel.id)
        if others:
            span = (
                f"{addresses[0]}" if len(addresses) == 1 else f"{addresses[0]} to {addresses[-1]}"
            )
            bit = "" if register.bit is None else f", bit {register.bit},"
            message = f"the {whose} from {span}{bit} overlap those of {_listed(others)}"
            allowed = "registers of its own for each channel of a device"
            yield Finding((*one.loc, "register", register.place_key), message, allowed)


def _listed(words: set[str]) -> str:
    return ", ".join(sorted(words))
