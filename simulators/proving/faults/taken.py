"""The ledger of the edges, read: what they were about to keep, kept, and were let release."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Scan = tuple[str, int]  # Group and instant.


@dataclass(frozen=True, slots=True)
class Numbers:
    """What an edge took at one instant."""

    raw: bytes  # Little-endian doubles, by slot.
    quality: tuple[int, ...]


@dataclass(slots=True)
class Taken:
    """Everything that the edges wrote down.

    A process that dies while it keeps scans may have kept them or not: those are uncertain, and
    may be stored or be missing, but not twice and not differently.
    """

    intended: dict[Scan, list[Numbers]] = field(default_factory=dict)
    kept: set[Scan] = field(default_factory=set)
    released: list[tuple[str, int, int]] = field(default_factory=list)  # Epoch, first, last.


def read_taken(folder: Path) -> Taken:
    """Read the files of all edge processes; a line that was cut off says nothing."""
    taken = Taken()
    for path in sorted(folder.glob("*.jsonl")):
        by_name: dict[str, list[Scan]] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry: dict[str, Any] = json.loads(line)
            except json.JSONDecodeError:
                continue
            if "intended" in entry:
                by_name[entry["intended"]] = _intend(taken, entry["scans"])
            elif "kept" in entry:
                taken.kept.update(by_name[entry["kept"]])
            else:
                taken.released += [(entry["released"], *one) for one in entry["ranges"]]
    return taken


def _intend(taken: Taken, scans: list[Any]) -> list[Scan]:
    keys: list[Scan] = []
    for group, at_us, raw, quality in scans:
        numbers = Numbers(bytes.fromhex(raw), tuple(quality))
        versions = taken.intended.setdefault((group, at_us), [])
        if numbers not in versions:  # A disk that refused them is asked again.
            versions.append(numbers)
        keys.append((group, at_us))
    return keys
