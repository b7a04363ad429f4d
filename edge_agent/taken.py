"""The harness's ledger: what an edge has taken, written down outside the system under test.

Where the variable GROUNDWATCH_TAKEN_LEDGER names a folder, each edge process appends lines of
JSON to a file of its own there: what it is about to keep, that it is kept, what it was allowed
to release. A line is written at once, so it outlives the process, though not the machine.
"""

import json
import os
from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

from edge_agent.source import TakenScan
from telemetry.fault_settings import taken_ledger
from telemetry.ranges import Range


def _open() -> int | None:
    folder = taken_ledger()
    if folder is None:
        return None
    path = folder / f"{os.getpid()}-{uuid4().hex[:8]}.jsonl"
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


LEDGER: Final = _open()


def note_intended(scans: Sequence[TakenScan]) -> str | None:
    """Write down scans that are about to be kept; return the name of this keeping."""
    if LEDGER is None or not scans:
        return None
    name = uuid4().hex
    rows = [
        [scan.plan.key, scan.sampled_us, scan.raw.astype("<f8").tobytes().hex(),
         scan.quality.tolist()]
        for scan in scans
    ]  # fmt: skip
    _write({"intended": name, "scans": rows})
    return name


def note_kept(name: str | None) -> None:
    """Write down that they are in the spool."""
    if name is not None:
        _write({"kept": name})


def note_released(epoch: UUID, ranges: Sequence[Range]) -> None:
    """Write down what need not be kept any more."""
    if LEDGER is not None:
        _write({"released": str(epoch), "ranges": [list(one) for one in ranges]})


def _write(entry: dict[str, object]) -> None:
    assert LEDGER is not None
    os.write(LEDGER, (json.dumps(entry) + "\n").encode())
