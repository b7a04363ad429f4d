"""What is wrong with a file, and where: one sentence for the person who wrote it."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

LISTED_MAX = 40  # A complaint is read by a person, and there may be thousands of them.


def listed(words: Collection[object]) -> str:
    """Name what is allowed, but not all of very much.

    >>> listed(["a", "b"]), listed(range(1000))[-21:]
    ('a, b', '38, 39 and 960 others')
    """
    more = len(words) - LISTED_MAX
    shown = ", ".join(str(one) for one in islice(words, LISTED_MAX))
    return f"{shown} and {more} others" if more > 0 else shown


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """One thing that is wrong in a file, its place, and what would be right."""

    file: str
    line: int  # From 1; 0 where the file as a whole is meant.
    column: int
    where: str  # Dotted: "structures.north-dam.stations.section-1"; empty for the whole file.
    message: str
    allowed: str

    def __str__(self) -> str:
        """Say everything in one line, in the form that editors turn into a link."""
        where = f"{self.where}: " if self.where else ""
        allowed = f" (allowed: {self.allowed})" if self.allowed else ""
        text = f"{self.file}:{self.line}:{self.column}: {where}{self.message}{allowed}"
        # What the file holds is shown, but may not move a terminal's cursor or begin a new line.
        return "".join(
            one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in text
        )
