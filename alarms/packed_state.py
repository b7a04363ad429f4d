"""A state as bytes: a header that people could read, columns as they are, and a magic number.

State is a cache of recorded inputs, so everything odd is refused: whoever kept it begins anew.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray

COMPRESSION: Final = 1
BYTES_MAX: Final = 1 << 30  # Some ten times what 300,000 channels need, uncompressed.
HEADER: Final = "header"

Arrays = dict[str, NDArray[Any]]


class PackedStateError(ValueError):
    """The bytes can't be read; the message says why."""


def pack(magic: bytes, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> bytes:
    """Write a header and arrays down, behind a magic number whose last byte is a version."""
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    members = {**arrays, HEADER: np.frombuffer(text.encode(), dtype=np.uint8)}
    file = io.BytesIO()
    np.savez(file, **members)
    return magic + zstandard.compress(file.getbuffer(), COMPRESSION)


def unpack(magic: bytes, data: bytes, what: str) -> tuple[dict[str, Any], Arrays]:
    """Undo `pack`; raise PackedStateError for whatever is not of this kind and version."""
    if data[: len(magic) - 1] != magic[:-1]:
        raise PackedStateError(f"the bytes are no {what}: they do not begin like one")
    if data[: len(magic)] != magic:
        raise PackedStateError(
            f"the {what} has format {data[len(magic) - 1 : len(magic)].hex() or 'none'}, "
            f"and this program reads format {magic[-1:].hex()}"
        )
    packed = data[len(magic) :]
    try:
        size = zstandard.get_frame_parameters(packed).content_size
        if size > BYTES_MAX:
            raise PackedStateError(f"the {what} says it has {size} bytes; {BYTES_MAX} may be")
        unpacked = zstandard.decompress(packed, max_output_size=BYTES_MAX)
        with np.load(io.BytesIO(unpacked), allow_pickle=False) as members:
            arrays: Arrays = {name: members[name] for name in members.files}
        header = json.loads(arrays.pop(HEADER).tobytes())
    except (
        zstandard.ZstdError,
        zipfile.BadZipFile,
        zlib.error,
        KeyError,
        ValueError,
        EOFError,
        OSError,
        MemoryError,
    ) as error:
        if isinstance(error, PackedStateError):
            raise
        raise PackedStateError(f"the {what} cannot be read: {error}") from error
    if not isinstance(header, dict):
        raise PackedStateError(f"the {what}'s header is no document")
    return header, arrays
