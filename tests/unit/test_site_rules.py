"""Rules over a whole site file: each broken once, and complained about in its very place.

A case changes one passage of `north-mine.yaml`. The sign § stands where the complaint must
point to, line and column; it is taken out before the file is read.
"""

from pathlib import Path

import pytest

from telemetry.complaint import Complaint
from telemetry.site_file import SiteFileError, read_site_text

NORTH_MINE = Path(__file__).parents[1] / "site_files" / "north-mine.yaml"
TEXT = NORTH_MINE.read_text(encoding="utf-8")
P101 = "channels.p-101-pressure"


def complaints_about(text: str) -> list[Complaint]:
    try:
        read_site_text(text, "site.yaml")
    except SiteFileError as error:
        return error.complaints
    return []


IDENTITIES = [
    ("- id: twice", "- id: §running", "channel id running is used a second time"),
    ("- id: cracks", "- id: §piezometers", "group id piezometers is used a second time"),
    ("- id: hill-sums", "- id: §piezometers", "group id piezometers is used a second time"),
    ("- id: hill\n", "- id: §section-1\n", "station id section-1"),
    ("- id: east-slope", "- id: §north-dam", "structure id north-dam"),
    ("{id: fan, type: plc}", "{id: fan, type: plc}\n          - {id: §fan, type: x}", "id fan"),
    ("time_zone: Asia/Shanghai", "time_zone: §Asia/Shanghai2", "no time zone"),
    ("began_at: 2020-01-01T00:00:00+08:00", "began_at: §2020-01-01T00:00:00", "has no time zone"),
    ("began_at: 2020", "began_at: §1820", "year 1820"),
]
DEVICES = [
    ("{host: 127.0.0.1,", "{host: §10..0.3,", "10..0.3 is no host"),
    ("{host: 127.0.0.1,", '{host: §"http://10.0.3.17",', "http://10.0.3.17 is no host"),
    ("{host: 127.0.0.1,", '{host: §"10.0.3.17 ",', "10.0.3.17  is no host"),
    ("bus: dam-bus", "bus: §dam-buss", "the bus dam-buss is unknown"),
    ("instrument: p-101\n", "instrument: §p-102\n", "p-102 is not at this station"),
    ("instrument: crack-1", "instrument: §fan", "fan is not at this station"),
    ("slot: 1\n", "slot: §0\n", "slot 0 belongs to the channel p-101-pressure"),
    ("{address: 2, type: float32", "{address: §1, type: float32", "overlap those of p-101-press"),
    ("{address: 4, table: input}", "{address: §3, table: input}", "overlap those of p-101-temp"),
    ("{address: 4, table: input}", "{address: §5, table: input}", "registers of device 1 from 5"),
    ("{address: 10}", "{address: §65535, type: int32}", "ends at register 65536"),
    ("{address: 10}", "{address: 10, scale: §0}", "forgets what was read"),
]
SOURCES = [
    ("    modbus_tcp: {host: 127.0.0.1, port: 1502}\n", "", "this one is of none"),
    ("port: 1502}\n", "port: 1502}\n    gateway: {}\n", "this one is of modbus_tcp, gateway"),
    ("modbus_tcp: {host: 127.0.0.1, port: 1502}", "gateway: {}", "where device_id means nothing"),
    (
        "modbus_tcp: {host: 127.0.0.1, port: 1502}",
        "mqtt: {host: broker}",
        "the key message is missing: the bus dam-bus is of the kind mqtt",
    ),
    ("            device_id: 1\n", "", "the key device_id is missing"),
    (
        "                register: {address: 0, type: float32, table: input}\n",
        "                field: p\n",
        "the key register is missing",
    ),
]
CHANNELS = [
    ("unit: mm", "unit: §kPa", "the unit kPa does not fit the quantity crack_opening"),
    ("unit: °C", "unit: §℃", "write °C"),
    ("quantity: crack_opening", "quantity: §crack_opnening", "quantity crack_opnening is unknown"),
    ("range: [-50, 500]", "range: §[500, -50]", "begins at 500 and ends at -50"),
    ("electrical_range: [0, 4095]", "electrical_range: §[5, 5]", "begins at 5 and ends at 5"),
    ("period_s: 60", "period_s: §0.01", "0.01 s is out of the question"),
    ("{en: Running, zh: 运行}", "{en: Running, zh: §停}", "the state 0 is called 停 already"),
    ("state_on_delay_s: 10", "range: §[0, 1]", "with states has no range"),
    ("                range: [0, 500]", "                state_off_delay_s: §5", "without effect"),
    ("                  1: {name", "                  99999999999: §{name", "no register shows"),
]
CONVERSIONS = [
    ("kind: linear, gain: 0.1", "kind: linear, gain: §0", "does not depend on what was read"),
    ("coefficients: [50.0, 0.024]", "coefficients: §[50.0, 0]", "does not depend"),
    ("b: 2.369e-4, c: 1.019e-7", "b: §0, c: 0", "does not depend"),
    ("{channel: p-101-temperature", "{channel: §p-101-temp", "p-101-temp is unknown"),
    ("{channel: p-101-temperature", "{channel: §barometer", "not in °C"),
    ("{channel: p-101-temperature", "{channel: §crack-1-opening", "by the group cracks"),
    ("{channel: p-101-temperature", "{channel: §p-101-level", "by the group section-1-levels"),
    ("{channel: barometer,", "{channel: §p-101-temperature,", "is no pressure"),
    (
        "kind: polynomial, coefficients: [50.0, 0.024]}",
        "kind: vibrating_wire_linear, gain: 1, zero_digits: 0, "
        "barometer: {channel: p-101-pressure, zero: 1}}",
        "go round in a circle",
    ),
    (
        "barometer: {channel: barometer, zero: 101.3}",
        "scale: 0.001\n                  barometer: §{channel: barometer, zero: 101.3}",
        "in which unit the sheet's pressure is",
    ),
    (
        "barometer: {channel: barometer, zero: 101.3}",
        "scale: 0.001\n                  barometer: {channel: §barometer, zero: 1013, unit: hPa}",
        "kPa cannot be subtracted from hPa",
    ),
    ("zero: 101.3}", "zero: 101.3, unit: §hPa}", "the channel shows it as it is in kPa"),
]
LIMITS = [
    ("blue: 10, yellow: 20", "blue: 10, yellow: §10", "yellow must lie above blue"),
    ("blue: 10, yellow: 20", "blue: 25, yellow: §20", "yellow must lie above blue"),
    ("{blue: -10, red: -40}", "{blue: -40, red: §-10}", "red must lie below blue"),
    ("levels: {orange: 5}", "levels: §{}", "the limit has no level"),
    ("deadband: 2\n", "deadband: §10.5\n", "larger than the distance"),
    ("orange: 30, red: 40", "orange: 30, red: §600", "600 lies outside the channel's range"),
    ("red: 100}, source", "red: 100}, deadband: §50, source", "could never end"),
    ("window_s: 3600", "window_s: §60", "shorter than the group's period"),
    ("{blue: -10, red: -40}", "§{blue: 12, red: -40}", "overlap"),
]
SLOPE = "levels: {yellow: 50, red: 100}, source: Slope plan 2}\n"
EWMA = "method: ewma, direction: high, mean: 9, sigma: 1, source: x"


def with_chart(chart: str, more: str = "") -> tuple[str, str]:
    indent = " " * 16
    return SLOPE, f"{SLOPE}{indent}charts:\n{indent}  - {chart}\n{more}"


CHARTS = [
    (*with_chart(f"{{{EWMA}, levels: §{{}}}}"), "the limit has no level"),
    (*with_chart(f"{{{EWMA}, levels: {{blue: 3, red: §2}}}}"), "red must lie above blue"),
    (*with_chart(f"{{{EWMA}, levels: {{blue: §0}}}}"), "would never end"),
    (*with_chart(f"{{{EWMA}, levels: {{blue: §3}}, deadband: 3}}"), "would never end"),
    (
        *with_chart("§{method: cusum, direction: low, levels: {red: 5}, source: x}"),
        "does not know what the channel can tell",
    ),
    (*with_chart(f"{{{EWMA}, levels: {{red: 3}}, reset_after_s: §30}}"), "begin anew with each"),
    (
        *with_chart(
            f"{{{EWMA}, levels: {{red: 3}}}}", " " * 18 + f"- §{{{EWMA}, levels: {{red: 4}}}}\n"
        ),
        "the same method and the same direction",
    ),
    (
        "red: 100}, source",
        "red: 100}, confirm: {at_least: §4, of_last: 3}, source",
        "4 of the last 3 readings",
    ),
]
CALCULATIONS = [
    ("formula: 0.1019977334 * p + tip", "formula: §0.1 * q + tip", "uses the name q"),
    ("formula: 0.1019977334 * p + tip", 'formula: §"p +* tip"', "cannot be read"),
    ("formula: 0.1019977334 * p + tip", "formula: §open(p)", "open is no function"),
    ("{p: p-101-pressure}", "{p: §p-102-pressure}", "p-102-pressure is unknown"),
    ("{p: p-101-pressure}", "{p: p-101-pressure, q: §barometer}", "does not use the input q"),
    ("{tip: 0.1}", "{tip: 0.1, p: §3}", "the name p is an input and a constant"),
    ("{tip: 0.1}", "{tip: 0.1, 2x: §3}", "2x cannot be a name"),
    ("max_age_s: 1800", "max_age_s: §600", "so at 600 s it is mostly too old"),
    (
        "section-1-levels\n            period_s: 900",
        "section-1-levels\n            period_s: §60",
        "more often than any of its inputs",
    ),
    ("{p: p-101-pressure}", "{p: §p-101-level}", "in the same group"),
    ("inputs: {p: p-101-pressure}", "inputs: {p: twice}", "need each other"),
]
EAST_SLOPE = "    kind: slope\n"
ITEM = "{id: opening, slot: 1, name: {en: x, zh: x}, points: [crack-1-opening]}"
VOTED = {"every_s": "900", "max_age_s": "1800", "items": f"[{ITEM}]"}


def with_votes(**words: str) -> tuple[str, str]:
    """The slope's votes, with other words than those that are in order."""
    lines = [f"      {key}: {word}\n" for key, word in (VOTED | words).items()]
    return EAST_SLOPE, f"{EAST_SLOPE}    voting:\n{''.join(lines)}"


def with_item(**words: str) -> tuple[str, str]:
    """The same with another item."""
    plain = {"id": "opening", "slot": "1", "name": "{en: x, zh: x}", "points": "[crack-1-opening]"}
    inner = ", ".join(f"{key}: {word}" for key, word in (plain | words).items())
    return with_votes(items=f"[{{{inner}}}]")


NEAR = "{radius_m: 10, window_s: 60}"
OTHER = "name: {en: x, zh: x}, points: [crack-1-opening]}"
VOTES = [
    (*with_item(points="[§crack-2]"), "the structure east-slope has no channel crack-2"),
    (*with_item(points="[§p-101-pressure]"), "has no channel p-101-pressure"),
    (*with_item(points="[§twice]"), "twice has no limit"),
    (*with_item(points="[crack-1-opening, §crack-1-opening]"), "votes twice in one item"),
    (*with_item(quantity="§crack_openning"), "the quantity crack_openning is unknown"),
    (*with_item(points="[]", quantity="tilt"), "the item opening has no points"),
    (*with_item(id="§crack-1-opening"), "called like a channel"),
    (*with_item(id="§hill-sums"), "called like a group"),
    (*with_item(id="§east-slope"), "called like a structure with votes"),
    (*with_votes(items=f"[{ITEM}, {{id: §opening, slot: 2, {OTHER}]"), "called like another item"),
    (*with_votes(items=f"[{ITEM}, {{id: b, slot: §1, {OTHER}]"), "slot 1 is used a second time"),
    (*with_votes(every_s="§30"), "would wait for crack-1-opening, which comes every 60 s"),
    (*with_votes(max_age_s="§600"), "most points would be too old at most votes"),
    (
        *with_votes(ladder="{blue_to_yellow: 5, source: §'GB 39496-2020, 5.5'}"),
        "not those of GB 39496-2020, 5.5",
    ),
    (*with_item(neighbours="{radius_m: 10, window_s: 60, at_least: §2}"), "none is ever confirmed"),
]
EVERY_CASE = IDENTITIES + DEVICES + CHANNELS + CONVERSIONS + LIMITS + CHARTS + CALCULATIONS + VOTES


@pytest.mark.parametrize(("passage", "broken", "says"), EVERY_CASE)
def test_each_rule_complains_in_the_right_place(passage: str, broken: str, says: str) -> None:
    assert passage in TEXT
    marked = TEXT.replace(passage, broken, 1)
    complaints = complaints_about(marked.replace("§", ""))

    assert len(complaints) == 1, complaints
    assert says in complaints[0].message
    assert complaints[0].allowed
    if "§" in marked:
        before = marked[: marked.index("§")]
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        assert (complaints[0].line, complaints[0].column) == place


def test_no_channel_of_the_file_is_a_vote() -> None:
    text = TEXT.replace("quantity: running_state", "quantity: voted_level", 1)
    assert text != TEXT
    [complaint] = complaints_about(text)
    assert "voted_level is that of votes" in complaint.message


def test_good_votes_are_not_complained_about() -> None:
    assert complaints_about(TEXT.replace(*with_votes())) == []
    ladder = "{blue_to_yellow: 5, source: Design file 7}"
    assert complaints_about(TEXT.replace(*with_votes(ladder=ladder))) == []
    twice = "                formula: 2 * crack if level > 0 else crack\n"
    limited = "                limits: [{direction: high, levels: {red: 9}, source: x}]\n"
    text = TEXT.replace(twice, f"{twice}{limited}", 1)
    near = text.replace(*with_item(quantity="crack_opening", neighbours=NEAR))
    [complaint] = complaints_about(near)
    assert "no point of the item opening has a position" in complaint.message
    placed = "{id: crack-1, position: {east_m: 0, north_m: 0, elevation_m: 0}, type"
    assert complaints_about(near.replace("{id: crack-1, type", placed)) == []


def test_a_good_file_is_not_complained_about() -> None:
    assert complaints_about(TEXT) == []


def test_one_fault_does_not_bring_a_tail_of_others() -> None:
    """A companion with a misspelt unit is complained about once, not at each who looks at it."""
    assert len(complaints_about(TEXT.replace("unit: °C", "unit: ℃"))) == 1


def test_a_discrete_quantity_has_states_and_no_limits() -> None:
    text = TEXT.replace(
        "quantity: crack_opening\n                unit: mm",
        "quantity: state\n                unit: state",
        1,
    )
    assert [one.message for one in complaints_about(text)] == [
        "the discrete quantity state needs names for its states"
    ]
    states = "states: {0: {name: {en: a, zh: b}}}\n                limits:"
    messages = [one.message for one in complaints_about(text.replace("limits:", states, 3))]
    assert "a channel with states has no limits" in messages
    assert "a channel with states has no range" in messages


def test_a_station_is_read_by_one_edge() -> None:
    group = """
          - id: more-cracks
            period_s: 60
            bus: dam-bus
            device_id: 9
            channels:
              - {id: crack-2, instrument: crack-1, quantity: crack_opening, unit: mm, slot: 0,
                 register: {address: 0}}
        calculated_groups:
          - id: hill-sums"""
    text = TEXT.replace("\n        calculated_groups:\n          - id: hill-sums", group)
    assert [one.message for one in complaints_about(text)] == [
        "the station's groups are read by several edges (dam-edge, hill-edge)"
    ]


def test_registers_of_one_device_are_compared_over_groups_and_tables_apart() -> None:
    text = TEXT.replace("bus: hill-bus", "bus: dam-bus").replace("device_id: 7", "device_id: 1")
    same_device = text.replace("edge: hill-edge", "edge: dam-edge").replace(
        "{address: 10}", "{address: 0, table: %s}"
    )

    assert complaints_about(same_device % "holding") == []
    assert [
        "overlap those of p-101-pressure" in one.message
        for one in complaints_about(same_device % "input")
    ] == [True]


def test_two_buses_to_one_address_reach_the_same_device() -> None:
    text = TEXT.replace("device_id: 7", "device_id: 1").replace(
        "{address: 10}", "{address: 0, table: input}"
    )
    same_port = text.replace("port: 1503", "port: 1502")
    same_edge = same_port.replace("edge: hill-edge", "edge: dam-edge")

    assert complaints_about(text.replace("edge: hill-edge", "edge: dam-edge")) == []
    assert complaints_about(same_port) == []  # Each edge has a network of its own.
    [complaint] = complaints_about(same_edge)
    assert "overlap those of p-101-pressure" in complaint.message


def test_limits_and_rates_are_not_said_twice() -> None:
    limit = "{direction: high, levels: {yellow: 50, red: 100}, source: Slope plan 2}"
    text = TEXT.replace(limit, f"{limit}\n                  - {limit}")
    assert [one.message for one in complaints_about(text)] == [
        "two limits have the same direction and the same levels"
    ]
    rate = "{direction: high, levels: {red: %d}, window_s: 60, source: x}"
    rates = f"                rate_limits: [{rate % 5}, {rate % 6}]\n                limits:\n"
    text = TEXT.replace(
        f"                limits:\n                  - {limit}",
        f"{rates}                  - {limit}",
    )
    assert [one.message for one in complaints_about(text)] == [
        "two rate limits have the same direction and the same window"
    ]


def test_a_machine_without_time_zone_data_takes_any_name_of_the_right_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("telemetry.site_rules.identities.available_timezones", set)
    assert complaints_about(TEXT.replace("Asia/Shanghai", "Asia/Nowhere")) == []
    assert len(complaints_about(TEXT.replace("Asia/Shanghai", "../../etc/passwd"))) == 1
    assert len(complaints_about(TEXT.replace("Asia/Shanghai", "Asia"))) == 1


@pytest.mark.parametrize(("passage", "broken", "says"), SOURCES)
def test_a_bus_is_of_one_kind_which_decides_what_stands_on_it(
    passage: str, broken: str, says: str
) -> None:
    assert passage in TEXT
    messages = [one.message for one in complaints_about(TEXT.replace(passage, broken, 1))]
    assert any(says in message for message in messages), messages
