"""Numbers as 16-bit registers, in the types and byte orders that devices are built with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.physics.chance import Floats
from telemetry.register import Register

Words = NDArray[np.uint16]

_DTYPE: dict[str, np.dtype[Any]] = {
    "uint16": np.dtype(">u2"),
    "int16": np.dtype(">i2"),
    "uint32": np.dtype(">u4"),
    "int32": np.dtype(">i4"),
    "uint64": np.dtype(">u8"),
    "int64": np.dtype(">i8"),
    "float32": np.dtype(">f4"),
    "float64": np.dtype(">f8"),
}


def is_number(register: Register) -> bool:
    """Whether simulated devices can show the register: they hold numbers, no bits and no texts."""
    return register.type in _DTYPE


def word_count(register: Register) -> int:
    """How many 16-bit registers a number takes."""
    return _DTYPE[register.type].itemsize // 2


def words_of(register: Register, raw: Floats) -> Words:
    """Write raw numbers into registers [scan, word]; whole numbers are rounded and saturate.

    >>> words_of(Register(address=0, type="uint16", scale=0.1), np.array([292.34])).tolist()
    [[2923]]
    >>> swapped = Register(address=0, type="float32", byte_order="CDAB")
    >>> words_of(swapped, np.array([77.5146])).astype(">u2").tobytes().hex(" ")
    '07 7a 42 9b'
    """
    dtype = _DTYPE[register.type]
    number = (raw - register.offset) / register.scale
    if dtype.kind in "ui":
        bounds = np.iinfo(dtype)
        # The largest float that is not above: of 64 bits the bound itself is no float.
        highest = float(bounds.max) if dtype.itemsize < 8 else np.nextafter(float(bounds.max), 0.0)
        known = np.nan_to_num(number, nan=0.0, posinf=highest, neginf=bounds.min)
        number = np.clip(np.rint(known), bounds.min, highest)
    data = np.ascontiguousarray(number.astype(dtype)).view(np.uint8)
    data = data.reshape(len(raw), dtype.itemsize // 2, 2)
    if register.byte_order in {"DCBA", "CDAB"}:
        data = data[:, ::-1, :]  # The words in reverse.
    if register.byte_order in {"DCBA", "BADC"}:
        data = data[:, :, ::-1]  # The bytes of each word in reverse.
    words: Words = np.ascontiguousarray(data).view(np.dtype(">u2"))[:, :, 0].astype(np.uint16)
    return words


def holds_all(register: Register, raw: Floats) -> bool:
    """Tell whether a register can show all these numbers; a whole one has no sign for "missing"."""
    dtype = _DTYPE[register.type]
    if dtype.kind not in "ui":
        return True
    bounds = np.iinfo(dtype)
    number = np.rint((raw - register.offset) / register.scale)
    return bool(((number >= bounds.min) & (number <= bounds.max)).all())


def raw_in(register: Register, words: Words) -> Floats:
    """Read the numbers back as a client of the device does [scan]."""
    data = words.astype(">u2").view(np.uint8).reshape(len(words), -1, 2)
    if register.byte_order in {"DCBA", "CDAB"}:
        data = data[:, ::-1, :]
    if register.byte_order in {"DCBA", "BADC"}:
        data = data[:, :, ::-1]
    number = np.ascontiguousarray(data).reshape(len(words), -1).view(_DTYPE[register.type])[:, 0]
    raw: Floats = number.astype(np.float64) * register.scale + register.offset
    return raw
