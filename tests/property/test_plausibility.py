"""What must hold for every reading of unknown registers, whatever they are."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_agent.plausibility import (
    AMBIGUOUS_BITS,
    ORDERS,
    Decoding,
    Findings,
    Words,
    find_plausible,
    numbers_in,
)

ANY_WORDS = st.tuples(st.integers(1, 6), st.integers(1, 12)).flatmap(
    lambda shape: arrays(
        np.uint16,
        shape,
        elements=st.sampled_from([0, 1, 57, 17_051, 0x7FC0, 65_535]) | st.integers(0, 65_535),
    )
)
CODES = {"uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "float32": "f", "float64": "d"}


def words_of(values: list[float], type_: str, order: str) -> Words:
    """Lay numbers out as a device of that type and order does [read, word]."""
    rows = []
    for value in values:
        number = value if type_.startswith("float") else round(value)
        content = struct.pack(f">{CODES[type_]}", number)
        words = [content[at : at + 2] for at in range(0, len(content), 2)]
        if order in {"CDAB", "DCBA"}:
            words.reverse()
        if order in {"BADC", "DCBA"}:
            words = [word[::-1] for word in words]
        rows.append([int.from_bytes(word, "big") for word in words])
    return np.array(rows, np.uint16)


def is_among(found: Findings, address: int, kind: str) -> bool:
    """Whether a reading is the best one, or told as just as plausible."""
    ways = [one for one in (*found.best, *found.others) if one.lacks_bits < AMBIGUOUS_BITS]
    return any(one.address == address and kind in (one.kind, *one.same_as) for one in ways)


@settings(max_examples=150, deadline=None)
@given(words=ANY_WORDS, first=st.integers(0, 60_000))
def test_any_words_are_divided_into_numbers_and_nothing_is_left_over(
    words: Words, first: int
) -> None:
    found = find_plausible(words, first)

    covered = [at for one in found.best for at in range(one.address, one.end)]
    assert covered == list(range(first, first + words.shape[1]))
    assert all(one.lacks_bits == pytest.approx(0.0, abs=1e-6) for one in found.best)
    assert all(one.lacks_bits >= 0.0 for one in found.others)
    assert all(isinstance(one.reasons(), str) for one in (*found.best, *found.others))


@settings(max_examples=100, deadline=None)
@given(words=ANY_WORDS, first=st.integers(1, 60_000))
def test_where_registers_stand_changes_nothing_about_what_they_are(
    words: Words, first: int
) -> None:
    def told(one: Decoding, by: int) -> tuple[int, str, float]:
        return one.address - by, one.kind, round(one.lacks_bits, 6)

    here, there = find_plausible(words), find_plausible(words, first)
    assert [told(one, 0) for one in here.best] == [told(one, first) for one in there.best]


@settings(max_examples=150, deadline=None)
@given(
    type_=st.sampled_from(["float32", "float64"]),
    order=st.sampled_from(ORDERS),
    middle=st.floats(0.5, 50_000.0) | st.floats(-50_000.0, -0.5),
    noise=st.floats(1e-4, 5e-3),
    seed=st.integers(0, 10_000),
)
def test_a_float_that_moves_a_little_is_found(
    type_: str, order: str, middle: float, noise: float, seed: int
) -> None:
    values = middle * (1.0 + noise * np.random.default_rng(seed).normal(size=10))
    words = words_of(values.tolist(), type_, order)

    assert is_among(find_plausible(words), 0, f"{type_} {order}")


@settings(max_examples=100, deadline=None)
@given(
    type_=st.sampled_from(["uint16", "int16"]),
    middle=st.integers(100, 30_000),
    noise=st.integers(1, 8),
    seed=st.integers(0, 10_000),
)
def test_a_whole_number_that_moves_a_little_is_found(
    type_: str, middle: int, noise: int, seed: int
) -> None:
    sign = -1 if type_ == "int16" and seed % 2 else 1
    values = sign * middle + np.random.default_rng(seed).integers(-noise, noise + 1, 10)
    words = words_of(values.tolist(), type_, "ABCD")

    assert is_among(find_plausible(words), 0, f"{type_} ABCD")


@pytest.mark.parametrize("order", ORDERS)
def test_orders_are_read_as_they_are_written(order: str) -> None:
    words = words_of([77.5, -1.25], "float32", order)
    assert numbers_in(words, "float32", order).tolist() == [77.5, -1.25]


def test_zeros_and_frozen_pairs_are_never_decided() -> None:
    zeros = find_plausible(np.zeros((5, 3), np.uint16))
    assert not any(zeros.is_decided(one) for one in zeros.best)
    # 97.3 in one order and -48.5 in another, and it does not move: both must be told.
    frozen = find_plausible(np.tile(words_of([97.34196], "float32", "CDAB"), (5, 1)))
    assert not frozen.is_decided(frozen.best[0])
    assert {"float32 CDAB", "float32 DCBA"} <= {
        frozen.best[0].kind,
        *(one.kind for one in frozen.rivals(frozen.best[0])),
    }


def test_a_name_in_registers_is_told_as_text() -> None:
    words = np.tile(np.frombuffer(b"Logger L-301", ">u2").astype(np.uint16), (4, 1))
    [found] = find_plausible(words).best
    assert found.text == "Logger L-301"
