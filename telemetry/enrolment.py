"""What a centre and an edge say to each other when the edge is enrolled; and the one-time code.

The centre speaks first, because the edge must know whom it has called before it says anything:
Offer, then Request, then Enrolled or Declined. Messages are JSON; what is unknown is skipped, so
that fields may be added.

A code reads ``gwe.ID.SECRET`` or ``gwe.ID.SECRET.FINGERPRINT``. With the fingerprint of the
centre's authority an edge that knows nobody yet can tell the centre from an impostor.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec

ENROL_PATH: Final = "/enrol/v1"
PROTOCOL: Final = 1
REQUEST_BYTES_MAX: Final = 16 * 1024
ANSWER_BYTES_MAX: Final = 16 << 20  # A site file may have 4 MiB, and JSON escapes.
CODE: Final = re.compile(r"gwe\.([0-9a-f]{16})\.([A-Za-z0-9_-]{27})(?:\.([A-Za-z0-9_-]{43}))?\Z")


class EnrolmentError(Exception):
    """What came is no part of an enrolment; the message says why."""


@dataclass(frozen=True, slots=True, repr=False)
class Code:
    """A one-time code."""

    code_id: str  # May be shown.
    secret: str
    fingerprint: str | None  # Of the centre's authority: SHA-256, hexadecimal.

    def __str__(self) -> str:
        text = f"gwe.{self.code_id}.{self.secret}"
        if self.fingerprint is None:
            return text
        packed = base64.urlsafe_b64encode(bytes.fromhex(self.fingerprint)).decode()
        return f"{text}.{packed.rstrip('=')}"


def read_code(text: str) -> Code:
    """Read a code as it was printed, or raise `EnrolmentError`.

    >>> text = "gwe.0123456789abcdef." + "s" * 27 + "." + "A" * 43
    >>> str(read_code(f" {text} ")) == text
    True
    """
    found = CODE.match(text.strip())
    if found is None:
        raise EnrolmentError(
            "this is no enrolment code: it begins with 'gwe.' and is printed, whole, by "
            "`groundwatch edge-code` at the centre"
        )
    code_id, secret, packed = found.groups()
    fingerprint = None
    if packed is not None:
        fingerprint = base64.urlsafe_b64decode(f"{packed}=").hex()
    return Code(code_id, secret, fingerprint)


def fingerprint_of(der: bytes) -> str:
    """Return the fingerprint of a certificate."""
    return hashlib.sha256(der).hexdigest()


class Offer(msgspec.Struct, frozen=True):
    """The centre says which authority it goes by, if it has one of its own."""

    protocol: int
    authority: str | None = None  # PEM.


class Request(msgspec.Struct, frozen=True):
    """The edge shows its code, and the key that it has made."""

    code_id: Annotated[str, msgspec.Meta(max_length=32)]
    secret: Annotated[str, msgspec.Meta(max_length=64)]
    csr: Annotated[str, msgspec.Meta(max_length=8192)]  # PEM.
    edge: Annotated[str, msgspec.Meta(max_length=128)] | None = None  # SITE/EDGE, if it knows.


class Enrolled(msgspec.Struct, frozen=True, tag="enrolled"):
    """The centre gives an edge what it needs; there is no second time."""

    site: str
    edge: str
    token: str
    certificate: str | None = None  # PEM.
    authority: str | None = None  # PEM.
    site_file: str | None = None


class Declined(msgspec.Struct, frozen=True, tag="declined"):
    """The centre does not enrol; the message says why."""

    message: str


Message = TypeVar("Message", Offer, Request)


def encode(message: Offer | Request | Enrolled | Declined) -> str:
    """Write a message."""
    return msgspec.json.encode(message).decode()


def decode_offer(text: str | bytes) -> Offer:
    """Read what the centre says first."""
    return _decode(text, Offer, REQUEST_BYTES_MAX)


def decode_request(text: str | bytes) -> Request:
    """Read what an edge asks for."""
    return _decode(text, Request, REQUEST_BYTES_MAX)


def decode_answer(text: str | bytes) -> Enrolled | Declined:
    """Read what the centre decided."""
    try:
        return msgspec.json.decode(text, type=Enrolled | Declined)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnrolmentError(f"the centre's answer is wrong: {error}") from error


def _decode(text: str | bytes, kind: type[Message], bytes_max: int) -> Message:
    if len(text) > bytes_max:
        raise EnrolmentError(f"a message of {len(text)} bytes is no part of an enrolment")
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EnrolmentError(f"the {kind.__name__} is wrong: {error}") from error
