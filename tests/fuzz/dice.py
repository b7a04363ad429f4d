"""Chance that is read from an input, so that the fuzzer learns which throw leads where."""

import random


class Dice(random.Random):
    """A generator whose numbers are the bytes of an input, and 0 once they are used up."""

    def __new__(cls, _data: bytes) -> "Dice":
        return super().__new__(cls)

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._data = data
        self._at = 0

    def getrandbits(self, k: int) -> int:
        count = (k + 7) // 8
        taken = self._data[self._at : self._at + count]
        self._at += count
        return int.from_bytes(taken.ljust(count, b"\0"), "big") >> (8 * count - k)

    def random(self) -> float:
        return self.getrandbits(16) / (1 << 16)
