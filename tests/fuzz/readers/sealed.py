"""Sealed frames over a broker: only what was sealed with the key is opened, and only once."""

import random
from collections.abc import Iterator

from fuzz.dice import Dice
from fuzz.target import Target, check_sentence

from telemetry.sealing import (
    CODE_BYTES,
    COUNTER_BYTES,
    COUNTERS_KEPT,
    NONCE_BYTES,
    Opener,
    Sealer,
    SealError,
    Session,
    challenge,
    check_opening,
    keys_of,
    nonce_in,
    opening,
    root_key,
    token_hash,
    token_id_in,
)

SESSION = Session("mine", "dam-edge", "0" * 32)
OTHERS = (Session("mine", "dam-edge", "1" * 32), Session("mined", "am-edge", "0" * 32))
ROOT = root_key(token_hash("gw_0a1b_secret"))
NONCE = bytes(range(NONCE_BYTES))
KEYS = keys_of(ROOT, SESSION, NONCE)
STEPS_MAX = 40


def read(data: bytes) -> str:
    """The first byte chooses: raw bytes from a stranger, an opening, a challenge, or a session."""
    kind, rest = (data[0] if data else 0) % 4, data[1:]
    if kind == 0:
        return stranger(rest)
    if kind == 3:
        return session(Dice(rest))
    chance = Dice(rest)
    right = opening(ROOT, SESSION, "0a1b") if kind == 1 else challenge(ROOT, SESSION, NONCE)
    message = damaged(right, chance)
    whose = chance.choice((SESSION, *OTHERS))
    try:
        if kind == 1:
            assert token_id_in(message).isalnum()
            check_opening(ROOT, whose, message)
        else:
            assert nonce_in(ROOT, whose, message) == NONCE
    except SealError as error:
        check_sentence(error, "the message")
        return "refused"
    assert whose == SESSION
    # Which key to look up is no secret and not under the code; the code itself must be right.
    assert message == right or (kind == 1 and message[-CODE_BYTES:] == right[-CODE_BYTES:])
    return "proven"


def stranger(message: bytes) -> str:
    """Whoever does not know the key opens nothing."""
    for attempt in (
        lambda: token_id_in(message) and check_opening(ROOT, SESSION, message),
        lambda: nonce_in(ROOT, SESSION, message),
        lambda: Opener(KEYS.up).open(message),
    ):
        try:
            attempt()
        except SealError as error:
            check_sentence(error, "the message")
        else:
            raise AssertionError("a message was taken that nobody has sealed")
    return "strangers are refused"


def session(chance: Dice) -> str:
    """Frames sealed, lost, repeated, reordered and damaged: each is opened once, or not at all."""
    sealer, opener = Sealer(KEYS.up), Opener(KEYS.up)
    sent: list[bytes] = []
    opened: set[int] = set()
    for _ in range(min(chance.randrange(STEPS_MAX) + 1, STEPS_MAX)):
        if chance.randrange(8) == 7:  # Many others were sealed, and lost.
            sealer._counter += chance.choice((1, COUNTERS_KEPT - 2, COUNTERS_KEPT, 1 << 40))
        message = sealer.seal(b"frame %d" % len(sent))
        sent.append(message)
        message = damaged(chance.choice(sent[-6:]), chance)
        counter = int.from_bytes(message[1 + CODE_BYTES :][:COUNTER_BYTES], "big")
        is_fresh = counter not in opened and counter > max(opened, default=0) - COUNTERS_KEPT
        try:
            frame = opener.open(message)
        except SealError as error:
            check_sentence(error, "the message", "the frame")
            assert message not in sent or not is_fresh, "a right frame was refused"
        else:
            assert message in sent, "a frame was opened that nobody has sealed"
            assert is_fresh, "a frame was opened twice, or too late"
            assert frame == message[1 + CODE_BYTES + COUNTER_BYTES :]
            opened.add(counter)
    return "session"


def damaged(message: bytes, chance: Dice) -> bytes:
    kind = chance.randrange(8)
    at = chance.randrange(len(message))
    if kind == 5:
        return message[:at] + bytes([chance.randrange(256)]) + message[at + 1 :]
    if kind == 6:
        return message[:at]
    if kind == 7:
        return message[:at] + chance.randbytes(chance.randrange(5)) + message[at:]
    return message


def seeds() -> Iterator[bytes]:
    chance = random.Random(7)
    yield b"\x00" + opening(root_key(token_hash("gw_0a1b_other")), SESSION, "0a1b")
    yield b"\x00" + challenge(root_key(b"other"), SESSION, NONCE)
    yield b"\x00" + Sealer(b"other").seal(b"frame")
    yield b"\x01"
    yield b"\x02"
    for n in range(120):
        yield bytes([1 + n % 3]) + chance.randbytes(4 if n % 3 < 2 else 120)


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("strangers are refused", "proven", "refused", "session"),
    bytes_max=512,
    short_runs=500,
)
