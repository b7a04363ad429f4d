"""Mutated Modbus replies against the edge's own decoding: no crash, no hang, no wrong value.

What can be told from a reply alone is defined here, and written anew, not taken from the edge:

- Modbus TCP has no checksum of its own. A reply is an answer only if transaction, protocol, length,
  unit, function and byte count are those of the question and nothing stands behind it. So every
  mutation is found that touches more than the bits of the values; those, TCP's checksum guards.
- RTU adds the CRC. So every mutation is found but those that give another right CRC, which a
  random one does once in 65,536 times: they are counted, and are as rare as that.

Run as a script: `python tests/modbus_fuzz.py [COUNT] [SEED]`; COUNT is a million by default.
"""

import random
import struct
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from pymodbus.pdu import DecodePDU, ExceptionResponse

from edge_agent.framing import (
    Question,
    StrictRtuFramer,
    StrictSocketFramer,
    WrongAnswer,
    values_in,
)
from edge_agent.registers import Stretch
from telemetry.clock import real_monotonic_s

TABLES = ("coil", "discrete", "holding", "input")
FUNCTION = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


def crc(content: bytes) -> bytes:
    """The CRC of a serial line, bit by bit as the specification has it."""
    register = 0xFFFF
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return register.to_bytes(2, "little")


@dataclass(frozen=True)
class Reply:
    """A right answer, and the question that it answers."""

    stretch: Stretch
    unit: int
    transaction: int
    data: bytes
    as_rtu: bool

    @property
    def head(self) -> bytes:
        """Everything before the values."""
        head = bytes([self.unit, FUNCTION[self.stretch.table], len(self.data)])
        length = len(head) + len(self.data)
        return head if self.as_rtu else struct.pack(">HHH", self.transaction, 0, length) + head

    @property
    def frame(self) -> bytes:
        """The whole answer."""
        whole = self.head + self.data
        return whole + crc(whole) if self.as_rtu else whole

    def values(self, data: bytes) -> list[int]:
        """What these bytes say, read on their own."""
        if self.stretch.is_of_bits:
            return [data[n // 8] >> n % 8 & 1 for n in range(self.stretch.words)]
        return [data[n] << 8 | data[n + 1] for n in range(0, len(data), 2)]


def any_reply(chance: random.Random, *, as_rtu: bool) -> Reply:
    """Make a question and its answer; short ones more often than long ones."""
    table = chance.choice(TABLES)
    is_bits = table in {"coil", "discrete"}
    words = 1 + int(chance.random() ** 3 * (1999 if is_bits else 124))
    data = chance.randbytes((words + 7) // 8 if is_bits else 2 * words)
    stretch = Stretch(table, chance.randrange(1000), words)
    return Reply(stretch, chance.randint(1, 247), chance.randint(1, 65_000), data, as_rtu)


def flip(frame: bytes, chance: random.Random) -> bytes:
    bits = bytearray(frame)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 12))):
        bits[chance.randrange(len(bits))] ^= 1 << chance.randrange(8)
    return bytes(bits)


def flip_head(frame: bytes, chance: random.Random) -> bytes:
    bits = bytearray(frame)
    bits[chance.randrange(min(9, len(bits)))] = chance.randrange(256)
    return bytes(bits)


def truncate(frame: bytes, chance: random.Random) -> bytes:
    return frame[: chance.randrange(len(frame))]


def insert(frame: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(frame))
    return frame[:at] + chance.randbytes(chance.randint(1, 6)) + frame[at:]


def delete(frame: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(frame))
    return frame[:at] + frame[at + chance.randint(1, 4) :]


def repeat(frame: bytes, _chance: random.Random) -> bytes:
    return frame + frame


Mutation = Callable[[bytes, random.Random], bytes]
ON_FRAMES: tuple[Mutation, ...] = (flip, flip_head, truncate, insert, delete, repeat)


def mutated(reply: Reply, chance: random.Random) -> bytes:
    """A reply with something wrong about it, with a checksum that is right more often than not."""
    other = any_reply(chance, as_rtu=reply.as_rtu)
    kind = chance.randrange(12)
    if kind < 6:
        return ON_FRAMES[kind](reply.frame, chance)
    if kind == 6:  # Spliced from two.
        return (
            reply.frame[: chance.randrange(len(reply.frame))]
            + other.frame[chance.randrange(len(other.frame)) :]
        )
    if kind == 7:  # Somebody else's whole answer, before ours or instead of it.
        return other.frame + (reply.frame if chance.random() < 0.5 else b"")
    if kind == 8:  # An exception, perhaps of another function.
        code = bytes([reply.unit, 0x80 | chance.randint(1, 6), chance.randrange(256)])
        return _framed(reply, code)
    if kind == 9:  # Noise.
        return chance.randbytes(chance.randint(1, 300))
    head = bytearray([reply.unit, FUNCTION[reply.stretch.table], len(reply.data)])
    head[chance.randrange(3)] = chance.randrange(256)
    data = reply.data if kind == 10 else reply.data + chance.randbytes(chance.randint(1, 4))
    return _framed(reply, bytes(head) + data)


def _framed(reply: Reply, body: bytes) -> bytes:
    if reply.as_rtu:
        return body + crc(body)
    return struct.pack(">HHH", reply.transaction, 0, len(body)) + body


@dataclass
class Tally:
    """What came of all replies."""

    outcomes: Counter[str] = field(default_factory=Counter)
    # Other values than were sent, with everything right that can be checked, by line.
    beyond: Counter[str] = field(default_factory=Counter)

    def judge(self, reply: Reply, sent: bytes, values: list[int] | None, outcome: str) -> None:
        """Take a result in; a value that nothing justifies ends everything."""
        self.outcomes[outcome] += 1
        if values is None or values == reply.values(reply.data):
            return
        assert justifies(reply, sent, values), (reply, sent.hex(), values)
        self.beyond["rtu" if reply.as_rtu else "tcp"] += 1


def justifies(reply: Reply, sent: bytes, values: list[int]) -> bool:
    """Whether what was sent holds these values in an answer with everything right about it."""
    size = len(reply.frame)
    for at in range(len(sent) - size + 1 if reply.as_rtu else 1):
        frame = sent[at : at + size]
        data = frame[len(reply.head) : len(reply.head) + len(reply.data)]
        is_right = frame.startswith(reply.head) and reply.values(data) == values
        if is_right and (frame[-2:] == crc(frame[:-2]) if reply.as_rtu else len(sent) == size):
            return True
    return False


def decoded(
    reply: Reply, sent: bytes, chance: random.Random
) -> tuple[list[int] | None, str, bytes]:
    """Hand bytes to the edge's framer as they arrive, in pieces, and take what it makes of them.

    Returned are the values, what came of it, and the bytes that had come by then: what comes
    after an answer is too late for it, and makes the edge open another connection.
    """
    framer = (StrictRtuFramer if reply.as_rtu else StrictSocketFramer)(DecodePDU(False))
    framer.ask(Question.about(reply.stretch, reply.unit))
    transaction = 0 if reply.as_rtu else reply.transaction
    cuts = sorted(chance.randrange(len(sent) + 1) for _ in range(chance.choice((0, 0, 1, 3))))
    buffered = b""
    for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        buffered += sent[begin:end]
        used, answer = framer.handleFrame(buffered, reply.unit, transaction)
        assert 0 <= used <= len(buffered)
        buffered = buffered[used:]
        if answer is None:
            continue
        if isinstance(answer, WrongAnswer):
            return None, "refused", sent[:end]
        if isinstance(answer, ExceptionResponse):
            return None, "exception", sent[:end]
        values = values_in(answer, reply.stretch)
        assert values is not None
        return values.tolist(), "answered", sent[:end]
    return None, "waiting", sent


def fuzz(count: int, seed: int) -> Tally:
    """Try so many replies, half of them on a serial line; every run with a seed is the same."""
    chance = random.Random(seed)
    tally = Tally()
    for number in range(count):
        reply = any_reply(chance, as_rtu=number % 2 == 0)
        sent = reply.frame if number % 16 < 2 else mutated(reply, chance)
        values, outcome, came = decoded(reply, sent, chance)
        tally.judge(reply, came, values, f"{'rtu' if reply.as_rtu else 'tcp'} {outcome}")
        assert number % 16 >= 2 or values == reply.values(reply.data), "a right answer was refused"
    return tally


def main() -> None:
    count, seed = ([int(word) for word in sys.argv[1:]] + [1_000_000, 1][len(sys.argv) - 1 :])[:2]
    began_s = real_monotonic_s()
    tally = fuzz(count, seed)
    told = ", ".join(f"{what}: {n}" for what, n in sorted(tally.outcomes.items()))
    sys.stdout.write(
        f"{count} replies of seed {seed} in {real_monotonic_s() - began_s:.0f} s: {told}.\n"
        "Values that nothing in a reply justifies: 0. Damaged values in replies that are right by "
        f"every check there is: {tally.beyond['rtu']} (RTU, with another right CRC), "
        f"{tally.beyond['tcp']} (TCP, which has no checksum of its own).\n"
    )


if __name__ == "__main__":
    main()
