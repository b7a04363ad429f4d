"""Sounders of a site file: each rule broken once, and complained about in its very place."""

from pathlib import Path

import pytest

from telemetry.plan import plan_of
from telemetry.site_file import SiteFileError, read_site_text

NORTH_MINE = Path(__file__).parents[1] / "site_files" / "north-mine.yaml"
TEXT = NORTH_MINE.read_text(encoding="utf-8")
SIREN = """
sounders:
  - id: siren
    name: {en: Dam siren, zh: 坝体警笛}
    bus: dam-bus
    device_id: 20
    coil: {reference: "00001"}
    read_back: {table: discrete, address: 0}
    structures: [north-dam]
    from_level: orange
"""
BROKEN = [
    ("bus: dam-bus", "bus: §dam-buss", "the bus dam-buss is unknown"),
    ('coil: {reference: "00001"}', "coil: §{address: 0}", "not by a register of the table holding"),
    ('coil: {reference: "00001"}', 'coil: §{reference: "00001", scale: 2}', "without effect"),
    ("{table: discrete, address: 0}", "§{address: 0}", "one bit tells whether it sounds"),
    ("[north-dam]", "[§south-dam]", "the structure south-dam is unknown"),
    ("id: siren", "id: §piezometers", "group id piezometers is used a second time"),
    (
        "from_level: orange\n",
        "from_level: orange\n  - {id: lamp, bus: dam-bus, device_id: 20, from_level: orange,"
        ' structures: [north-dam], coil: §{reference: "00001"}}\n',
        "the sounder siren has this coil already",
    ),
]


def complaints(siren: str) -> list[tuple[int, int, str]]:
    try:
        read_site_text(TEXT + siren, "site.yaml")
    except SiteFileError as error:
        return [(one.line, one.column, one.message) for one in error.complaints]
    return []


def test_a_sounder_stands_in_the_plan_with_its_edge() -> None:
    plan = plan_of(read_site_text(TEXT + SIREN, "site.yaml"))
    (siren,) = plan.sounders
    assert (siren.key, siren.edge, siren.structure.id) == ("siren", "dam-edge", "north-dam")
    assert plan.teller_by_key["siren"] is siren


@pytest.mark.parametrize(("right", "wrong", "message"), BROKEN)
def test_what_is_wrong_is_told_where_it_stands(right: str, wrong: str, message: str) -> None:
    assert right in SIREN
    marked = SIREN.replace(right, wrong, 1)
    before = (TEXT + marked).split("§")[0]
    place = (before.count("\n") + 1, len(before.rsplit("\n", 1)[-1]) + 1)
    found = complaints(marked.replace("§", ""))
    assert [one[:2] for one in found if message in one[2]] == [place], found


def test_a_siren_that_nothing_can_make_sound_is_refused() -> None:
    """The edge of the hill reads nothing of the dam, so without the centre it knows nothing."""
    assert complaints(SIREN) == []
    ((_, _, message),) = complaints(SIREN.replace("bus: dam-bus", "bus: hill-bus"))
    assert message == (
        "nothing that the edge hill-edge reads of north-dam "
        "has a limit or a state of the level orange or above"
    )
