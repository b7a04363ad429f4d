"""How often each outcome was met: lines in a file that stays whole however the process ends."""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

DIGITS: Final = 15


class Ledger:
    """Counts outcomes in a file that is mapped into memory."""

    def __init__(self, path: Path, outcomes: Sequence[str]) -> None:
        lines = [f"{0:{DIGITS}d} {outcome}\n".encode() for outcome in outcomes]
        path.write_bytes(b"".join(lines))
        begins = [sum(map(len, lines[:n])) for n in range(len(lines))]
        self._begins = dict(zip(outcomes, begins, strict=True))
        self._counts = dict.fromkeys(outcomes, 0)
        with path.open("r+b") as file:
            self._lines = mmap.mmap(file.fileno(), 0)

    def count(self, outcome: str) -> None:
        """Count one more."""
        self._counts[outcome] = count = self._counts[outcome] + 1
        begin = self._begins[outcome]
        self._lines[begin : begin + DIGITS] = b"%15d" % count


def read_ledger(path: Path) -> dict[str, int]:
    """Read what was counted; nothing, where nobody began."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line[DIGITS + 1 :]: int(line[:DIGITS]) for line in lines}
