"""A serial line without hardware: two pseudo-terminals, and a thread that carries bytes across."""

import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# What happens to bytes on their way; None leaves them as they are.
Carry = Callable[[bytes], bytes]


@dataclass
class SerialLine:
    """The two ends of a line, as device files, and what happens between them."""

    master: str = ""  # Who asks opens this one.
    device: str = ""  # Who answers opens this one.
    to_device: Carry | None = None
    to_master: Carry | None = None
    carried: dict[str, int] = field(default_factory=lambda: {"to_device": 0, "to_master": 0})


@contextmanager
def serial_line() -> Iterator[SerialLine]:
    """Make a line; in the end nobody can open it any more."""
    ours, theirs = zip(os.openpty(), os.openpty(), strict=True)
    for end in theirs:
        tty.setraw(end)  # No echo, and no byte means anything.
    line = SerialLine(*map(os.ttyname, theirs))
    wake, stop = os.pipe()
    pump = threading.Thread(target=_pump, args=(line, ours, wake), daemon=True)
    pump.start()
    try:
        yield line
    finally:
        os.write(stop, b"x")
        pump.join(10.0)
        for end in (*ours, *theirs, wake, stop):
            os.close(end)


def _pump(line: SerialLine, ours: tuple[int, ...], wake: int) -> None:
    master, device = ours
    ways = {master: (device, "to_device"), device: (master, "to_master")}
    while True:
        ready, _, _ = select.select([*ways, wake], [], [])
        if wake in ready:
            return
        for end in ready:
            other, way = ways[end]
            content = os.read(end, 4096)
            line.carried[way] += len(content)
            carry: Carry | None = getattr(line, way)
            os.write(other, carry(content) if carry else content)
