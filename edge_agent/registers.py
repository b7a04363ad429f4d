"""Registers: which stretches to ask a device for, and how their words become numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from telemetry.plan import GroupPlan
from telemetry.site import Channel
from telemetry.sources import Register

READ_WORDS_MAX: Final = 125  # Modbus application protocol 1.1b3, clauses 6.3 and 6.4.
GAP_WORDS_MAX: Final = 8  # Reading a few unused words costs less than asking twice.

Table = Literal["holding", "input"]
WORDS: Final = {"uint16": 1, "int16": 1, "uint32": 2, "int32": 2, "float32": 2, "float64": 4}
NUMBERS: Final = {
    "uint16": ">u2",
    "int16": ">i2",
    "uint32": ">u4",
    "int32": ">i4",
    "float32": ">f4",
    "float64": ">f8",
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Registers that follow one another in one table, asked for together."""

    table: Table
    address: int
    words: int

    @property
    def end(self) -> int:
        """The address after the last register."""
        return self.address + self.words


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
        end = register.address + WORDS[register.type]
        last = stretches[-1] if stretches else None
        if (
            last is not None
            and last.table == register.table
            and register.address - last.end <= gap_words_max
            and max(last.end, end) - last.address <= READ_WORDS_MAX
        ):
            stretches[-1] = Stretch(last.table, last.address, max(last.end, end) - last.address)
        else:
            stretches.append(Stretch(register.table, register.address, end - register.address))
    return stretches


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """All numbers of a group that are written in the same way."""

    slots: NDArray[np.intp]  # [number]
    words: NDArray[np.intp]  # [number, word] places in what was read, in the order to read them
    swap_bytes: bool
    dtype: str


class RegisterMap:
    """How the numbers of one scan group lie in what its stretches return."""

    def __init__(self, plan: GroupPlan, *, gap_words_max: int = GAP_WORDS_MAX) -> None:
        channels = [one.channel for one in plan.channels if isinstance(one.channel, Channel)]
        registers = [channel.modbus_register for channel in channels]
        self.stretches = stretches_of(registers, gap_words_max=gap_words_max)
        self.word_count = sum(stretch.words for stretch in self.stretches)
        self.slot_count = plan.slot_count
        self._scale = np.full(plan.slot_count, np.nan)
        self._offset = np.full(plan.slot_count, np.nan)
        for channel in channels:
            self._scale[channel.slot] = channel.modbus_register.scale
            self._offset[channel.slot] = channel.modbus_register.offset
        self.slots = np.array(sorted(channel.slot for channel in channels), np.intp)
        self._kinds = self._kinds_of(channels)

    def decode(self, words: NDArray[np.uint16]) -> NDArray[np.float64]:
        """Turn the words of all stretches, one after the other, into raw numbers by slot."""
        numbers = np.full(self.slot_count, np.nan)
        for kind in self._kinds:
            ordered = words[kind.words]
            if kind.swap_bytes:
                ordered = ordered.byteswap()
            numbers[kind.slots] = ordered.astype(">u2").view(kind.dtype)[:, 0]
        # A device may answer with infinity or NaN; that is for the centre to judge.
        with np.errstate(invalid="ignore", over="ignore"):
            raw: NDArray[np.float64] = numbers * self._scale + self._offset
        return raw

    def decode_quality(self, words: NDArray[np.int16]) -> NDArray[np.int16]:
        """Give each slot the worst quality of its words; slots without a channel have none."""
        quality = np.zeros(self.slot_count, np.int16)
        for kind in self._kinds:
            quality[kind.slots] = words[kind.words].max(axis=1)
        return quality

    def _kinds_of(self, channels: list[Channel]) -> list[_Kind]:
        kinds: list[_Kind] = []
        ways = {(one.modbus_register.type, one.modbus_register.byte_order) for one in channels}
        for type_, order in sorted(ways):
            same = [
                one
                for one in channels
                if (one.modbus_register.type, one.modbus_register.byte_order) == (type_, order)
            ]
            places = np.array(
                [self._place(one.modbus_register) + np.arange(WORDS[type_]) for one in same],
                np.intp,
            )
            kinds.append(
                _Kind(
                    slots=np.array([one.slot for one in same], np.intp),
                    words=places[:, ::-1] if order in {"CDAB", "DCBA"} else places,
                    swap_bytes=order in {"BADC", "DCBA"},
                    dtype=NUMBERS[type_],
                )
            )
        return kinds

    def _place(self, register: Register) -> int:
        begin = 0
        for stretch in self.stretches:
            if stretch.table == register.table and (
                stretch.address <= register.address < stretch.end
            ):
                return begin + register.address - stretch.address
            begin += stretch.words
        raise AssertionError(f"no stretch covers register {register.address}")
