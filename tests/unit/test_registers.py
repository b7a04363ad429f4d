"""Registers: how they are asked for, and how words become numbers."""

import struct
from typing import Any

import numpy as np
import pytest
from edge_plans import group_plan
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.registers import GAP_WORDS_MAX, READ_WORDS_MAX, RegisterMap, Stretch, stretches_of
from telemetry.quality import Quality
from telemetry.register import WORDS, Register

CODES = [-32768, 65535]
FORMATS = {
    "uint16": ("H", 40_001),
    "int16": ("h", -12_345),
    "uint32": ("I", 3_000_000_001),
    "int32": ("i", -2_000_000_001),
    "uint64": ("Q", 2**53 + 2),
    "int64": ("q", -(2**62)),
    "float32": ("f", np.float32(-1234.567)),
    "float64": ("d", 2715.123456789),
}


def in_order(number_bytes: bytes, order: str) -> bytes:
    """Lay big-endian bytes out as a device of that order does."""
    words = [number_bytes[at : at + 2] for at in range(0, len(number_bytes), 2)]
    if order in {"CDAB", "DCBA"}:
        words.reverse()
    if order in {"BADC", "DCBA"}:
        words = [word[::-1] for word in words]
    return b"".join(words)


def words_of(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    return np.frombuffer(data, ">u2").astype(np.uint16)


def test_the_names_of_byte_orders_mean_what_they_say() -> None:
    assert in_order(b"ABCD", "ABCD") == b"ABCD"
    assert in_order(b"ABCD", "DCBA") == b"DCBA"
    assert in_order(b"ABCD", "BADC") == b"BADC"
    assert in_order(b"ABCD", "CDAB") == b"CDAB"


@pytest.mark.parametrize("order", ["ABCD", "DCBA", "BADC", "CDAB"])
@pytest.mark.parametrize("type_", list(FORMATS))
def test_every_type_in_every_order(type_: str, order: str) -> None:
    code, number = FORMATS[type_]
    here = RegisterMap(group_plan([{"address": 10, "type": type_, "byte_order": order}]))
    words = words_of(in_order(struct.pack(f">{code}", number), order))

    assert here.decode(words).tolist() == [float(number)]


def test_a_whole_device_is_decoded_at_once() -> None:
    registers = [
        {"address": 100, "type": "float32", "byte_order": "CDAB"},
        {"address": 102, "type": "float32", "byte_order": "CDAB"},
        {"address": 0, "type": "int16", "scale": 0.1, "offset": -40.0},
        {"table": "input", "address": 0, "type": "uint32"},
    ]
    here = RegisterMap(group_plan(registers, slots=[0, 2, 3, 5]))
    words = np.concatenate(
        [
            words_of(struct.pack(">h", -25)),
            words_of(in_order(struct.pack(">f", 1.5), "CDAB")),
            words_of(in_order(struct.pack(">f", -2.25), "CDAB")),
            words_of(struct.pack(">I", 70_000)),
        ]
    )

    assert [(one.table, one.address, one.words) for one in here.stretches] == [
        ("holding", 0, 1),
        ("holding", 100, 4),
        ("input", 0, 2),
    ]
    raw = here.decode(words)
    assert raw[[0, 2, 3, 5]].tolist() == [1.5, -2.25, -42.5, 70_000.0]
    assert np.isnan(raw[[1, 4]]).all()


def test_a_number_with_one_bad_word_is_bad() -> None:
    here = RegisterMap(group_plan([{"address": 0, "type": "float32"}, {"address": 2}]))
    quality = np.array([0, Quality.NO_REPLY, 0], np.int16)
    assert here.decode_quality(quality).tolist() == [Quality.NO_REPLY, 0]


def test_infinity_passes_without_a_warning() -> None:
    here = RegisterMap(group_plan([{"address": 0, "type": "float32", "scale": 0.0}]))
    assert np.isnan(here.decode(words_of(struct.pack(">f", np.inf)))).all()


def test_gaps_are_read_over_only_when_small() -> None:
    near = stretches_of([Register(address=0), Register(address=1 + GAP_WORDS_MAX)])
    far = stretches_of([Register(address=0), Register(address=2 + GAP_WORDS_MAX)])
    assert [one.words for one in near] == [2 + GAP_WORDS_MAX]
    assert [one.words for one in far] == [1, 1]


def test_a_long_map_is_cut_between_numbers() -> None:
    doubles = [Register(address=4 * n, type="float64") for n in range(40)]
    stretches = stretches_of(doubles)
    assert [(one.address, one.words) for one in stretches] == [(0, 124), (124, 36)]


REGISTERS = st.lists(
    st.builds(
        Register,
        table=st.sampled_from(["holding", "input"]),
        address=st.integers(0, 300),
        type=st.sampled_from([one for one in WORDS if one != "bit"]),
    ),
    min_size=1,
    max_size=40,
)


@given(REGISTERS, st.sampled_from([0, GAP_WORDS_MAX]))
def test_every_number_lies_whole_in_exactly_one_stretch(
    registers: list[Register], gap_words_max: int
) -> None:
    stretches = stretches_of(registers, gap_words_max=gap_words_max)

    assert all(1 <= one.words <= READ_WORDS_MAX for one in stretches)
    for register in registers:
        end = register.address + WORDS[register.type]
        holding = [
            one
            for one in stretches
            if one.table == register.table and one.address <= register.address and end <= one.end
        ]
        assert holding
    wanted = {(one.table, one.address + n) for one in registers for n in range(WORDS[one.type])}
    asked = [(one.table, one.address + n) for one in stretches for n in range(one.words)]
    if gap_words_max == 0:
        assert set(asked) == wanted  # A device without a word in the gap is never asked for it.
    assert set(asked) >= wanted


def test_bits_of_tables_and_of_registers() -> None:
    registers = [
        {"table": "coil", "address": 3},
        {"table": "discrete", "address": 0, "scale": -1.0, "offset": 1.0},
        {"address": 7, "bit": 0},
        {"address": 7, "bit": 15},
        {"address": 7, "bit": 3},
    ]
    here = RegisterMap(group_plan(registers))
    assert [(one.table, one.address, one.words) for one in here.stretches] == [
        ("coil", 3, 1),
        ("discrete", 0, 1),
        ("holding", 7, 1),
    ]
    words = np.array([1, 1, 0x8000], np.uint16)
    assert here.decode(words).tolist() == [1.0, 0.0, 0.0, 1.0, 0.0]


def test_bits_are_read_over_wider_gaps_and_in_longer_stretches() -> None:
    bits = [Register(table="coil", address=at) for at in (0, 16 * GAP_WORDS_MAX, 1999, 2000)]
    stretches = stretches_of(bits)
    assert [(one.address, one.words) for one in stretches] == [(0, 129), (1999, 2)]
    assert stretches_of([Register(table="coil", address=at) for at in range(0, 2001, 100)])[0] == (
        Stretch("coil", 0, 1901)
    )


@pytest.mark.parametrize(
    ("content", "order", "number"),
    [
        (b"-12.5\0", "ABCD", -12.5),
        (b"1-.25\0", "BADC", -12.0),  # What stands behind the zero byte is old.
        (b" 3e2  ", "ABCD", 300.0),
        (b"RUN\0\0\0", "ABCD", None),
    ],
)
def test_a_number_in_digits(content: bytes, order: str, number: float | None) -> None:
    register = {"address": 0, "type": "text", "length": 3, "byte_order": order}
    raw = RegisterMap(group_plan([register])).decode(words_of(content))
    assert np.isnan(raw[0]) if number is None else raw[0] == number


def test_words_that_stand_for_numbers() -> None:
    register = {"address": 0, "type": "text", "length": 2, "texts": {"RUN": 1, "OFF": 0}}
    here = RegisterMap(group_plan([register]))
    read = [here.decode(words_of(text))[0] for text in (b"RUN\0", b"OFF ", b"TRIP")]
    assert read[:2] == [1.0, 0.0]
    assert np.isnan(read[2])


@pytest.mark.parametrize(
    ("register", "content", "is_code"),
    [
        (
            {"type": "int16", "scale": 0.1, "no_value": [-32768, 65535]},
            struct.pack(">h", -32768),
            True,
        ),
        (
            {"type": "int16", "scale": 0.1, "no_value": [-32768, 65535]},
            struct.pack(">h", -3276),
            False,
        ),
        ({"no_value": CODES}, b"\xff\xff", True),
        ({"type": "float32", "no_value": [-999.9]}, struct.pack(">f", -999.9), True),
        ({"type": "float64", "no_value": [-999.9]}, struct.pack(">d", -999.9), True),
        ({"type": "float32", "no_value": [-999.9]}, struct.pack(">f", -999.8), False),
        ({"type": "int64", "no_value": [-(2**63)]}, struct.pack(">q", -(2**63)), True),
        ({"type": "uint64", "no_value": [2**64 - 1]}, b"\xff" * 8, True),
        ({"type": "text", "length": 2, "no_value": [9999]}, b"9999", True),
    ],
)
def test_a_code_for_no_value_is_never_a_number(
    register: dict[str, Any], content: bytes, is_code: bool
) -> None:
    here = RegisterMap(group_plan([{"address": 0, **register}]))
    words = words_of(content)

    raw, quality = here.read(words, np.zeros(len(words), np.int16))

    assert quality.tolist() == [Quality.NO_VALUE_CODE if is_code else Quality.GOOD]
    assert bool(np.isnan(raw[0])) is is_code


def test_a_code_in_words_that_were_not_read_says_nothing() -> None:
    here = RegisterMap(group_plan([{"address": 0, "no_value": [0]}]))
    _, quality = here.read(np.zeros(1, np.uint16), np.array([Quality.NO_REPLY], np.int16))
    assert quality.tolist() == [Quality.NO_REPLY]
