"""How a logger writes its file: what a mapping file, or a site file's group, says about it."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from telemetry.logger_files.stamps import StampError, StampPattern
from telemetry.logger_files.zones import ZoneError, zone_of
from telemetry.part import Part, Sentence
from telemetry.sources import Column

DELIMITERS: Final[Mapping[str, str | None]] = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "pipe": "|",
    "whitespace": None,  # Any number of blanks and tabs.
}
QUOTES: Final[Mapping[str, str | None]] = {"double": '"', "single": "'", "none": None}
THOUSANDS: Final[Mapping[str, str]] = {
    "none": "",
    "comma": ",",
    "point": ".",
    "apostrophe": "'’",
    "space": " \u00a0\u202f",
}
# A cell that is empty, and NAN, are always no number; these are what else loggers write.
NO_VALUE: Final = ("-9999", "no value", "n/a", "null", "none", "--", "---")

TOA5_HEADER_ROWS: Final = 4  # Environment, names, units, processing (LoggerNet manual, app. B).
HEADER_ROWS_MAX: Final = 200
STAMP: Final = "%Y-%m-%d %H:%M:%S"


class Time(Part):
    """Where a row's instant stands, and how it is written."""

    columns: Annotated[list[Column], Field(min_length=1, max_length=7)] | None = None
    format: Sentence = STAMP  # Of the columns, joined by blanks.
    # UTC, an offset such as -08:00, or an IANA name; left out where each stamp says its offset.
    zone: Sentence | None = None
    # When clocks go back, an hour comes twice: which one is meant?
    ambiguous: Literal["by_order", "earlier", "later", "refuse"] = "by_order"
    # When clocks go forward, an hour is left out: does a stamp in it count on from before?
    nonexistent: Literal["refuse", "shift"] = "refuse"

    @field_validator("format")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        try:
            StampPattern(text)
        except StampError as error:
            raise ValueError(str(error)) from None
        return text

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, text: str | None) -> str | None:
        try:
            if text is not None:
                zone_of(text)
        except ZoneError as error:
            raise ValueError(str(error)) from None
        return text

    @model_validator(mode="after")
    def _says_where_on_earth(self) -> "Time":
        absolute = StampPattern(self.format).is_absolute
        if absolute and self.zone is not None:
            raise ValueError("no zone, because each stamp says its own offset from UTC")
        if not absolute and self.zone is None:
            raise ValueError(
                "a zone: UTC, an offset such as -08:00, or a name such as Asia/Shanghai"
            )
        return self


class LoggerFormat(Part):
    """How a logger writes its file."""

    kind: Literal["table", "toa5"] = "table"
    encoding: Literal["utf-8", "latin-1", "gb18030"] = "utf-8"
    delimiter: Literal["comma", "semicolon", "tab", "pipe", "whitespace"] = "comma"
    quote: Literal["double", "single", "none"] = "double"
    header_rows: Annotated[int, Field(ge=0, le=HEADER_ROWS_MAX)] = 0  # All lines before the rows.
    names_row: Annotated[int, Field(ge=1, le=HEADER_ROWS_MAX)] | None = None  # From 1.
    units_row: Annotated[int, Field(ge=1, le=HEADER_ROWS_MAX)] | None = None
    comment: Annotated[str, StringConstraints(min_length=1, max_length=8)] | None = None
    decimal: Literal["point", "comma"] = "point"
    thousands: Literal["none", "comma", "point", "apostrophe", "space"] = "none"
    no_value: Annotated[list[str], Field(max_length=50)] = Field(default=list(NO_VALUE))
    newest_first: bool = False
    time: Time

    @model_validator(mode="after")
    def _fits_together(self) -> "LoggerFormat":
        if self.kind == "toa5":
            _refuse_for_toa5(self)
        for name in ("names_row", "units_row"):
            row = getattr(self, name)
            if row is not None and row > self.header_rows:
                raise ValueError(f"{name} among the header_rows, which are {self.header_rows} here")
        if self.thousands == self.decimal:
            raise ValueError(
                f"another mark for thousands, because {self.decimal} is the decimal mark"
            )
        comma_in_numbers = "comma" in {self.decimal, self.thousands}
        if comma_in_numbers and self.delimiter == "comma" and self.quote == "none":
            raise ValueError("another delimiter, or quotes, because commas stand in the numbers")
        return self


class FileOfGroup(LoggerFormat):
    """The files of a watched folder that belong to a scan group."""

    pattern: Annotated[str, StringConstraints(pattern=r"^[^/\\]+$", max_length=200)]


def _refuse_for_toa5(form: LoggerFormat) -> None:
    fixed = {"delimiter", "quote", "header_rows", "names_row", "units_row", "decimal", "thousands"}
    given = sorted(fixed & form.model_fields_set)
    if given:
        raise ValueError(f"nothing about {', '.join(given)}: a TOA5 file is always written alike")


def header_rows_of(form: LoggerFormat) -> int:
    """How many lines stand before the rows."""
    return TOA5_HEADER_ROWS if form.kind == "toa5" else form.header_rows


def names_row_of(form: LoggerFormat) -> int | None:
    """Which line of the header names the columns, from 1."""
    return 2 if form.kind == "toa5" else form.names_row


def units_row_of(form: LoggerFormat) -> int | None:
    """Which line of the header says the units, from 1."""
    return 3 if form.kind == "toa5" else form.units_row


def time_columns_of(form: LoggerFormat) -> list[Column]:
    """Which columns hold the stamp."""
    if form.time.columns is not None:
        return form.time.columns
    return ["TIMESTAMP"] if form.kind == "toa5" else [0]


def is_plain_number(text: str) -> bool:
    """Tell whether a code for "no value" is to be compared as a number.

    >>> is_plain_number("-9999"), is_plain_number("no value")
    (True, False)
    """
    return re.fullmatch(r"[-+]?[0-9]+(\.[0-9]*)?", text.strip()) is not None
