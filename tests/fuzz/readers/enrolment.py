"""Enrolment: one-time codes as people type them, and the messages of both sides."""

import random
from collections.abc import Iterator

from fuzz.documents import changed_json
from fuzz.target import Change, Target, check_sentence

from telemetry.enrolment import (
    REQUEST_BYTES_MAX,
    Code,
    Declined,
    Enrolled,
    EnrolmentError,
    Offer,
    Request,
    decode_answer,
    decode_offer,
    decode_request,
    encode,
    read_code,
)

READERS = {b"O": decode_offer, b"R": decode_request, b"A": decode_answer}


def read(data: bytes) -> str:
    """The first byte chooses: an offer, a request, an answer, or, for any other, a code."""
    try:
        return message(data) if data[:1] in READERS else code(data)
    except EnrolmentError as error:
        check_sentence(error)
        return "refused"


def message(data: bytes) -> str:
    found = READERS[data[:1]](data[1:])
    if isinstance(found, Offer | Request):
        assert len(data) <= REQUEST_BYTES_MAX + 1
    assert READERS[data[:1]](encode(found)) == found
    return type(found).__name__


def code(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    found = read_code(text)
    assert read_code(str(found)) == found
    assert len(found.secret) == 27
    if found.fingerprint is not None:
        assert len(bytes.fromhex(found.fingerprint)) == 32
    assert found.secret not in repr(found)
    # But for the last letter, of which base64 needs four bits, what was typed is what is meant.
    assert text.strip()[:-1] == str(found)[:-1]
    return "code"


def seeds() -> Iterator[bytes]:
    yield str(Code("0123456789abcdef", "s" * 27, None)).encode()
    yield b" " + str(Code("0123456789abcdef", "S-_" * 9, "ab" * 32)).encode() + b"\n"
    yield b"O" + encode(Offer(1, "-----BEGIN CERTIFICATE-----")).encode()
    yield b"R" + encode(Request("0123456789abcdef", "s" * 27, "CSR", "mine/dam-edge")).encode()
    yield b"A" + encode(Enrolled("mine", "dam-edge", "gw_1_2", "PEM", None, "site: mine")).encode()
    yield b"A" + encode(Declined("the code is used up")).encode()
    yield b"O" + b"[" * 9_000


def mutated(data: bytes, chance: random.Random, change: Change) -> bytes:
    if data[:1] in READERS:
        words = ("enrolled", "declined", "type", "edge", "protocol", "authority", "x" * 129)
        return data[:1] + changed_json(data[1:], chance, change, words)
    parts = data.split(b".")
    at = chance.randrange(len(parts))
    parts[at] = change(parts[at]) if chance.random() < 0.5 else parts[chance.randrange(len(parts))]
    return b".".join(parts)


TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=("code", "Offer", "Request", "Enrolled", "Declined", "refused"),
    words=(b"gwe.", b"0123456789abcdef", b"A" * 43, "\u2028".encode(), "٣".encode(), b"\xc2\xa0"),
    mutated=mutated,
    bytes_max=20_000,
    short_runs=800,
)
