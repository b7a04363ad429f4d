"""How often somebody may be wrong: limits for codes that are tried out, per address and in all.

Pure: the instant is an argument. A code has 160 random bits, so this is not what keeps it safe; it
keeps the database quiet, and tells that somebody is trying. It bars nobody but those who enrol:
edges that are enrolled already do not come by here.
"""

from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 600.0
OF_ADDRESS_MAX = 5
OF_ALL_MAX = 50
PILED_UP = 5  # So many wrong codes in a window are an alarm, from one address or from several.


@dataclass(slots=True)
class Attempts:
    """The wrong attempts of the last minutes, oldest first."""

    _wrong: deque[tuple[float, str]] = field(default_factory=deque)  # When, and from where.
    _told_s: float = float("-inf")

    def may_try(self, address: str, now_s: float) -> bool:
        """Tell whether somebody may try now."""
        self._forget(now_s)
        of_address = sum(one == address for _, one in self._wrong)
        return of_address < OF_ADDRESS_MAX and len(self._wrong) < OF_ALL_MAX

    def was_wrong(self, address: str, now_s: float) -> bool:
        """Note a wrong attempt; tell whether they have piled up, once in a window."""
        self._forget(now_s)
        self._wrong.append((now_s, address))
        if len(self._wrong) < PILED_UP or now_s - self._told_s < WINDOW_S:
            return False
        self._told_s = now_s
        return True

    def count(self, now_s: float) -> int:
        """Return how many were wrong lately."""
        self._forget(now_s)
        return len(self._wrong)

    def _forget(self, now_s: float) -> None:
        while self._wrong and now_s - self._wrong[0][0] >= WINDOW_S:
            self._wrong.popleft()
