"""Device profiles in a site file: channels filled from them, or complaints by line."""

import random
from collections.abc import Iterator

from fuzz.readers.site_file import check_complaints, check_self_contained, start
from fuzz.target import Change, Target
from fuzz.yaml_lines import changed_yaml

from telemetry.device_profiles import profile_text, shipped_profile, shipped_profiles
from telemetry.plan import plan_of
from telemetry.site_file import SiteFileError, read_site_text

SITE = """\
site: mine
name: {{ en: Mine, zh: 矿 }}
time_zone: UTC
began_at: 2020-01-01T00:00:00Z
buses: [{{ id: bus, edge: edge, modbus_tcp: {{ host: 127.0.0.1 }} }}]
structures:
  - id: slope
    kind: slope
    name: {{ en: Slope, zh: 边坡 }}
    stations:
      - id: station
        name: {{ en: Station, zh: 站 }}
        instruments: [{{ id: logger, type: logger }}]
        scan_groups:
          - id: group
            period_s: 30
            bus: bus
            device_id: 1
            profile: {profile}
            channels:
              - {{ id: first, instrument: logger, slot: 0, point: {first} }}
              - id: other
                instrument: logger
                slot: 1
                point: {other}
                quantity: voltage
                unit: V
profiles:
"""


def read(data: bytes) -> str:
    """The first line names a profile and two of its points, the others are the profile."""
    head, _, profile = data.decode("utf-8", "replace").partition("\n")
    profile_id, first, other, *_ = (*head.split(), "p", "p", "p")
    indented = "".join(f"\n    {line}" for line in profile.split("\n"))
    site = SITE.format(profile=profile_id, first=first, other=other) + f"  -{indented}\n"
    try:
        found = read_site_text(site, "site.yaml")
    except SiteFileError as error:
        check_complaints(error.complaints, site, "site.yaml")
        return "refused"
    start(plan_of(found))
    check_self_contained(site, found)
    return "accepted"


def seeds() -> Iterator[bytes]:
    for name in shipped_profiles():
        text = profile_text(name)
        own = text.replace(f"id: {name}", f"id: own-{name}", 1)
        points = [one.id for one in shipped_profile(name).points]
        yield f"own-{name} {points[0]} {points[-1]}\n{own}".encode()
    yield f"vaisala-hmp humidity temperature\n{SMALL}".encode()
    yield f"small level tension\n{SMALL}".encode()


SMALL = """\
id: small
maker: M
model: N
document: D
table: input
byte_order: CDAB
points:
  - id: level
    quantity: displacement
    unit: mm
    register: { number: 1, type: float32 }
    range: [0, 5]
  - { id: tension, quantity: voltage, unit: V, register: { reference: "40003", scale: 0.1 } }
"""


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    return changed_yaml(data, chance, change, WORDS)


WORDS = (
    *("register: { address: 1 }", "{ reference: 30001, type: uint32 }", "bit: 3", "table: coil"),
    *(
        "byte_order: BADC",
        "type: text",
        "length: 4",
        "states: { 0: { en: a, zh: b } }",
        "mm",
        "kPa",
    ),
    *("quantity: displacement", "conversion: { kind: linear, factor: 2 }", "resolution: 1", "V"),
    *(
        "range: [0, 1]",
        "electrical_range: [1, 2]",
        "id: small",
        "points: []",
        "small level tension",
    ),
)
TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("accepted", "refused"),
    words=tuple(word.encode() for word in WORDS),
    mutated=mutated,
    short_runs=25,
)
