"""Frames over a broker that others use too: proven to be the edge's, or the centre's, and fresh.

Whoever may publish at the broker can write to anybody's topics. So nothing is believed that does
not carry a code (HMAC-SHA256) made with a key that only this edge and the centre can know: both
know the hash of the edge's token. Decision record 0009 tells what this keeps out, and what not.

    edge   -> OPEN       token's id, code over site, edge and session
    centre -> CHALLENGE  a random nonce, code over the same and the nonce
    both   -> SEALED     a counter, code over counter and frame, the frame of `telemetry.frames`

The session is a random name that the edge gives to one connection; it stands in the topic. The
keys of a session come from the nonce, so what was recorded of another one opens nothing in it.
In a session no counter is taken twice. Frames may be lost and reordered: that is the delivery
protocol's to mend.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

import msgspec

CODE_BYTES: Final = 32
NONCE_BYTES: Final = 16
COUNTER_BYTES: Final = 8
COUNTERS_KEPT: Final = 4096  # A frame that so many others have overtaken is not taken any more.
TOKEN_ID_BYTES_MAX: Final = 64

OPEN: Final = 1
CHALLENGE: Final = 2
SEALED: Final = 3
HINT: Final = 4  # Why the centre does not answer; proven by nothing, so only good for a log.

KEEP_ALIVE: Final = b""  # Instead of a frame, to show that one is still there.
GOODBYE: Final = b"\x00"  # Instead of a frame: the session is over. No frame begins with 0.


class SealError(Exception):
    """Bytes that nobody who knows the key has written, or that came before."""


@dataclass(frozen=True, slots=True)
class Session:
    """One connection of an edge, as both sides name it."""

    site: str
    edge: str
    name: str


@dataclass(frozen=True, slots=True)
class Keys:
    """What a session's frames are sealed with, by their direction."""

    up: bytes
    down: bytes


def root_key(token_hash: bytes) -> bytes:
    """Make the key that an edge and the centre share, from the SHA-256 of the edge's token."""
    return hmac.digest(token_hash, b"groundwatch over a broker, 1", "sha256")


def token_hash(token: str) -> bytes:
    """Hash a token as the centre keeps it."""
    return hashlib.sha256(token.encode()).digest()


def token_id_of(token: str) -> str:
    """Find the part of a token that may be seen; empty when it can be none of ours.

    >>> token_id_of("gw_0a1b_secret")
    '0a1b'
    """
    parts = token.split("_", 2)
    return parts[1] if len(parts) == 3 else ""


def opening(root: bytes, session: Session, token_id: str) -> bytes:
    """Write the first message of a session: who it is."""
    name = token_id.encode("ascii")
    return bytes([OPEN, len(name)]) + name + _code(root, "open", session, b"")


def token_id_in(message: bytes) -> str:
    """Read in an opening whose key to look up; nothing is proven yet."""
    if len(message) < 2 or message[0] != OPEN or message[1] > TOKEN_ID_BYTES_MAX:
        raise SealError("the message is no opening")
    name = message[2 : 2 + message[1]]
    if len(message) != 2 + message[1] + CODE_BYTES or not name.isalnum() or not name.isascii():
        raise SealError("the message is no opening")
    return name.decode("ascii")


def check_opening(root: bytes, session: Session, message: bytes) -> None:
    """Raise `SealError` unless an opening was written with the key, for this session."""
    _check(message[-CODE_BYTES:], _code(root, "open", session, b""))


def challenge(root: bytes, session: Session, nonce: bytes) -> bytes:
    """Write the centre's answer to an opening."""
    return bytes([CHALLENGE]) + nonce + _code(root, "challenge", session, nonce)


def nonce_in(root: bytes, session: Session, message: bytes) -> bytes:
    """Read a challenge, or raise `SealError`."""
    if len(message) != 1 + NONCE_BYTES + CODE_BYTES or message[0] != CHALLENGE:
        raise SealError("the message is no challenge")
    nonce = message[1 : 1 + NONCE_BYTES]
    _check(message[-CODE_BYTES:], _code(root, "challenge", session, nonce))
    return nonce


def keys_of(root: bytes, session: Session, nonce: bytes) -> Keys:
    """Make the keys of a session."""
    return Keys(_code(root, "up", session, nonce), _code(root, "down", session, nonce))


class Sealer:
    """Seals the frames of one direction of a session."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._counter = 0

    def seal(self, frame: bytes) -> bytes:
        """Write a frame as a message."""
        self._counter += 1
        counted = self._counter.to_bytes(COUNTER_BYTES, "big") + frame
        code = hmac.digest(self._key, counted, "sha256")
        return b"".join((bytes([SEALED]), code, counted))


class Opener:
    """Opens the frames of one direction of a session."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._highest = 0
        self._seen = 1  # Bit n: the counter that is n below the highest has come.

    def open(self, message: bytes) -> bytes:
        """Return the frame in a message, or raise `SealError`."""
        if len(message) < 1 + CODE_BYTES + COUNTER_BYTES or message[0] != SEALED:
            raise SealError("the message is no sealed frame")
        counted = message[1 + CODE_BYTES :]
        _check(message[1 : 1 + CODE_BYTES], hmac.digest(self._key, counted, "sha256"))
        self._count(int.from_bytes(counted[:COUNTER_BYTES], "big"))
        return counted[COUNTER_BYTES:]

    def _count(self, counter: int) -> None:
        ahead = counter - self._highest
        if ahead > 0:
            kept = self._seen << ahead if ahead < COUNTERS_KEPT else 0
            self._seen = (kept | 1) & ((1 << COUNTERS_KEPT) - 1)
            self._highest = counter
            return
        if -ahead >= COUNTERS_KEPT or self._seen >> -ahead & 1:
            raise SealError("the frame has come before, or long after others")
        self._seen |= 1 << -ahead


def _code(key: bytes, purpose: str, session: Session, nonce: bytes) -> bytes:
    parts = [purpose, session.site, session.edge, session.name, nonce]
    return hmac.digest(key, msgspec.msgpack.encode(parts), "sha256")


def _check(code: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(code, expected):
        raise SealError("the message was not written by who it is said to be from")
