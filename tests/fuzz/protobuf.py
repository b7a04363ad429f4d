"""Changes to messages of protobuf: fields are cut, doubled and altered, and lengths stay right."""

import random
from typing import Final

from fuzz.target import Change

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
ODD: Final = (0, 1, 11, 12, 192, 500, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1)

Field = tuple[int, int, int | bytes]  # Number, kind, content.


def fields_of(data: bytes) -> list[Field] | None:
    """Cut a message into its fields; None when it is none."""
    fields: list[Field] = []
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(data, at)
            fields.append((key >> 3, kind, value))
            continue
        if kind not in {FIXED64, BYTES, FIXED32}:
            return None
        size = {FIXED64: 8, FIXED32: 4}.get(kind, 0)
        if kind == BYTES:
            size, at = _varint(data, at)
        if at + size > len(data):
            return None
        fields.append((key >> 3, kind, data[at : at + size]))
        at += size
    return fields


def written(fields: list[Field]) -> bytes:
    parts = []
    for number, kind, content in fields:
        parts.append(_as_varint(number << 3 | kind))
        if isinstance(content, int):
            parts.append(_as_varint(content))
            continue
        parts += [_as_varint(len(content)), content] if kind == BYTES else [content]
    return b"".join(parts)


def changed_message(data: bytes, chance: random.Random, change: Change, depth: int = 0) -> bytes:
    """Change one field somewhere in a message."""
    fields = fields_of(data)
    if not fields or chance.random() < 0.02:
        return change(data)
    at, other = chance.randrange(len(fields)), chance.randrange(len(fields))
    number, kind, content = fields[at]
    what = chance.randrange(8)
    if isinstance(content, bytes) and kind == BYTES and what < 5 and depth < 4:
        fields[at] = (number, kind, changed_message(content, chance, change, depth + 1))
    elif what == 0:
        del fields[at]
    elif what == 1:
        fields.insert(other, fields[at])
    elif what == 2:
        fields[at] = (chance.choice((number + 1, number - 1, chance.randint(1, 20))), kind, content)
    elif isinstance(content, int):
        value = chance.choice((*ODD, content + 1, content ^ 1 << chance.randrange(64)))
        fields[at] = (number, kind, value)
    elif kind == BYTES:
        fields[at] = (number, kind, change(content))
    else:
        fields[at] = (number, kind, chance.choice((b"\xff", b"\0", b"\x7f")) * len(content))
    return written(fields)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value, at


def _as_varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
