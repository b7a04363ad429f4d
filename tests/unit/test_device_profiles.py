"""Device profiles: every shipped one is in order, and channels are filled from them."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from edge_agent.registers import RegisterMap
from groundwatch import app
from simulators.scenario import demo_site_text, read_scenario
from telemetry.complaint import Complaint
from telemetry.device_profiles import shipped_profile, shipped_profiles
from telemetry.plan import layout_of, plan_of
from telemetry.register import Register
from telemetry.site import Channel, Site
from telemetry.site_file import SiteFileError, keep_text, read_site_text, site_schema

NAME = {"en": "Dam", "zh": "坝"}


def tree(channels: list[dict[str, Any]], **group: Any) -> dict[str, Any]:
    return {
        "site": "mine",
        "name": NAME,
        "time_zone": "UTC",
        "began_at": "2020-01-01T00:00:00Z",
        "buses": [{"id": "bus", "edge": "edge", "modbus_tcp": {"host": "logger"}}],
        "structures": [
            {
                "id": "dam",
                "kind": "tailings_dam",
                "name": NAME,
                "stations": [
                    {
                        "id": "crest",
                        "name": NAME,
                        "instruments": [{"id": "box", "type": "logger"}],
                        "scan_groups": [
                            {"id": "group", "period_s": 60, "bus": "bus", "device_id": 1}
                            | group
                            | {
                                "channels": [
                                    {"instrument": "box", "slot": slot} | one
                                    for slot, one in enumerate(channels)
                                ]
                            }
                        ],
                    }
                ],
            }
        ],
    }


def written(site: dict[str, Any]) -> str:
    return json.dumps(site, indent=1, ensure_ascii=False)


def channels_of(site: dict[str, Any]) -> dict[str, Channel]:
    plan = plan_of(read_site_text(written(site), "site.yaml"))
    return {one.key: one.channel for one in plan.channels if isinstance(one.channel, Channel)}


def complaints_about(site: dict[str, Any]) -> list[Complaint]:
    with pytest.raises(SiteFileError) as caught:
        read_site_text(written(site), "site.yaml")
    return caught.value.complaints


def whole_profile(name: str) -> dict[str, Any]:
    """A site with a channel for every point of a profile."""
    points = shipped_profile(name).points
    return tree([{"id": point.id, "point": point.id} for point in points], profile=name)


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_makes_a_site_in_order(name: str) -> None:
    profile = shipped_profile(name)

    assert profile.id == name
    channels = channels_of(whole_profile(name))
    for point in profile.points:
        channel = channels[point.id]
        assert channel.modbus_register == point.register_
        assert (channel.quantity, channel.unit) == (point.quantity, point.unit)


def test_every_simulated_logger_has_its_profile() -> None:
    """Whoever takes a demo unit's registers from a profile reads what the demo site reads."""
    demo = plan_of(read_site_text(demo_site_text(read_scenario("calm"), {}), "demo-site.yaml"))
    maps = {
        name: {_meaning(point.register_) for point in shipped_profile(name).points}
        for name in shipped_profiles()
        if name.startswith("demo-")
    }
    of_groups = {
        group.key: {
            _meaning(one.channel.modbus_register)
            for one in group.channels
            if isinstance(one.channel, Channel)
        }
        for group in demo.groups
        if not group.calculated
    }
    for key, registers in of_groups.items():
        assert registers in maps.values(), key
    assert len(maps) == len(of_groups)


def _meaning(register: Register) -> tuple[object, ...]:
    order = register.byte_order if register.words > 1 else ""
    scaled = (register.scale, register.offset)
    return register.table, register.address, register.type, order, scaled


@pytest.mark.parametrize(
    ("name", "frame", "values"),
    [
        # The worked example of its manual, section 7.5: from the first status register on.
        ("encardio-rite-esm-12s", "3B213E1B 0000 41DBE336", [0.002460, 27.485]),
        # The worked example of a user guide of the same maker: 41F47AE1, least word first.
        ("vaisala-hmp", "7AE141F4 0000C0A0 0000 0000 0000 0000 0000C0A0", [30.56, -5.0, -5.0]),
    ],
)
def test_the_makers_own_examples(name: str, frame: str, values: list[float]) -> None:
    plan = plan_of(read_site_text(written(whole_profile(name)), "site.yaml")).groups[0]
    content = bytes.fromhex(frame)
    words = np.array(struct.unpack(f">{len(content) // 2}H", content), np.uint16)
    assert RegisterMap(plan).decode(words).tolist() == pytest.approx(values, rel=1e-3)


def test_what_the_channel_says_itself_stays() -> None:
    channels = channels_of(
        tree(
            [
                {"id": "a", "point": "barometer", "range": [90, 100]},
                {"id": "b", "point": "air-temperature", "register": {"address": 9}},
                {
                    "id": "c",
                    "point": "pond-level",
                    "quantity": "weir_head",
                    "unit": "mm",
                    "conversion": {"kind": "linear", "gain": 1000.0},
                },
            ],
            profile="demo-pond-station",
        )
    )
    assert (channels["a"].range, channels["a"].resolution) == ((90.0, 100.0), 0.01)
    assert channels["b"].modbus_register.address == 9
    assert channels["b"].modbus_register.type == "uint16"
    assert channels["c"].modbus_register.address == 4
    assert channels["c"].range is None  # The point's is in metres.


def test_a_site_may_carry_profiles_of_its_own() -> None:
    own = {
        "id": "our-box",
        "maker": "We",
        "model": "Box",
        "document": "Drawing 7",
        "table": "input",
        "byte_order": "BADC",
        "points": [
            {
                "id": "level",
                "quantity": "water_level",
                "unit": "m",
                "register": {"number": 5, "type": "float32"},
            },
            {
                "id": "tripped",
                "quantity": "state",
                "unit": "state",
                "register": {"address": 1, "bit": 3},
                "states": {"0": {"name": {"en": "no", "zh": "否"}}},
            },
        ],
    }
    site = tree([{"id": "a", "point": "level"}, {"id": "b", "point": "tripped"}], profile="our-box")
    channels = channels_of({**site, "profiles": [own]})

    level, tripped = channels["a"].modbus_register, channels["b"].modbus_register
    assert (level.table, level.address, level.byte_order) == ("input", 4, "BADC")
    assert (tripped.table, tripped.bit) == ("input", 3)


@pytest.mark.parametrize(
    ("channel", "group", "said"),
    [
        ({"point": "humidty"}, {"profile": "vaisala-hmp"}, "vaisala-hmp has no point humidty"),
        ({"point": "humidity"}, {"profile": "vaisala-hmq"}, "no profile is called vaisala-hmq"),
        ({"point": "humidity"}, {}, "the group names no profile"),
    ],
)
def test_what_is_not_there_is_told_in_its_line(
    channel: dict[str, Any], group: dict[str, Any], said: str
) -> None:
    site = tree([{"id": "a", **channel}], **group)
    [complaint] = [one for one in complaints_about(site) if said in one.message]
    line = written(site).splitlines()[complaint.line - 1]
    assert ('"profile"' if "profile is called" in said else '"point"') in line


def test_a_fault_that_comes_from_a_profile_is_told_where_it_was_asked_for() -> None:
    points = [{"id": "a", "point": "barometer"}, {"id": "b", "point": "barometer"}]
    site = tree(points, profile="demo-pond-station")
    [complaint] = complaints_about(site)
    assert "overlap those of a" in complaint.message
    assert '"point"' in written(site).splitlines()[complaint.line - 1]


def test_what_is_stored_means_the_same_without_the_shipped_files() -> None:
    site = whole_profile("demo-fan-plc")
    document = keep_text(written(site), "site.yaml")[1]

    carried = json.loads(document)["profiles"]
    assert [one["id"] for one in carried] == ["demo-fan-plc"]
    carried[0]["id"] = "renamed"  # Nothing of this name is shipped: the site's own must do.
    moved = document.replace('"demo-fan-plc"', '"renamed"')
    layouts = [
        layout_of(plan_of(read_site_text(text, "site.yaml")).groups[0].group)
        for text in (written(site), document, moved)
    ]
    assert len(set(layouts)) == 1
    assert keep_text(document, "site.yaml")[1] == document
    plain = written(
        tree([{"id": "a", "quantity": "index", "unit": "1", "register": {"address": 0}}])
    )
    assert keep_text(plain, "site.yaml")[1] is plain


def test_a_site_file_cannot_make_itself_endless() -> None:
    states = {str(n): {"name": {"en": f"state {n}", "zh": f"状态 {n}"}} for n in range(2_000)}
    point = {"id": "p", "quantity": "state", "unit": "state", "register": {"address": 0}}
    own = {
        "id": "own",
        "maker": "a",
        "model": "b",
        "document": "c",
        "points": [point | {"states": states}],
    }
    site = tree([{"id": f"c-{n}", "point": "p"} for n in range(100)], profile="own")
    assert any(
        "fill in more than" in one.message for one in complaints_about({**site, "profiles": [own]})
    )


def test_the_schema_knows_profiles() -> None:
    schema = site_schema()
    assert "points" in schema["$defs"]["Profile"]["properties"]
    assert {"number", "reference", "no_value", "bit", "texts"} <= set(
        schema["$defs"]["Register"]["properties"]
    )
    assert {"required": ["point"]} in schema["$defs"]["Channel"]["anyOf"]
    assert Site.model_fields["profiles"].default_factory is list


def test_the_command_lists_and_prints() -> None:
    listed = CliRunner().invoke(app, ["profiles"])
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.output.splitlines()] == list(shipped_profiles())
    printed = CliRunner().invoke(app, ["profiles", "eastron-sdm630"])
    assert "reference: 30001" in printed.output
    wrong = CliRunner().invoke(app, ["profiles", "eastron-sdm360"])
    assert wrong.exit_code == 2
    assert "Did you mean eastron-sdm630?" in wrong.output
