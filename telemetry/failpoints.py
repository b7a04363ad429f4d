"""Failpoints: named places at which a fault harness lets a process end at once.

A process is armed when it starts: the variable GROUNDWATCH_FAILPOINT_FILE names a file that
holds `name` or `name:n`, and the process ends, as a power cut would end it, at the n-th passing.
It removes the file first, so that whoever restarts it gets a process that lives. Unset, a
passing costs one boolean test.
"""

import os
from pathlib import Path
from typing import Final

from telemetry.fault_settings import failpoint_file

EXIT_CODE: Final = 86  # No other end of a process has it.

EDGE: Final = (
    "edge_before_spool_commit",
    "edge_after_spool_commit",
    "edge_before_send",
    "edge_after_send",
    "edge_before_release",
)
INGEST: Final = (
    "ingest_received",
    "ingest_converted",
    "ingest_judged",
    "ingest_copied",
    "ingest_before_commit",
    "ingest_after_commit",
    "ingest_before_acknowledgement",
)
NOTIFY: Final = (
    "notify_claimed",
    "notify_before_send",
    "notify_after_send",
    "notify_after_mark",
)
NAMES: Final = (*EDGE, *INGEST, *NOTIFY)


class UnknownFailpointError(Exception):
    """The file names no failpoint of ours; the message says which there are."""


class Failpoint:
    """What one process is armed with."""

    def __init__(self, file: Path, text: str) -> None:
        name, _, number = text.strip().partition(":")
        if name not in NAMES or not (number or "1").isdigit():
            raise UnknownFailpointError(
                f"{file} holds {text.strip()!r}; write one of {', '.join(NAMES)}, and if need be "
                "a colon and at which passing"
            )
        self._file = file
        self._name = name
        self._left = int(number or 1)

    def passed(self, name: str) -> None:
        """End the process if this is the place and the passing."""
        if name != self._name:
            return
        self._left -= 1
        if self._left <= 0:
            self._file.unlink(missing_ok=True)
            os._exit(EXIT_CODE)


def _armed_with() -> Failpoint | None:
    file = failpoint_file()
    if file is None:
        return None
    try:
        text = file.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    return Failpoint(file, text)


ARMED: Final = _armed_with()


def passing(name: str) -> None:
    """Pass a failpoint: nothing happens unless this process is armed with it."""
    if ARMED is not None:
        ARMED.passed(name)
