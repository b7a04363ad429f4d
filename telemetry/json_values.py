"""What stands in a JSON message: a field by its path, a number, an instant.

JSON has one kind of number and no instants, so devices write both in many ways. What is meant
without doubt is taken; anything else is refused, never guessed.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import numpy as np
from numpy.typing import NDArray

from telemetry.clock import instant_us
from telemetry.quality import Quality
from telemetry.sources import JsonMessage

Path = tuple[str, ...]

# How devices write that there is nothing to tell.
NO_VALUE_WORDS: Final = frozenset({"", "-", "--", "---", "n/a", "na", "nan", "none", "null"})
TRUTHS: Final = {"true": 1.0, "false": 0.0}
NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
NUMBER_LETTERS_MAX: Final = 64
INSTANT_LETTERS_MIN: Final = 15  # A date alone is a day, not an instant.
UNIX_UNITS_US: Final = {"unix_s": 1_000_000.0, "unix_ms": 1_000.0, "unix_us": 1.0, "unix_ns": 1e-3}
INSTANT_MOST_US: Final = 1 << 62  # Later ones overflow when they are subtracted.


class Missing:
    """The value of a field that is not there, which is something else than null."""


MISSING: Final = Missing()


class PathError(ValueError):
    """No field can have this path; the message says why."""


def path_of(text: str) -> Path:
    """Read a path.

    >>> path_of("data.0.p"), path_of("/data/0/p.kpa"), path_of(".")
    (('data', '0', 'p'), ('data', '0', 'p.kpa'), ())
    """
    if text == ".":
        return ()
    if text.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))
    steps = tuple(text.split("."))
    if not all(steps):
        raise PathError(f"the path {text} has an empty step; begin it with / if names have dots")
    return steps


def found_at(path: Path, document: object) -> object:
    """Find what stands at a path; `MISSING` where nothing does."""
    for step in path:
        if isinstance(document, dict):
            document = document.get(step, MISSING)
        elif isinstance(document, list) and step.isascii() and step.isdigit() and len(step) < 8:
            document = document[int(step)] if int(step) < len(document) else MISSING
        else:
            return MISSING
    return document


def number_in(value: object) -> tuple[float, Quality] | None:
    """Take a value as a number; None when it is none.

    >>> number_in("-1.5e1"), number_in(True), number_in(None), number_in("12 kPa")
    ((-15.0, <Quality.GOOD: 0>), (1.0, <Quality.GOOD: 0>), (nan, <Quality.NO_VALUE: 100>), None)
    """
    if value is None or isinstance(value, Missing):
        return math.nan, Quality.NO_VALUE
    if isinstance(value, str):
        return _number_written(value.strip().lower())
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return (number, Quality.GOOD) if math.isfinite(number) else (math.nan, Quality.NOT_FINITE)


def column_of(
    values: Sequence[object],
) -> tuple[NDArray[np.float64], NDArray[np.int16], int | None]:
    """Take values as numbers, with their qualities; also the place of the first that is none."""
    quality = np.zeros(len(values), np.int16)
    if all(type(value) is float for value in values):
        raw = np.array(values, np.float64)
        quality[~np.isfinite(raw)] = Quality.NOT_FINITE
        raw[~np.isfinite(raw)] = np.nan
        return raw, quality, None
    wrong: int | None = None
    raw = np.full(len(values), np.nan)
    for n, value in enumerate(values):
        number = number_in(value)
        if number is None:
            wrong = n if wrong is None else wrong
            number = math.nan, Quality.DEVICE_ERROR
        raw[n], quality[n] = number
    return raw, quality, wrong


def instant_in(value: object, message: JsonMessage) -> int | None:
    """Take a value as an instant, in microseconds since 1970; None when it is none.

    >>> message = JsonMessage(kind="json", topic="t", time="time", utc_offset_h=8)
    >>> instant_in("2026-01-01T08:00:00", message) == instant_in("2026-01-01T00:00Z", message)
    True
    """
    if message.time_format == "iso8601":
        found = _instant_written(value, message.utc_offset_h)
    else:
        found = _instant_counted(value, UNIX_UNITS_US[message.time_format])
    return found if found is not None and 0 <= found < INSTANT_MOST_US else None


def shown(value: object) -> str:
    """Show a value in a sentence, but not all of a long one."""
    if isinstance(value, Missing):
        return "nothing"
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _number_written(text: str) -> tuple[float, Quality] | None:
    if text in NO_VALUE_WORDS:
        return math.nan, Quality.NO_VALUE
    if text in TRUTHS:
        return TRUTHS[text], Quality.GOOD
    # Python would also read 1_000 and infinity, which nobody measures.
    if len(text) > NUMBER_LETTERS_MAX or not NUMBER.fullmatch(text):
        return None
    number = float(text)
    return (number, Quality.GOOD) if math.isfinite(number) else (math.nan, Quality.NOT_FINITE)


def _instant_written(value: object, utc_offset_h: float | None) -> int | None:
    if not isinstance(value, str) or not INSTANT_LETTERS_MIN <= len(value) <= NUMBER_LETTERS_MAX:
        return None
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    if at.tzinfo is None:
        if utc_offset_h is None:
            return None
        at = at.replace(tzinfo=timezone(timedelta(hours=utc_offset_h)) if utc_offset_h else UTC)
    return instant_us(at)


def _instant_counted(value: object, unit_us: float) -> int | None:
    if isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in TRUTHS):
        return None
    if isinstance(value, int):  # Exact, also where a float is not.
        return value * round(unit_us) if unit_us >= 1 else value // round(1 / unit_us)
    number = number_in(value)
    if number is None or number[1] != Quality.GOOD:
        return None
    us = number[0] * unit_us
    return round(us) if abs(us) < INSTANT_MOST_US else None
