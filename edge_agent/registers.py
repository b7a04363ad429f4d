"""Registers: which stretches to ask a device for, and how their words become numbers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.plan import GroupPlan
from telemetry.quality import Quality
from telemetry.register import BIT_TABLES, Register, Table
from telemetry.site import Channel

# Modbus application protocol 1.1b3, clauses 6.1 to 6.4.
READ_WORDS_MAX: Final = 125
READ_BITS_MAX: Final = 2000
GAP_WORDS_MAX: Final = 8  # Reading a few unused words costs less than asking twice.

NUMBERS: Final = {
    "uint16": ">u2",
    "int16": ">i2",
    "uint32": ">u4",
    "int32": ">i4",
    "uint64": ">u8",
    "int64": ">i8",
    "float32": ">f4",
    "float64": ">f8",
}
_DECIMAL: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Registers, or bits, that follow one another in one table, asked for together."""

    table: Table
    address: int
    words: int  # In a table of bits: how many bits.

    @property
    def end(self) -> int:
        """The address after the last one."""
        return self.address + self.words

    @property
    def is_of_bits(self) -> bool:
        """Whether the table holds bits and not registers."""
        return self.table in BIT_TABLES

    def __str__(self) -> str:
        """Name it as people do."""
        what = self.table if self.is_of_bits else f"{self.table} register"
        last = f" to {self.end - 1}" if self.words > 1 else ""
        return f"{what} {self.address}{last}"


def stretches_of(
    registers: Iterable[Register], *, gap_words_max: int = GAP_WORDS_MAX
) -> list[Stretch]:
    """Cover registers with as few reads as the map allows; a number is never torn apart.

    >>> at = lambda address: Register(address=address, type="float32")
    >>> [(one.address, one.words) for one in stretches_of([at(0), at(2), at(6), at(100)])]
    [(0, 8), (100, 2)]
    """
    stretches: list[Stretch] = []
    for register in sorted(registers, key=lambda one: (one.table, one.address)):
        last = stretches[-1] if stretches else None
        is_bits = register.table in BIT_TABLES
        gap_max, most = (
            (16 * gap_words_max, READ_BITS_MAX) if is_bits else (gap_words_max, READ_WORDS_MAX)
        )
        if (
            last is not None
            and last.table == register.table
            and register.address - last.end <= gap_max
            and max(last.end, register.end) - last.address <= most
        ):
            length = max(last.end, register.end) - last.address
            stretches[-1] = Stretch(last.table, last.address, length)
        else:
            stretches.append(Stretch(register.table, register.address, register.words))
    return stretches


@dataclass(frozen=True, slots=True, eq=False)
class _Numbers:
    """All numbers of a group that are written in the same way."""

    slots: NDArray[np.intp]  # [number]
    words: NDArray[np.intp]  # [number, word] places in what was read, in the order to read them
    swap_bytes: bool
    dtype: str

    def read(self, words: NDArray[np.uint16]) -> NDArray[np.float64]:
        ordered = words[self.words]
        if self.swap_bytes:
            ordered = ordered.byteswap()
        numbers: NDArray[np.float64] = ordered.astype(">u2").view(self.dtype)[:, 0].astype(float)
        return numbers


@dataclass(frozen=True, slots=True, eq=False)
class _Bits:
    """All bits of a group: of registers, or of tables of bits, where each is the lowest."""

    slots: NDArray[np.intp]  # [bit]
    words: NDArray[np.intp]  # [bit, 1]
    bits: NDArray[np.uint16]  # [bit]

    def read(self, words: NDArray[np.uint16]) -> NDArray[np.float64]:
        numbers: NDArray[np.float64] = ((words[self.words[:, 0]] >> self.bits) & 1).astype(float)
        return numbers


@dataclass(frozen=True, slots=True, eq=False)
class _Text:
    """One text: a number in digits, or words that stand for numbers."""

    slots: NDArray[np.intp]  # [1]
    words: NDArray[np.intp]  # [1, word]
    swap_bytes: bool
    texts: dict[str, float] | None

    def read(self, words: NDArray[np.uint16]) -> NDArray[np.float64]:
        ordered = words[self.words[0]]
        if self.swap_bytes:
            ordered = ordered.byteswap()
        return np.array([number_in(ordered.astype(">u2").tobytes(), self.texts)])


def number_in(content: bytes, texts: dict[str, float] | None) -> float:
    r"""Read the number that a text is, or stands for; NaN when it is neither.

    >>> number_in(b" 12.50 \0", None), number_in(b"RUN\0", {"RUN": 1.0})
    (12.5, 1.0)
    >>> number_in(b"1_000", None), number_in(b"nan", None), number_in(b"STOP", {"RUN": 1.0})
    (nan, nan, nan)
    """
    # What stands behind the first zero byte is left over from a longer text.
    text = content.split(b"\0", 1)[0].decode("latin-1").strip()
    if texts is not None:
        return next((number for word, number in texts.items() if word.strip() == text), np.nan)
    return float(text) if _DECIMAL.fullmatch(text) else np.nan


class RegisterMap:
    """How the numbers of one scan group lie in what its stretches return."""

    def __init__(self, plan: GroupPlan, *, gap_words_max: int = GAP_WORDS_MAX) -> None:
        channels = [one.channel for one in plan.channels if isinstance(one.channel, Channel)]
        registers = {channel.slot: channel.modbus_register for channel in channels}
        self.stretches = stretches_of(registers.values(), gap_words_max=gap_words_max)
        self.word_count = sum(stretch.words for stretch in self.stretches)
        self.slot_count = plan.slot_count
        self._scale = np.full(plan.slot_count, np.nan)
        self._offset = np.full(plan.slot_count, np.nan)
        for slot, register in registers.items():
            self._scale[slot] = register.scale
            self._offset[slot] = register.offset
        self.slots = np.array(sorted(registers), np.intp)
        self._kinds = self._kinds_of(registers)
        self._codes = [
            (slot, np.array([_as_written(register, code) for code in register.no_value]))
            for slot, register in registers.items()
            if register.no_value
        ]

    def read(
        self, words: NDArray[np.uint16], word_quality: NDArray[np.int16]
    ) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        """Turn words and their qualities into raw numbers by slot; what is bad is no number."""
        numbers = self._numbers(words)
        quality = self.decode_quality(word_quality)
        for slot, codes in self._codes:
            if quality[slot] == Quality.GOOD and (numbers[slot] == codes).any():
                quality[slot] = Quality.NO_VALUE_CODE
        raw = self._scaled(numbers)
        raw[quality != Quality.GOOD] = np.nan
        return raw, quality

    def decode(self, words: NDArray[np.uint16]) -> NDArray[np.float64]:
        """Turn the words of all stretches, one after the other, into raw numbers by slot."""
        return self._scaled(self._numbers(words))

    def decode_quality(self, words: NDArray[np.int16]) -> NDArray[np.int16]:
        """Give each slot the worst quality of its words; slots without a channel have none."""
        quality = np.zeros(self.slot_count, np.int16)
        for kind in self._kinds:
            quality[kind.slots] = words[kind.words].max(axis=1)
        return quality

    def _numbers(self, words: NDArray[np.uint16]) -> NDArray[np.float64]:
        numbers = np.full(self.slot_count, np.nan)
        for kind in self._kinds:
            numbers[kind.slots] = kind.read(words)
        return numbers

    def _scaled(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        # A device may answer with infinity or NaN; that is for the centre to judge.
        with np.errstate(invalid="ignore", over="ignore"):
            raw: NDArray[np.float64] = numbers * self._scale + self._offset
        return raw

    def _kinds_of(self, registers: dict[int, Register]) -> list[_Numbers | _Bits | _Text]:
        kinds: list[_Numbers | _Bits | _Text] = []
        ways: dict[tuple[str, str], list[int]] = {}
        for slot, register in registers.items():
            if register.type == "text":
                kinds.append(
                    _Text(
                        slots=np.array([slot], np.intp),
                        words=self._places([register]),
                        swap_bytes=register.byte_order == "BADC",
                        texts=register.texts,
                    )
                )
            else:
                ways.setdefault((register.type, register.byte_order), []).append(slot)
        for (type_, order), slots in sorted(ways.items()):
            same = [registers[slot] for slot in slots]
            places = self._places(same)
            at = np.array(slots, np.intp)
            if type_ == "bit":
                kinds.append(_Bits(at, places, np.array([one.bit or 0 for one in same], np.uint16)))
                continue
            places = places[:, ::-1] if order in {"CDAB", "DCBA"} else places
            kinds.append(_Numbers(at, places, order in {"BADC", "DCBA"}, NUMBERS[type_]))
        return kinds

    def _places(self, registers: Sequence[Register]) -> NDArray[np.intp]:
        """Where the words of registers of one length lie in what is read [register, word]."""
        places = [self._place(register) + np.arange(register.words) for register in registers]
        return np.array(places, np.intp)

    def _place(self, register: Register) -> int:
        begin = 0
        for stretch in self.stretches:
            if stretch.table == register.table and (
                stretch.address <= register.address < stretch.end
            ):
                return begin + register.address - stretch.address
            begin += stretch.words
        raise AssertionError(f"no stretch covers register {register.address}")


def _as_written(register: Register, code: float) -> float:
    """A code as the register shows it: -999.9 in a float32 is another number than in a float64."""
    return float(np.float32(code)) if register.type == "float32" else code
