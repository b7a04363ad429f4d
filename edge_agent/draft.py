"""A draft of a site file from what a probe found; what nobody can know is left to fill in."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from edge_agent.line import Address
from edge_agent.plausibility import Decoding, Findings
from edge_agent.probe_report import Fit, Probed
from edge_agent.probing import Probe
from telemetry.register import BIT_TABLES, Table
from telemetry.sources import ModbusRtu, ModbusRtuOverTcp, ModbusTcp

FILL_IN: Final = "fill-in"
CHANNELS_MAX: Final = 128
BEGINNING: Final = f"""\
# A draft that `groundwatch probe` wrote from a live device.
# Replace every {FILL_IN}; `groundwatch check` names each of them with its line.
# Registers that were always 0, and texts, are left out.
site: probed-site
name: {{ en: Probed site, zh: 探测的现场 }}
time_zone: UTC
began_at: 2020-01-01T00:00:00Z

buses:
  - id: bus
    edge: edge
    <bus>

structures:
  - id: structure
    kind: {FILL_IN}  # tailings_dam, slope, underground or ventilation
    name: {{ en: Structure, zh: 监测对象 }}
    stations:
      - id: station
        name: {{ en: Station, zh: 测站 }}
        instruments:
          - {{ id: device, type: device }}
        scan_groups:
          - id: group
            period_s: 60
            bus: bus
            device_id: <unit>"""


def draft_site(probe: Probe, probed: Sequence[Probed], fitting: Sequence[Fit]) -> str:
    """Write a whole site file with one station; `groundwatch check` names what is to fill in."""
    certain = [fit for fit in fitting if fit.is_convincing]
    channels = list(_channels_of_profile(certain[0]) if certain else _channels_of_registers(probed))
    lines = [BEGINNING.replace("<bus>", _bus(probe.address)).replace("<unit>", str(probe.unit))]
    if certain:
        lines.append(f"            profile: {certain[0].profile.id}")
    lines.append("            channels:")
    if len(channels) > CHANNELS_MAX:
        lines.append(f"              # {len(channels) - CHANNELS_MAX} more are left out here.")
    for slot, channel in enumerate(channels[:CHANNELS_MAX]):
        lines += [line.replace("<slot>", str(slot)) for line in channel]
    return "\n".join(lines) + "\n"


def _bus(address: Address) -> str:
    match address:
        case ModbusRtu():
            kind = "modbus_rtu"
        case ModbusTcp():
            kind = "modbus_tcp"
        case ModbusRtuOverTcp():
            kind = "modbus_rtu_over_tcp"
    given = address.model_dump(exclude_unset=True)
    # JSON is YAML, and quotes whatever has to be quoted.
    words = ", ".join(f"{key}: {json.dumps(value)}" for key, value in given.items())
    return f"{kind}: {{ {words} }}"


def _channels_of_profile(fit: Fit) -> Iterator[list[str]]:
    for point in fit.profile.points:
        lines = _head(point.id)
        yield [*lines, f"                point: {point.id}"]


def _channels_of_registers(probed: Sequence[Probed]) -> Iterator[list[str]]:
    for one in probed:
        if one.read.table in BIT_TABLES:
            for address in range(one.read.first, one.read.end):
                yield _bit_channel(one.read.table, address)
        elif one.findings is not None:
            for chosen in one.findings.best:
                yield from _channel(one.read.table, chosen, one.findings)


def _channel(table: Table, chosen: Decoding, findings: Findings) -> Iterator[list[str]]:
    if chosen.text is not None or not chosen.values.any():
        return  # Names, serial numbers and unused registers.
    order = "" if chosen.name == chosen.type else f", byte_order: {chosen.byte_order}"
    register = f"{{ table: {table}, address: {chosen.address}, type: {chosen.type}{order} }}"
    lines = _head(f"{table}-{chosen.address}")
    others = ", ".join(f"{one.address} {one.kind}" for one in findings.rivals(chosen))
    if others:
        lines.append(f"                # As plausible: {others}.")
    lines += [
        f"                quantity: {FILL_IN}",
        f"                unit: {FILL_IN}",
        f"                register: {register}  # It showed {chosen.values[-1]:.7g}.",
    ]
    yield lines


def _bit_channel(table: Table, address: int) -> list[str]:
    return [
        *_head(f"{table}-{address}"),
        "                quantity: state",
        "                unit: state",
        f"                register: {{ table: {table}, address: {address} }}",
        "                states:",
        "                  0: { name: { en: off, zh: 断 } }",
        "                  1: { name: { en: on, zh: 合 } }",
    ]


def _head(name: str) -> list[str]:
    return [
        f"              - id: {name}",
        "                instrument: device",
        "                slot: <slot>",
    ]
