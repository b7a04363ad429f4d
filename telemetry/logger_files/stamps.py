"""Stamps as loggers write them, read by a pattern into local times; whole columns at once.

The pattern is strftime's, with what loggers need: numbers may lack their leading zeros unless
they stand directly behind one another, seconds may have a fraction, and 24:00 is the next
midnight. What does not exist (a 31st of June, a 61st minute) is no stamp.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Instants = NDArray[np.int64]
Bools = NDArray[np.bool_]

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
UNIX: Final = {"unix_s": SECOND_US, "unix_ms": 1_000, "unix_us": 1}
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
YEARS: Final = (1, 9999)
UNIX_MOST_US: Final = 1 << 62  # What is later lies in no calendar, and must not overflow.

_DIGITS: Final = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "j": 3}
_OTHERS: Final = {
    "f": "[0-9]{1,9}",
    "p": "[AaPp][Mm]|上午|下午",
    "b": "[A-Za-z]{3}",
    "z": r"[Zz]|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9]",
}
_DATES: Final = (
    {"Y", "m", "d"},
    {"y", "m", "d"},
    {"Y", "b", "d"},
    {"y", "b", "d"},
    {"Y", "j"},
    {"y", "j"},
)


class StampError(ValueError):
    """A pattern that no stamp can be read by; the message says what is allowed."""


class StampPattern:
    """One way of writing an instant."""

    def __init__(self, text: str) -> None:
        """Take a pattern such as `%Y-%m-%d %H:%M:%S`, or unix_s, unix_ms or unix_us."""
        self.text = text
        self._unix_us = UNIX.get(text)
        self._names: list[str] = []
        pattern = r"[-+]?[0-9]{1,15}(?:\.[0-9]+)?" if self._unix_us else self._expression(text)
        self._match = re.compile(pattern).fullmatch
        self.is_absolute = self._unix_us is not None or "z" in self._names
        if self._unix_us is None:
            self._refuse_incomplete()

    def read(self, texts: Sequence[str]) -> tuple[Instants, Bools]:
        """Read stamps [row]; return microseconds, local or of UTC, and which are no stamps."""
        found = [self._match(text.strip()) for text in texts]
        good = np.array([one is not None for one in found], np.bool_)
        at_us = np.zeros(len(texts), np.int64)
        if not good.any():
            return at_us, ~good
        if self._unix_us is not None:
            at_us[good] = [_unix(one[0], self._unix_us) for one in found if one]
            return at_us, ~good
        columns = zip(*(one.groups() for one in found if one is not None), strict=True)
        fields = dict(zip(self._names, columns, strict=True))
        at_us[good], exists = _instants(fields)
        good[good] = exists
        return at_us, ~good

    def _expression(self, text: str) -> str:
        parts: list[str] = []
        for piece in re.findall(r"%.|%|\s+|[^%\s]", text.strip()):
            if piece.isspace():
                parts.append(r"\s+")
            elif piece == "%%":
                parts.append("%")
            elif piece.startswith("%"):
                parts.append(self._field(piece[1:], text))
            else:
                parts.append(re.escape(piece))
        return "".join(parts)

    def _field(self, name: str, text: str) -> str:
        if name in self._names:
            raise StampError(f"%{name} once")
        self._names.append(name)
        if name in _OTHERS:
            return f"({_OTHERS[name]})"
        if name not in _DIGITS:
            known = " ".join(f"%{one}" for one in [*_DIGITS, *_OTHERS])
            raise StampError(f"the parts {known}, or unix_s, unix_ms, unix_us")
        width = _DIGITS[name]
        touches = re.search(rf"%[a-zA-Z]%{name}|%{name}%[a-zA-Z]", text) is not None
        digits = f"[0-9]{{{width}}}" if touches or name in "Yy" else f"[0-9]{{1,{width}}}"
        if name != "S" or "%f" in text:
            return f"({digits})"
        return rf"({digits}(?:[.,][0-9]{{1,9}})?)"

    def _refuse_incomplete(self) -> None:
        names = set(self._names)
        if not any(date <= names for date in _DATES):
            raise StampError("a whole date: %Y-%m-%d, %d.%m.%y, %Y %j or the like")
        if ("I" in names) != ("p" in names) or {"H", "I"} <= names:
            raise StampError("hours as %H, or as %I with %p")
        hours = names & {"H", "I"}
        if ("M" in names and not hours) or ("S" in names and "M" not in names):
            raise StampError("minutes only with hours, and seconds only with minutes")
        if "f" in names and "S" not in names:
            raise StampError("a fraction only with seconds")


def _unix(text: str, unit_us: int) -> int:
    whole, _, fraction = text.lstrip("+-").partition(".")
    us = int(whole) * unit_us + round(float(f"0.{fraction or 0}") * unit_us)
    us = min(us, UNIX_MOST_US)
    return -us if text.startswith("-") else us


def _instants(fields: dict[str, tuple[str, ...]]) -> tuple[Instants, Bools]:
    """Put the fields of stamps together [row]; tell which of them exist."""
    rows = len(next(iter(fields.values())))

    def numbers(name: str, default: int = 0) -> Instants:
        texts = fields.get(name)
        return np.full(rows, default, np.int64) if texts is None else _each(_integer, texts)

    year = numbers("Y")
    if "y" in fields:
        short = numbers("y")
        year = np.where(short < 69, 2000, 1900) + short  # As POSIX has it.
    exists = (year >= YEARS[0]) & (year < YEARS[1])
    year = np.where(exists, year, 1970)
    days, right = _days(year, fields, numbers)
    hour, minute = numbers("H"), numbers("M")
    if "I" in fields:
        hour = numbers("I")
        exists &= (hour >= 1) & (hour <= 12)
        hour = hour % 12 + 12 * _each(_is_afternoon, fields["p"])
    second_us = _each(_seconds_us, fields["S"]) if "S" in fields else numbers("S")
    if "f" in fields:
        second_us += _each(_fraction_us, fields["f"])
    midnight = (hour == 24) & (minute == 0) & (second_us == 0)
    exists &= right & ((hour < 24) | midnight) & (minute < 60) & (second_us < 60 * SECOND_US)
    at_us = days * DAY_US + (hour * 60 + minute) * 60 * SECOND_US + second_us
    if "z" in fields:
        at_us -= _each(_offset_us, fields["z"])
    return at_us, exists


def _days(
    year: Instants, fields: dict[str, tuple[str, ...]], numbers: Callable[[str], Instants]
) -> tuple[Instants, Bools]:
    """Count days since 1970, and tell which of them are in the calendar."""
    first = (year - 1970).astype("M8[Y]").astype("M8[D]").astype(np.int64)
    if "j" in fields:
        day = numbers("j")
        next_year = (year - 1969).astype("M8[Y]").astype("M8[D]").astype(np.int64)
        return first + day - 1, (day >= 1) & (day <= next_year - first)
    month = _each(_month, fields["b"]) if "b" in fields else numbers("m")
    right = (month >= 1) & (month <= 12)
    months = (year - 1970) * 12 + np.where(right, month, 1) - 1
    begin = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    end = (months + 1).astype("M8[M]").astype("M8[D]").astype(np.int64)
    day = numbers("d")
    return begin + day - 1, right & (day >= 1) & (day <= end - begin)


def _each(read: Callable[[str], int], texts: Sequence[str]) -> Instants:
    return np.fromiter(map(read, texts), np.int64, len(texts))


@lru_cache(maxsize=10_000)  # The parts of stamps are few, and come again and again.
def _integer(text: str) -> int:
    return int(text)


@lru_cache(maxsize=10_000)
def _seconds_us(text: str) -> int:
    whole, _, fraction = text.replace(",", ".").partition(".")
    return int(whole) * SECOND_US + _fraction_us(fraction)


def _fraction_us(digits: str) -> int:
    return int(digits[:6].ljust(6, "0"))


def _is_afternoon(text: str) -> int:
    return int(text.lower() in {"pm", "下午"})


def _month(text: str) -> int:
    return MONTHS.index(text.lower()) + 1 if text.lower() in MONTHS else 0


@lru_cache(maxsize=1_000)
def _offset_us(text: str) -> int:
    if text in "Zz":
        return 0
    digits = text[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if text[0] == "-" else minutes) * 60 * SECOND_US
