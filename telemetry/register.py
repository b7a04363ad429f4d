"""Registers: where a channel stands in a Modbus device, and how its words become a number.

A place is written as its maker's document writes it, in exactly one of three ways:

| key         | counted       | the table comes from                                              |
|-------------|---------------|-------------------------------------------------------------------|
| `address`   | from 0        | the key `table`                                                   |
| `number`    | from 1        | the key `table`                                                   |
| `reference` | from 1        | its first digit: 0 coil, 1 discrete, 3 input, 4 holding           |

Whatever the file says, `Register.table` and `Register.address` (from 0, as on the wire) are
what the rest of the program uses.
"""

import re
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from telemetry.part import Part

Table = Literal["coil", "discrete", "holding", "input"]
ByteOrder = Literal["ABCD", "DCBA", "BADC", "CDAB"]
NumberType = Literal[
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float32",
    "float64",
    "bit",
    "text",
]

BIT_TABLES: Final = ("coil", "discrete")
FUNCTIONS: Final[dict[str, int]] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
# How many registers a number takes; a text says so itself.
WORDS: Final[dict[str, int]] = {
    "bit": 1,
    "uint16": 1,
    "int16": 1,
    "uint32": 2,
    "int32": 2,
    "float32": 2,
    "uint64": 4,
    "int64": 4,
    "float64": 4,
}
ADDRESS_LAST: Final = 65_535
TEXT_WORDS_MAX: Final = 32

# The first digit of a reference; the rest counts from 1, in four digits or in five.
_TABLE_OF_DIGIT: Final[dict[str, Table]] = {
    "0": "coil",
    "1": "discrete",
    "3": "input",
    "4": "holding",
}
_REFERENCE: Final = re.compile(r"([0134])(\d{4}|\d{5})")
A_REFERENCE: Final = (
    "0 (coil), 1 (discrete input), 3 (input register) or 4 (holding register) and a number from 1 "
    'in four or five digits, such as 40001 or 400001; in quotes where it begins with 0: "00001"'
)
_PLACES: Final = ("address", "number", "reference")

# What a device writes into a text's registers, and the number that it stands for.
Texts = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=2 * TEXT_WORDS_MAX)], float],
    Field(min_length=1, max_length=100),
]


class Place(NamedTuple):
    """A table, and an address in it that counts from 0."""

    table: Table
    address: int


def _in_digits(reference: object) -> object:
    # YAML reads 00017 as 17, so a short whole number is a coil.
    is_number = isinstance(reference, int) and not isinstance(reference, bool)
    return f"{reference:05d}" if is_number else reference


Reference = Annotated[
    str,
    BeforeValidator(_in_digits),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
]


def place_of_reference(reference: str) -> Place | None:
    """Read a reference in the notation of Modicon; None when it is none.

    >>> place_of_reference("40001"), place_of_reference("465536")
    (Place(table='holding', address=0), Place(table='holding', address=65535))
    >>> place_of_reference("00017"), place_of_reference("010001")
    (Place(table='coil', address=16), Place(table='coil', address=10000))
    >>> place_of_reference("20001") is None and place_of_reference("40000") is None
    True
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None or not 1 <= int(found[2]) <= ADDRESS_LAST + 1:
        return None
    return Place(_TABLE_OF_DIGIT[found[1]], int(found[2]) - 1)


class Register(Part):
    """Where a channel stands in a Modbus device, and how its words become a number."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [place]} for place in _PLACES]}
    )

    given_table: Annotated[Table | None, Field(alias="table")] = None  # None: holding.
    given_address: Annotated[int | None, Field(alias="address", ge=0, le=ADDRESS_LAST)] = None
    number: Annotated[int | None, Field(ge=1, le=ADDRESS_LAST + 1)] = None
    reference: Reference | None = None
    # None: bit in a table of bits and where `bit` is given, else uint16.
    given_type: Annotated[NumberType | None, Field(alias="type")] = None
    byte_order: ByteOrder = "ABCD"
    bit: Annotated[int | None, Field(ge=0, le=15)] = None  # 0 is the lowest of the register.
    length: Annotated[int | None, Field(ge=1, le=TEXT_WORDS_MAX)] = None  # Of a text, in registers.
    texts: Texts | None = None  # None: the text is a number.
    # Numbers, before scale and offset, by which the device says that it has no value.
    no_value: Annotated[list[float], Field(max_length=16)] = Field(default_factory=list)
    scale: float = 1.0  # raw = number * scale + offset
    offset: float = 0.0

    @property
    def table(self) -> Table:
        """The table that the register stands in."""
        return self._place.table

    @property
    def address(self) -> int:
        """The register's address, from 0, as on the wire."""
        return self._place.address

    @property
    def type(self) -> NumberType:
        """How the words are written."""
        if self.given_type is not None:
            return self.given_type
        return "bit" if self.bit is not None or self.table in BIT_TABLES else "uint16"

    @property
    def words(self) -> int:
        """How many registers the number takes; in a table of bits, how many bits."""
        return self.length or 1 if self.type == "text" else WORDS[self.type]

    @property
    def end(self) -> int:
        """The address after the last one."""
        return self.address + self.words

    @property
    def place_key(self) -> str:
        """The key by which the file says where the register stands."""
        return next(key for key in _PLACES if self._given(key) is not None)

    @property
    def _place(self) -> Place:
        if self.reference is not None:
            place = place_of_reference(self.reference)
            assert place is not None
            return place
        number = self.given_address if self.number is None else self.number - 1
        assert number is not None
        return Place(self.given_table or "holding", number)

    def _given(self, key: str) -> Any:  # noqa: ANN401 (a number or a word)
        return getattr(self, "given_address" if key == "address" else key)

    @model_validator(mode="after")
    def _makes_sense(self) -> "Register":
        """Refuse what contradicts itself, and settings that would be without effect."""
        self._check_place()
        if self.type == "bit":
            self._check_bit()
        elif self.bit is not None:
            raise _wrong(
                "bit", f"the type {self.type} has no bit of its own", "bit with type bit only"
            )
        elif self.table in BIT_TABLES:
            message = f"a {self.table} holds one bit, so it is no {self.type}"
            raise _wrong("type", message, "bit, or no type at all")
        self._check_text()
        return self

    def _check_place(self) -> None:
        given = [key for key in _PLACES if self._given(key) is not None]
        if len(given) != 1:
            told = f"{' and '.join(given)} say" if given else "nothing says"
            message = f"{told} where the register stands"
            allowed = (
                "exactly one of address (from 0), number (from 1) and reference (such as 40001)"
            )
            raise _wrong(given[-1] if given else None, message, allowed)
        if self.reference is None:
            return
        place = place_of_reference(self.reference)
        if place is None:
            raise _wrong("reference", f"{self.reference[:20]} is no reference", A_REFERENCE)
        if self.given_table not in {None, place.table}:
            message = f"the reference {self.reference} means {place.table}, not {self.given_table}"
            raise _wrong("table", message, f"{place.table}, or no table at all")

    def _check_bit(self) -> None:
        if (self.table in BIT_TABLES) == (self.bit is not None):
            is_bare = self.bit is None
            message = (
                f"which bit of the {self.table} register is meant"
                if is_bare
                else f"a {self.table} is one bit already"
            )
            allowed = "with the key bit, from 0 (lowest) to 15" if is_bare else "no key bit"
            raise _wrong(None if is_bare else "bit", message, allowed)
        if self.byte_order != "ABCD":
            raise _wrong("byte_order", "a bit has no byte order", "no key byte_order")

    def _check_text(self) -> None:
        if self.type != "text":
            for key in ("length", "texts"):
                if getattr(self, key) is not None:
                    raise _wrong(
                        key, f"the type {self.type} has no {key}", f"{key} with type text only"
                    )
        elif self.length is None:
            message = "how many registers the text takes"
            raise _wrong(None, message, f"with the key length, 1 to {TEXT_WORDS_MAX}")
        elif self.byte_order not in {"ABCD", "BADC"}:
            allowed = "ABCD (first letter in the high byte) or BADC (in the low byte)"
            raise _wrong("byte_order", "a text begins in its first register", allowed)
        if self.end > ADDRESS_LAST + 1:
            message = f"the number ends at register {self.end - 1}; a device ends at {ADDRESS_LAST}"
            raise _wrong(
                self.place_key, message, f"an address up to {ADDRESS_LAST + 1 - self.words}"
            )


def _wrong(key: str | None, message: str, allowed: str) -> PydanticCustomError:
    """Say what is wrong with a register; `key` is the line that is to blame, if one is."""
    words = {"message": message, "allowed": allowed, "key": key}
    return PydanticCustomError("register", "{message} (allowed: {allowed})", words)
