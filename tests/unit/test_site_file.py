"""Site files: read by YAML 1.2 without trust, every fault found at once, each in its place."""

import json
import re
from pathlib import Path

import pytest

from simulators.load_numbers import load_sites
from telemetry.check import check_files
from telemetry.clock import real_monotonic_s
from telemetry.complaint import Complaint
from telemetry.plan import plan_of
from telemetry.site import Channel, Thermistor
from telemetry.site_file import SiteFileError, read_site_file, read_site_text, site_schema

SITE_FILES = Path(__file__).parents[1] / "site_files"
NORTH_MINE = SITE_FILES / "north-mine.yaml"
TEXT = NORTH_MINE.read_text(encoding="utf-8")


def complaints_about(text: str) -> list[Complaint]:
    with pytest.raises(SiteFileError) as refusal:
        read_site_text(text, "site.yaml")
    assert refusal.value.complaints == sorted(refusal.value.complaints)
    assert str(refusal.value)
    return refusal.value.complaints


def changed(passage: str, other: str) -> str:
    assert passage in TEXT
    return TEXT.replace(passage, other, 1)


def test_a_good_file_becomes_a_site() -> None:
    site = read_site_file(NORTH_MINE)
    plan = plan_of(site)
    temperature = plan.channel_by_key["p-101-temperature"].channel

    assert site.name.zh == "北矿"
    assert site.began_at.isoformat() == "2020-01-01T00:00:00+08:00"
    assert isinstance(temperature, Channel)
    assert isinstance(temperature.conversion, Thermistor)
    assert temperature.unit == "°C"
    assert plan.channel_by_key["running"].channel.states is not None
    assert set(plan.channel_by_key["running"].channel.states) == {0, 1}


def test_json_and_a_byte_order_mark_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert read_site_file(tmp_path / "site.yaml") == read_site_file(NORTH_MINE)
    as_json = read_site_file(NORTH_MINE).model_dump_json(by_alias=True)
    assert read_site_text(as_json, "site.json") == read_site_file(NORTH_MINE)


@pytest.mark.parametrize(
    ("passage", "broken", "says", "allows"),
    [
        ("port: 1502", "prot: 1502", "prot is unknown here; did you mean port?", "timeout_s"),
        ("    edge: dam-edge\n", "", "the key edge is missing", "id, edge"),
        ("kind: slope", "kind: hill", "hill may not stand here", "tailings_dam, slope"),
        ("kind: thermistor", "kind: termistor", "the kind termistor is unknown", "thermistor"),
        ("{kind: thermistor, a", "{a", "the key kind is missing", "kind"),
        (
            "b: 2.369e-4",
            "b: 2.369e-4, beta: 1",
            "the key beta is unknown here",
            "kind, a, b, c, trim_c",
        ),
        ("direction: low", "direction: down", "down may not stand here", "high or low"),
        ("edge: dam-edge", "edge: Dam edge", "Dam edge may not stand here", "lower-case letters"),
        ("slot: 3", "slot: 128", "128 is too large", "less than 128"),
        ("slot: 3", "slot: -1", "-1 is too small", "0 or more"),
        ("slot: 3", "slot: 3.5", "3.5 may not stand here", "a whole number"),
        ("slot: 3", "slot: '3'", "3 may not stand here", "a whole number"),
        ("slot: 3", "slot: on", "on may not stand here", "a whole number"),
        ("slot: 3", "slot:", "nothing may not stand here", "a whole number"),
        ("slot: 3", "slot: true", "true may not stand here", "a whole number"),
        ("address: 10", "address: 70000", "70000 is too large", "65535 or less"),
        ("period_s: 60", "period_s: 0", "0 is too small", "more than 0"),
        ("period_s: 60", "period_s: .nan", "nan may not stand here", "a finite number"),
        ("period_s: 60", "period_s: 1e999", "inf may not stand here", "a finite number"),
        ("period_s: 60", "period_s: 60 s", "60 s may not stand here", "a number"),
        ('serial: "83807"', "serial: 83807", "83807 may not stand here", "put it into quotes"),
        ('serial: "83807"', 'serial: ""', "the text is empty", "some text"),
        ("[0, 500]", "[0]", "a second number is missing", "two numbers"),
        ("[0, 500]", "[0, 1, 2]", "the list is too long", "at most 2"),
        ("[0, 500]", "{a: 1}", "a mapping may not stand here", "two numbers"),
        ("  - id: hill-bus", "  - x\n  - id: hill-bus", "x may not stand here", "a mapping"),
        ("{address: 10}", "[10]", "a list may not stand here", "a mapping"),
        ("coefficients: [50.0, 0.024]", "coefficients: []", "too short", "at least 1"),
        ("                  0: {name", "                  off: {name", "off may", "a whole number"),
        ("2020-01-01T00:00:00+08:00", "2020-01-01", "2020-01-01 may not", "with its time zone"),
        ("2020-01-01T00:00:00+08:00", "2020", "2020 may not", "with its time zone"),
    ],
)
def test_each_part_is_judged_with_a_sentence(
    passage: str, broken: str, says: str, allows: str
) -> None:
    (complaint,) = complaints_about(changed(passage, broken))
    before = TEXT[: TEXT.index(passage)]
    line = before.count("\n") + 1

    assert says in complaint.message
    assert allows in complaint.allowed
    assert complaint.line == line or "key edge is missing" in complaint.message
    assert complaint.where


def test_places_are_named_by_ids_and_point_to_the_column() -> None:
    (complaint,) = complaints_about(changed("gain: 0.1", "gain: much"))

    assert complaint.where == (
        "structures.east-slope.stations.hill.scan_groups.cracks.channels.crack-1-opening"
        ".conversion.gain"
    )
    lines = changed("gain: 0.1", "gain: much").splitlines()
    assert lines[complaint.line - 1][complaint.column - 1 :].startswith("much")
    assert str(complaint) == (
        f"site.yaml:{complaint.line}:{complaint.column}: {complaint.where}: "
        "much may not stand here (allowed: a number)"
    )


def test_faults_of_every_gate_are_found_in_one_reading() -> None:
    text = (
        changed("unit: °C", "unit: °C\n                unit: K")  # YAML: a key twice
        .replace("slot: 3", "slot: three")  # A part: a wrong type, so the barometer is left out
        .replace("blue: 10, yellow: 20", "blue: 30, yellow: 20")  # A rule: levels
        .replace("Asia/Shanghai", "Asia/Nowhere")  # A rule: the time zone
        .replace("began_at: 2020", "began_at: x2020")  # A part at the top
        .replace("edge: hill-edge", "edge: hill-edge\n    colour: red")  # An unknown key
    )
    messages = [complaint.message for complaint in complaints_about(text)]

    assert [message[:24] for message in messages] == [
        "Asia/Nowhere is no time zone"[:24],
        "x2020-01-01T00:00:00+08:00 may"[:24],
        "the key colour is unknown here"[:24],
        "yellow must lie above blue"[:24],
        "the key unit stands here again"[:24],
        "three may not stand here"[:24],
    ]


def test_what_was_left_out_is_not_missed() -> None:
    """The barometer is broken and left out; who looks at it is not blamed."""
    (complaint,) = complaints_about(changed("slot: 3", "slot: three"))
    assert complaint.where.endswith("barometer.slot")


def test_leaving_out_the_last_channel_leaves_out_its_group() -> None:
    complaints = complaints_about(
        changed(
            "slot: 0\n                register: {address: 10}",
            "slot: x\n                register: {address: -1}",
        ).replace("Asia/Shanghai", "Asia/Nowhere")
    )
    assert [complaint.where.split(".")[-1] for complaint in complaints] == [
        "time_zone",
        "slot",
        "address",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("just words", "just words may not stand here"),
        ("- a\n- b", "a list may not stand here"),
        ("site: [1, 2", "this is not YAML"),
        ("site: a\n  b: c", "this is not YAML"),
        ("site: a\n\tb: c", "this is not YAML"),
        ("a: &x 1\nb: *x", "anchors (&) and aliases (*)"),
        ("a: *nowhere", "anchors (&) and aliases (*)"),
        ("<<: {site: a}", "the key << is unknown here"),
        ("site: !!python/object:os.system x", "tags (!) are not used here"),
        ("site: !!str 1", "tags (!) are not used here"),
        ("site: a\n---\nsite: b", "a second YAML document"),
        ("[a]: b", "a key must be a word"),
        ("{a: b}: c", "a key must be a word"),
        ("? [a, b]\n: c", "a key must be a word"),
        ('site: "\\ud800"', "half a character"),
        ("site: a\x01b", "YAML does not allow"),
        ("a: " + "[" * 100_000, "nested more than"),
        ("a: " + "{a: " * 100_000, "nested more than"),
        ("a:\n" + "".join(" " * n + "a:\n" for n in range(1, 200)), "nested more than"),
        ("# " + "x" * 5_000_000, "larger than"),
        ("site: " + "9" * 5000, "may not stand here"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_what_is_no_site_file_is_refused(text: str, says: str) -> None:
    messages = [complaint.message for complaint in complaints_about(text)]
    assert any(says in message for message in messages), messages


def test_a_file_of_too_many_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.yaml_tree.NODES_MAX", 1_000)
    assert "holds more than 1000 values" in complaints_about("[" + "1," * 2_000 + "]")[0].message


def test_a_file_of_many_faults_is_refused_as_fast_as_others() -> None:
    """Each fault finds its line without looking through all the others."""
    began_s = real_monotonic_s()

    with pytest.raises(SiteFileError) as refused:
        read_site_text(f"site: x\nstructures: [{'1,' * 10_000}]\n", "mine.yaml")

    said = [str(one) for one in refused.value.complaints]
    assert (
        "mine.yaml:2:20012: structures.9999: 1 may not stand here (allowed: a mapping" in said[-1]
    )
    assert real_monotonic_s() - began_s < 10.0  # Looking through all of them took 20 s.


def test_a_bomb_of_aliases_is_refused_without_being_expanded() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert complaints_about(bomb)[0].message == "anchors (&) and aliases (*) are not used here"


def test_duplicate_keys_are_named_with_both_lines() -> None:
    (complaint,) = complaints_about(
        changed("period_s: 60", "period_s: 60\n            period_s: 61")
    )
    first = TEXT[: TEXT.index("period_s: 60")].count("\n") + 1

    assert complaint.line == first + 1
    assert f"in line {first} already" in complaint.message
    (twice,) = complaints_about(
        changed("                  1: {name", "                  00: {name")
    )
    assert "the key 0 stands here again" in twice.message


def test_a_file_that_cannot_be_read_is_a_complaint(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"site: a\nname: Gr\xfcn")
    for path, says, line in (
        (tmp_path / "absent.yaml", "cannot be read", 0),
        (tmp_path, "cannot be read", 0),
        (tmp_path / "latin.yaml", "not UTF-8", 2),
    ):
        with pytest.raises(SiteFileError) as refusal:
            read_site_file(path)
        (complaint,) = refusal.value.complaints
        assert says in complaint.message
        assert (complaint.file, complaint.line) == (str(path), line)


def test_check_says_what_is_in_a_good_file_and_what_is_wrong_in_a_bad_one(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(changed("slot: 3", "slot: three"), encoding="utf-8")

    assert check_files([NORTH_MINE]) == (
        0,
        [
            f"{NORTH_MINE}: the site north-mine is in order: "
            "2 structures, 4 groups, 7 channels, 4 limits, 2 buses."
        ],
    )
    code, lines = check_files([NORTH_MINE, bad])
    assert code == 1
    assert len(lines) == 2
    assert lines[1].startswith(f"{bad}:")
    assert lines[1].endswith("three may not stand here (allowed: a whole number)")


def test_check_compares_files_with_each_other(tmp_path: Path) -> None:
    same = tmp_path / "same.yaml"
    same.write_text(TEXT, encoding="utf-8")
    other = tmp_path / "other.yaml"
    other.write_text(changed("site: north-mine", "site: south-mine"), encoding="utf-8")

    code, lines = check_files([NORTH_MINE, same])
    assert (code, len(lines)) == (1, 3)
    assert "north-mine is described in" in lines[2]
    code, lines = check_files([NORTH_MINE, other])
    assert code == 1
    assert [line.split(": ", 2)[2] for line in lines[2:]] == [
        "the edge dam-edge belongs to the site north-mine already "
        "(allowed: one site for each edge)",
        "the edge hill-edge belongs to the site north-mine already "
        "(allowed: one site for each edge)",
    ]


def test_the_schema_knows_every_key_quantity_and_unit() -> None:
    schema = json.loads(json.dumps(site_schema()))
    channel = schema["$defs"]["Channel"]

    assert schema["$schema"].endswith("2020-12/schema")
    assert "register" in channel["properties"]
    assert channel["additionalProperties"] is False
    assert "phreatic_depth" in channel["properties"]["quantity"]["enum"]
    assert "m³/s" in channel["properties"]["unit"]["enum"]


def test_a_complaint_names_some_of_what_is_allowed_and_not_thousands() -> None:
    many = "".join(f"\n          - {{id: i{n}, type: wire}}" for n in range(1_000))
    text = TEXT.replace("instruments:", f"instruments:{many}", 1)
    text = re.sub(r"instrument: .*", "instrument: nobody", text, count=1)

    (unknown,) = [one for one in complaints_about(text) if "nobody is not at" in one.message]

    assert "i38, i39 and " in unknown.allowed
    assert len(unknown.allowed) < 400


def test_equal_limits_are_kept_once() -> None:
    tree = load_sites(edges=2, channels=3)["load-000"]
    channels = tree["structures"][0]["stations"][1]["scan_groups"][0]["channels"]
    channels[2]["limits"][0]["levels"]["red"] = 500.0
    plan = plan_of(read_site_text(json.dumps(tree), "load.yaml"))
    limits = [one.channel.limits[0] for one in plan.channels]
    assert len({id(one) for one in limits}) == 2
    assert limits[-1].levels.red == 500.0
    assert all(one is limits[0] for one in limits[:-1])
