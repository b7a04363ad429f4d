"""What a fault harness tells the processes that it starts; without a harness, nothing.

These variables are for `groundwatch faults` alone. They are read once, when a process starts.
"""

import os
from pathlib import Path
from typing import Final

FAILPOINT_FILE: Final = "GROUNDWATCH_FAILPOINT_FILE"
PLANTED_BUG: Final = "GROUNDWATCH_PLANTED_BUG"
HARNESS: Final = "GROUNDWATCH_FAULT_HARNESS"
TAKEN_LEDGER: Final = "GROUNDWATCH_TAKEN_LEDGER"


def failpoint_file() -> Path | None:
    """Name the file that arms this process (see `telemetry.failpoints`)."""
    name = os.environ.get(FAILPOINT_FILE)
    return None if name is None else Path(name)


def planted_bug() -> str | None:
    """Name the bug that is switched on (see `telemetry.planted`)."""
    return os.environ.get(PLANTED_BUG)


def runs_in_harness() -> bool:
    """Tell whether a fault harness has started this process."""
    return HARNESS in os.environ


def taken_ledger() -> Path | None:
    """Name the folder in which an edge writes down what it takes."""
    name = os.environ.get(TAKEN_LEDGER)
    return None if name is None else Path(name)
