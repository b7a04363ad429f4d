"""Stamps that stand in a file more than once: a clock was set back, and both scans were measured.

Pure. A file whose stamps only rise, or only fall, repeats none, and nothing of it is remembered.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

Instants = NDArray[np.int64]


class StampOrder:
    """Whether a file's stamps only rise, or only fall, seen block by block."""

    def __init__(self) -> None:
        self._last_us: int | None = None
        self._rises = True
        self._falls = True

    def see(self, at_us: Instants) -> None:
        """Look at the next rows."""
        before = [] if self._last_us is None else [self._last_us]
        steps = np.diff(np.concatenate([np.array(before, np.int64), at_us]))
        self._rises &= bool((steps > 0).all())
        self._falls &= bool((steps < 0).all())
        if len(at_us):
            self._last_us = int(at_us[-1])

    @property
    def repeats_none(self) -> bool:
        """Whether no stamp can have come twice."""
        return self._rises or self._falls


def repeated_instants(at_us: Instants) -> Instants:
    """List the instants that stand more than once, ascending.

    >>> repeated_instants(np.array([3, 1, 3, 2])).tolist()
    [3]
    """
    instants, counts = np.unique(at_us, return_counts=True)
    return instants[counts > 1]


class Copies:
    """Counts, for each scan of a group, the equal ones of its instant that came before it."""

    def __init__(self, repeated_us: Instants) -> None:
        """Take the instants that stand more than once in the file."""
        self._repeated_us = repeated_us
        self._seen: Counter[tuple[int, bytes]] = Counter()

    def count(self, at_us: Instants, raw: NDArray[np.float64]) -> Instants:  # [scan]
        """Count the copies of the next scans of the file."""
        copies = np.zeros(len(at_us), np.int64)
        for n in np.flatnonzero(np.isin(at_us, self._repeated_us)).tolist():
            # Adding 0.0 makes the two zeros one.
            key = int(at_us[n]), (raw[n] + 0.0).tobytes()
            copies[n] = self._seen[key]
            self._seen[key] += 1
        return copies
