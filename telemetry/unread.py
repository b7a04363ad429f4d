"""What an edge received and could not read, as bytes that travel like a block, into quarantine.

    "GWU" version:u8 | msgpack [source, place, received_us, reason, bytes_whole, content]

The centre knows them by the beginning and refuses them as it refuses every block that it cannot
store: with the reason, and all the bytes. So nobody has to measure again what a wrong mapping
did not understand.
"""

from typing import Annotated, Final

import msgspec

MAGIC: Final = b"GWU"
VERSION: Final = 1
CONTENT_BYTES_MAX: Final = 1_000_000  # So that all of it is below the limit of a block.
WORDS_MAX: Final = 1_000

Words = Annotated[str, msgspec.Meta(max_length=WORDS_MAX)]


class Unread(msgspec.Struct, array_like=True, frozen=True):
    """One message, or one piece of a file."""

    source: Words  # The bus.
    place: Words  # Where on it: a topic, a file.
    received_us: int
    reason: Words  # A sentence.
    bytes_whole: int  # More than `content` has when it was cut.
    content: bytes


def unread(source: str, place: str, received_us: int, reason: str, content: bytes) -> Unread:
    """Put together what is kept aside; what is too long is cut."""
    return Unread(
        source=storable(source)[:WORDS_MAX],
        place=storable(place)[:WORDS_MAX],
        received_us=received_us,
        reason=storable(reason)[:WORDS_MAX],
        bytes_whole=len(content),
        content=content[:CONTENT_BYTES_MAX],
    )


def storable(words: str) -> str:
    r"""Take out what no message or database holds as text: NUL, and halves of characters.

    >>> storable("caf\udce9\0")
    'caf?�'
    """
    return words.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def encode_unread(one: Unread) -> bytes:
    """Write it as bytes."""
    return MAGIC + bytes([VERSION]) + msgspec.msgpack.encode(one)


def decode_unread(data: bytes) -> Unread | None:
    """Read it back; None when the bytes are something else."""
    begin = len(MAGIC) + 1
    if data[:begin] != MAGIC + bytes([VERSION]):
        return None
    try:
        return msgspec.msgpack.decode(data[begin:], type=Unread)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
