"""Where a register stands and how it is read: every way of writing it, and every contradiction."""

from pathlib import Path
from typing import Any

import pytest

from telemetry.complaint import Complaint
from telemetry.plan import layout_of, plan_of
from telemetry.register import Register
from telemetry.site_file import SiteFileError, read_site_file, read_site_text

NORTH_MINE = Path(__file__).parents[1] / "site_files" / "north-mine.yaml"
TEXT = NORTH_MINE.read_text(encoding="utf-8")
CRACK = "register: {address: 10}"  # Stands once in the file.


def complaints_about(text: str) -> list[Complaint]:
    try:
        read_site_text(text, "site.yaml")
    except SiteFileError as error:
        return error.complaints
    return []


def with_crack_at(register: str) -> str:
    return TEXT.replace(CRACK, f"register: {register}")


def register_of(text: str) -> Register:
    site = read_site_text(with_crack_at(text), "site.yaml")
    return plan_of(site).channel_by_key["crack-1-opening"].channel.modbus_register  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "table", "address"),
    [
        ("{address: 0}", "holding", 0),
        ("{number: 1}", "holding", 0),
        ("{number: 65536, table: input}", "input", 65535),
        ("{reference: 40001}", "holding", 0),
        ("{reference: 400001}", "holding", 0),
        ("{reference: 465536}", "holding", 65535),
        ("{reference: 30010, type: int16}", "input", 9),
        ("{reference: 310000}", "input", 9999),
        ("{reference: 10001}", "discrete", 0),
        ("{reference: 00001}", "coil", 0),
        ("{reference: 17}", "coil", 16),
        ('{reference: "010001"}', "coil", 10000),
        ("{reference: 40005, table: holding}", "holding", 4),
    ],
)
def test_a_place_is_the_same_however_it_is_written(written: str, table: str, address: int) -> None:
    register = register_of(written)
    assert (register.table, register.address) == (table, address)


@pytest.mark.parametrize(
    ("written", "type_"),
    [
        ("{address: 3}", "uint16"),
        ("{address: 3, table: coil}", "bit"),
        ("{reference: 10004}", "bit"),
        ("{address: 3, bit: 0}", "bit"),
        ("{address: 3, type: bit, bit: 15}", "bit"),
        ("{address: 3, type: text, length: 4}", "text"),
    ],
)
def test_what_the_file_does_not_say_follows_from_the_table(written: str, type_: str) -> None:
    assert register_of(written).type == type_


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{type: int16}", "nothing says where the register stands"),
        ("{address: 0, number: §1}", "address and number say where"),
        ("{address: 0, reference: §40001}", "address and reference say where"),
        ("{reference: §40000}", "40000 is no reference"),
        ("{reference: §20001}", "20001 is no reference"),
        ("{reference: §465537}", "465537 is no reference"),
        ("{reference: 30001, table: §holding}", "the reference 30001 means input, not holding"),
        ("{reference: §[1]}", "a list may not stand here"),
        ("{number: §0}", "0 is too small"),
        ("{table: coil, address: 1, type: §uint16}", "a coil holds one bit, so it is no uint16"),
        ("{table: coil, address: 1, bit: §3}", "a coil is one bit already"),
        ("{address: 1, type: bit}", "which bit of the holding register is meant"),
        ("{address: 1, bit: §16}", "16 is too large"),
        ("{address: 1, type: int16, bit: §3}", "int16 has no bit of its own"),
        ("{address: 1, bit: 3, byte_order: §CDAB}", "a bit has no byte order"),
        ("{address: 1, length: §3}", "uint16 has no length"),
        ("{address: 1, type: text}", "how many registers the text takes"),
        ("{address: 1, type: text, length: 2, byte_order: §CDAB}", "begins in its first register"),
        ("{address: 1, texts: §{RUN: 1}}", "uint16 has no texts"),
        ("{address: §65534, type: float64}", "ends at register 65537"),
        ("{number: §65536, type: float32}", "ends at register 65536"),
        ("{address: 1, no_value: [0, §x]}", "x may not stand here"),
        ("{address: 1, words: §2}", "the key words is unknown here"),
    ],
)
def test_what_contradicts_itself_is_refused_in_its_place(written: str, said: str) -> None:
    [complaint] = complaints_about(with_crack_at(written.replace("§", "")))

    assert said in complaint.message
    text = with_crack_at(written)
    before = text[: text.index("§")] if "§" in written else text[: text.index(written)]
    assert complaint.line == before.count("\n") + 1
    if "§" in written and "unknown" not in said:
        assert complaint.column == len(before) - before.rfind("\n")


def section(*registers: str) -> str:
    """The file with channels at these registers of the hill's device."""
    channels = "".join(
        f"\n              - {{id: more-{n}, instrument: crack-1, quantity: crack_opening, unit: mm,"
        f" slot: {n + 1}, register: {register}}}"
        for n, register in enumerate(registers)
    )
    return TEXT.replace(
        "        calculated_groups:\n          - id: hill-sums",
        f"{channels.lstrip(chr(10))}\n        calculated_groups:\n          - id: hill-sums",
    )


@pytest.mark.parametrize(
    ("registers", "overlaps"),
    [
        (["{address: 20, bit: 0}", "{address: 20, bit: 1}"], False),
        (["{address: 20, bit: 1}", "{number: 21, bit: 1}"], True),
        (["{address: 20}", "{address: 20, bit: 1}"], True),
        (["{address: 20, bit: 1}", "{reference: 40021}"], True),
        (["{address: 20, type: int64}", "{address: 24}"], False),
        (["{address: 20, type: uint64}", "{address: 23}"], True),
        (["{address: 20, type: text, length: 5}", "{address: 24}"], True),
        (["{table: coil, address: 20}", "{address: 20}"], False),
        (["{table: coil, address: 20}", "{reference: 00021}"], True),
        (["{table: coil, address: 20}", "{table: discrete, address: 20}"], False),
    ],
)
def test_overlaps_of_every_type(registers: list[str], overlaps: bool) -> None:
    messages = [one.message for one in complaints_about(section(*registers))]

    assert len(messages) == overlaps
    assert all("overlap those of more-0" in message for message in messages)


@pytest.mark.parametrize(("unit", "is_right"), [(0, False), (1, True), (247, True), (248, False)])
def test_no_device_on_a_serial_line_is_called_0_or_248(unit: int, is_right: bool) -> None:
    tcp = "modbus_tcp: {host: 127.0.0.1, port: 1503}"
    text = TEXT.replace("device_id: 7", f"device_id: {unit}")
    assert complaints_about(text) == []  # Behind Modbus TCP all numbers are possible.
    for line in ("modbus_rtu: {device: /dev/ttyUSB0}", "modbus_rtu_over_tcp: {host: a}"):
        messages = [one.message for one in complaints_about(text.replace(tcp, line))]
        told = [f"no device on a serial line has the number {unit}"]
        assert messages == ([] if is_right else told)


@pytest.mark.parametrize(
    "line", ["modbus_rtu: {device: /dev/ttyUSB0}", "modbus_rtu_over_tcp: {host: box, port: 4001}"]
)
def test_one_serial_line_is_one_bus(line: str) -> None:
    hill = TEXT.replace("modbus_tcp: {host: 127.0.0.1, port: 1503}", line)
    both = hill.replace("modbus_tcp: {host: 127.0.0.1, port: 1502}", line)
    assert complaints_about(both) == []  # Each edge has lines of its own.
    [complaint] = complaints_about(both.replace("edge: hill-edge", "edge: dam-edge"))
    assert complaint.message == "the bus dam-bus asks on this line already"


def layout(register: dict[str, Any]) -> int:
    site = read_site_text(with_crack_at(str(register)), "site.yaml")
    return layout_of(plan_of(site).group_by_key["cracks"].group)


def test_layouts_change_with_the_meaning_of_a_slot_and_only_then() -> None:
    before = {
        key: plan.layout for key, plan in plan_of(read_site_file(NORTH_MINE)).group_by_key.items()
    }
    assert before == {  # As written into streams by version 0.1.0.
        "piezometers": -8220981108687120865,
        "cracks": -529864053814695141,
        "section-1-levels": -7479568554667765042,
        "hill-sums": -1181059958199228621,
    }
    same = [{"address": 10}, {"number": 11}, {"reference": 40011}, {"address": 4, "table": "input"}]
    assert {layout(one) for one in same} == {before["cracks"]}
    others = [
        {"address": 10, "no_value": [-1]},
        {"address": 10, "no_value": [65535]},
        {"address": 10, "bit": 1},
        {"address": 10, "bit": 2},
        {"address": 10, "table": "coil"},
        {"address": 10, "type": "text", "length": 2},
        {"address": 10, "type": "text", "length": 3},
        {"address": 10, "type": "text", "length": 3, "texts": {"A": 1}},
        {"address": 10, "type": "text", "length": 3, "texts": {"A": 2}},
    ]
    assert len({before["cracks"], *map(layout, others)}) == len(others) + 1
    codes = [{"address": 10, "no_value": [1, 2]}, {"address": 10, "no_value": [2, 1]}]
    assert len(set(map(layout, codes))) == 1
