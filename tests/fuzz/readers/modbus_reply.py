"""Replies of Modbus devices, over TCP and RTU: no value that the bytes do not justify."""

import random
from collections.abc import Iterator

from fuzz.dice import Dice
from fuzz.target import Target
from modbus_fuzz import Tally, any_reply, decoded, justifies, mutated


def read(data: bytes) -> str:
    """Let the bytes throw: what is asked, what is answered, what becomes of it on the way."""
    chance, tally = Dice(data[1:]), Tally()
    as_rtu, is_whole = bool(data[:1] and data[0] & 1), data[:1] and data[0] & 6 == 0
    reply = any_reply(chance, as_rtu=as_rtu)
    sent = reply.frame if is_whole else mutated(reply, chance)
    values, outcome, came = decoded(reply, sent, chance)
    line = "rtu" if as_rtu else "tcp"
    tally.judge(reply, came, values, outcome)
    # Also the right values, if they came in an answer with something wrong about it.
    assert values is None or justifies(reply, came, values), (reply, came.hex(), values)
    assert not is_whole or values == reply.values(reply.data), "a right answer was refused"
    return f"{line} {outcome}"


def seeds() -> Iterator[bytes]:
    """By plain chance, until each outcome has come three times."""
    chance = random.Random(5)
    met = dict.fromkeys(OUTCOMES, 0)
    while min(met.values()) < 3:
        seed = bytes([chance.randrange(8)]) + chance.randbytes(chance.choice((24, 60, 400)))
        try:
            outcome = read(seed)
        except AssertionError:  # The run will tell of it.
            yield seed
            return
        met[outcome] += 1
        if met[outcome] <= 8:
            yield seed


OUTCOMES = tuple(
    f"{line} {what}"
    for line in ("tcp", "rtu")
    for what in ("answered", "refused", "exception", "waiting")
)
TARGET = Target(
    read=read,
    seeds=seeds,
    outcomes=OUTCOMES,
    bytes_max=1_024,
    short_runs=1500,
)
