"""Cells of a file as numbers: decimal comma, thousands, and what is written where no number is."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.logger_files.format import THOUSANDS, LoggerFormat, is_plain_number

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")
_INFINITE: Final = re.compile(r"([-+]?)inf(?:inity)?", re.IGNORECASE)
CHARACTERS_MAX: Final = 64  # Of a number.


class NumberStyle:
    """How one file writes its numbers."""

    def __init__(self, form: LoggerFormat) -> None:
        """Take the marks and the codes for "no value" from a file's description."""
        codes = [one.strip() for one in form.no_value]
        self._numeric_codes = np.array([float(one) for one in codes if is_plain_number(one)])
        self._words = {"", "nan", *(one.casefold() for one in codes)}
        self._is_plain = form.decimal == "point" and form.thousands == "none"
        self._decimal = {"point": ".", "comma": ","}[form.decimal]
        marks = THOUSANDS[form.thousands]
        self._grouped: re.Pattern[str] | None = None
        if marks:
            mark = f"[{re.escape(marks)}]"
            self._grouped = re.compile(rf"[-+]?[0-9]{{1,3}}(?:({mark})[0-9]{{3}})(?:\1[0-9]{{3}})*")

    def numbers(self, texts: Sequence[str]) -> tuple[Floats, Bools, Bools]:
        """Read cells [row]; return the numbers, which cells are empty, and which are no numbers.

        NaN stands where the logger had no number. An empty cell is no fault.
        """
        values = self._quickly(texts) if self._is_plain else None
        if values is not None:
            nothing = np.zeros(len(texts), np.bool_)
            return self._without_codes(values), nothing, nothing
        bare = [text.strip() for text in texts]
        found = [self._number(text) for text in bare]
        bad = np.array([one is None for one in found], np.bool_)
        values = np.array([np.nan if one is None else one for one in found], np.float64)
        return self._without_codes(values), np.array([not text for text in bare], np.bool_), bad

    def _quickly(self, texts: Sequence[str]) -> Floats | None:
        """Read what Python reads too; None where somebody has to look more closely."""
        together = "".join(texts)
        # Python also reads 1_000 and the digits of other scripts.
        if "_" in together or not together.isascii():
            return None
        try:
            return np.fromiter(map(float, texts), np.float64, len(texts))
        except ValueError:
            return None

    def _number(self, text: str) -> float | None:
        if text.casefold() in self._words:
            return float("nan")
        if len(text) > CHARACTERS_MAX:
            return None
        infinite = _INFINITE.fullmatch(text)
        if infinite:
            return float(f"{infinite[1]}inf")
        if not self._is_plain:
            whole, mark, rest = text.partition(self._decimal)
            if self._grouped is not None and self._grouped.fullmatch(whole):
                whole = re.sub(r"[^-+0-9]", "", whole)
            if self._decimal != "." and "." in whole + rest:
                return None
            text = f"{whole}.{rest}" if mark else whole
        return float(text) if _NUMBER.fullmatch(text) else None

    def _without_codes(self, values: Floats) -> Floats:
        if len(self._numeric_codes):
            values[np.isin(values, self._numeric_codes)] = np.nan
        return values
