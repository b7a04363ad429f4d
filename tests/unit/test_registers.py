"""Registers: how they are asked for, and how words become numbers."""

import struct

import numpy as np
import pytest
from edge_plans import group_plan
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.registers import GAP_WORDS_MAX, READ_WORDS_MAX, WORDS, RegisterMap, stretches_of
from telemetry.quality import Quality
from telemetry.sources import Register

FORMATS = {
    "uint16": ("H", 40_001),
    "int16": ("h", -12_345),
    "uint32": ("I", 3_000_000_001),
    "int32": ("i", -2_000_000_001),
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
        type=st.sampled_from(list(WORDS)),
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
