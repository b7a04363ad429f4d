"""Registers: whatever a site file says of them, words become the numbers that they are."""

import math
import random
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from edge_plans import group_plan
from fuzz.dice import Dice
from fuzz.target import Target, check_sentence
from pydantic import ValidationError

from edge_agent.registers import NUMBERS, RegisterMap
from telemetry.quality import Quality
from telemetry.register import Register

FORMATS = dict(zip(NUMBERS, "HhIiQqfd", strict=True))
TYPES = (*NUMBERS, "bit", "text", None)
NO_VALUES = ([], [], [-9999.0], [65535.0, 0.0], [-999.9], [float("inf")])


def read(data: bytes) -> str:
    chance = Dice(data)
    described = [any_register(chance) for _ in range(1 + chance.randrange(6))]
    try:
        registers = [Register.model_validate(one) for one in described]
    except ValidationError as error:
        for one in error.errors():
            check_sentence(one["msg"])
        return "refused"
    here = RegisterMap(group_plan(described))
    assert here.word_count < 125 * len(registers) + 2000
    words = np.frombuffer(chance.randbytes(2 * here.word_count), ">u2").astype(np.uint16)
    for stretch, begin in _stretches(here):
        if stretch.is_of_bits:  # As they come from a framer.
            words[begin : begin + stretch.words] &= 1
    bad_at = chance.randrange(2 * here.word_count)
    reasons = np.zeros(here.word_count, np.int16)
    reasons[bad_at:] = Quality.NO_REPLY
    raw, quality = here.read(words, reasons)
    for slot, register in enumerate(registers):
        at = place(here, register)
        own = words[at : at + register.words]
        if (reasons[at : at + register.words] != 0).any():
            assert (quality[slot], math.isnan(raw[slot])) == (Quality.NO_REPLY, True)
            continue
        check(register, number_in(register, own), float(raw[slot]), int(quality[slot]))
    return "read"


def check(register: Register, number: float, raw: float, quality: int) -> None:
    codes = [
        float(np.float32(one)) if register.type == "float32" else one for one in register.no_value
    ]
    if number in codes:
        assert quality == Quality.NO_VALUE_CODE
        assert math.isnan(raw)
        return
    assert quality == Quality.GOOD
    with np.errstate(all="ignore"):
        expected = float(np.float64(number) * register.scale + register.offset)
    assert raw == expected or math.isnan(raw) == math.isnan(expected) is True, (
        register,
        number,
        raw,
    )


def number_in(register: Register, words: Any) -> float:
    """Read words on their own, by `struct` alone."""
    if register.type == "bit":
        return float(int(words[0]) >> (register.bit or 0) & 1)
    order = register.byte_order
    listed = [int(one) for one in words]
    if order in {"CDAB", "DCBA"}:
        listed.reverse()
    content = b"".join(
        struct.pack("<H" if order in {"BADC", "DCBA"} else ">H", one) for one in listed
    )
    if register.type == "text":
        text = content.split(b"\0")[0].decode("latin-1").strip()
        if register.texts is not None:
            return {key.strip(): number for key, number in register.texts.items()}.get(
                text, math.nan
            )
        return decimal(text)
    return float(struct.unpack(f">{FORMATS[register.type]}", content)[0])


def decimal(text: str) -> float:
    """A number in digits, whose exponent has three of them at most."""
    if (
        not set(text) <= set("+-.0123456789eE")
        or len(text.lower().partition("e")[2].lstrip("+-")) > 3
    ):
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def place(here: RegisterMap, register: Register) -> int:
    """Where a register lies in all that is read."""
    for stretch, begin in _stretches(here):
        is_inside = stretch.address <= register.address and register.end <= stretch.end
        if stretch.table == register.table and is_inside:
            return begin + register.address - stretch.address
    raise AssertionError(f"{register} is not read whole")


def _stretches(here: RegisterMap) -> Iterator[tuple[Any, int]]:
    begin = 0
    for stretch in here.stretches:
        assert stretch.words <= (2000 if stretch.is_of_bits else 125)
        yield stretch, begin
        begin += stretch.words


def any_register(chance: Dice) -> dict[str, Any]:
    """A register as a site file might describe it, right more often than not."""
    table = chance.choice((None, "holding", "input", "coil", "discrete"))
    is_bit = table in {"coil", "discrete"}
    type_ = None if is_bit and chance.randrange(8) else chance.choice(TYPES)
    address = chance.choice((chance.randrange(64),) * 3 + (65_536 - chance.randrange(6),))
    one: dict[str, Any] = {"table": table, "type": type_, **any_place(chance, address, table)}
    if not is_bit and type_ == "bit":
        one["bit"] = chance.randrange(16)
    if type_ == "text":
        one["length"] = 1 + chance.randrange(32)
        if chance.randrange(3) == 2:
            one["texts"] = {"RUN": 1.0, " STOP ": 0.0, "\x00": 5.0}
    if not is_bit and type_ != "bit":
        one["byte_order"] = chance.choice(("ABCD", "BADC", "CDAB", "DCBA"))
    one["no_value"] = chance.choice(NO_VALUES)
    one["scale"] = chance.choice((1.0, 0.1, -2.0, 1e300, 0.0))
    one["offset"] = chance.choice((0.0, -40.0, 1e300))
    mistake = chance.choice((None,) * 9 + MISTAKES)
    return {key: value for key, value in {**one, **(mistake or {})}.items() if value is not None}


def any_place(chance: Dice, address: int, table: str | None) -> dict[str, Any]:
    """The same place in one of the three ways to write it."""
    way = chance.randrange(4)
    if way == 3:
        digit = {"coil": 0, "discrete": 1, "input": 3}.get(str(table), 4)
        return {"reference": f"{digit}{address + 1:05d}"}
    return {"number": address + 1} if way == 2 else {"address": address}


MISTAKES: tuple[dict[str, Any] | None, ...] = (
    *({"bit": 16}, {"bit": 3}, {"length": 33}, {"length": 2}, {"texts": {"A": 1.0}}),
    *({"type": "bit"}, {"type": "text"}, {"type": "uint16"}, {"byte_order": "DCBA"}),
    *({"number": 1}, {"address": 1}, {"reference": "20001"}, {"reference": "40000"}),
    *({"table": "input"}, {"table": "coil"}, {"scale": float("nan")}, {"no_value": [0.0] * 17}),
    *({"address": None}, {"number": None}, {"length": None}, {"bit": None}),
)


def seeds() -> Iterator[bytes]:
    chance = random.Random(11)
    for n in range(200):
        yield bytes([0] * (n % 4)) + chance.randbytes(chance.choice((60, 200)))


TARGET = Target(
    read=read, seeds=seeds, outcomes=("read", "refused"), bytes_max=1_024, short_runs=500
)
