"""How much of a processor each process uses, by what the system says of it (Linux)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from telemetry.clock import real_monotonic_s

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """What groups of processes had used up at an instant."""

    at_s: float
    used_s: Mapping[str, float]  # By the name of the group.


def cpu_times(groups: Mapping[str, Sequence[int]]) -> CpuTimes:
    """Read what each group of processes has used so far."""
    used = {name: sum(map(_used_s, ids)) for name, ids in groups.items()}
    return CpuTimes(real_monotonic_s(), used)


def cores_between(before: CpuTimes, after: CpuTimes) -> dict[str, float]:
    """Say how many processors each group kept busy between two readings."""
    passed_s = after.at_s - before.at_s
    return {
        name: round((after.used_s[name] - used_s) / passed_s, 3)
        for name, used_s in before.used_s.items()
    }


def command_of(process_id: int) -> str:
    """The command line of a process; empty when it has ended."""
    try:
        words = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return " ".join(word.decode(errors="replace") for word in words)


def _used_s(process_id: int) -> float:
    """Time in user and system mode, of the process and of its children that have ended."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = text.rpartition(")")[2].split()  # A name may hold blanks; what follows does not.
    return sum(map(int, fields[11:15])) / TICKS_A_SECOND
