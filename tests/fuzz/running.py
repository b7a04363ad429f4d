"""Runs of targets in processes of their own: how far they go, and what came of them."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.ledger import read_ledger
from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[2]
ONE: Final = "tests/fuzz/run_one.py"
TIMEOUT_S: Final = 10  # For one input; the largest site file that is tried takes 0.2 s.
MEMORY_MIB: Final = 1_024
# Some comparisons leak a little memory in atheris, so a process ends and another goes on.
LAP_S: Final = 600
KINDS: Final = ("crash", "timeout", "oom", "leak")
_STATUS: Final = re.compile(r"^#(\d+)\s.*?\bcov: (\d+)", re.MULTILINE)
_EXCEPTION: Final = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of running a target."""

    name: str
    runs: int
    edges: int  # Of our code, that were reached.
    met: dict[str, int]
    found: tuple[Path, ...]
    log: str

    @property
    def is_whole(self) -> bool:
        """Whether libFuzzer came to its end and found nothing."""
        return not self.found and "\nDone " in self.log

    @property
    def unmet(self) -> list[str]:
        """What it never came to; whoever is refused each time has only fuzzed the door."""
        return [what for what, count in self.met.items() if not count]

    def line(self, took_s: float) -> str:
        """Say it in one line."""
        rate = self.runs / max(took_s, 1e-3)
        met = ", ".join(f"{what} {count}" for what, count in self.met.items())
        said = "nothing found" if self.is_whole else f"{len(self.found)} FOUND"
        said = said if self.found or self.is_whole else "ENDED EARLY"
        figures = f"{self.runs:>9} runs {rate:>6.0f}/s {self.edges:>5} edges"
        return f"{self.name:14} {figures}  {said}  ({met})"

    def again(self) -> str:
        """Show what was found, and say how it is found again."""
        shown = self.log[max(self.log.find(_EXCEPTION), 0) :][-4_000:]
        python = os.path.relpath(sys.executable)
        commands = [
            f"Again: PYTHONPATH=.:tests {python} {ONE} {self.name} {os.path.relpath(path)}"
            for path in self.found
        ]
        return "\n".join([shown, *commands])


def why_not(machine: Mapping[str, str] | None = None) -> str | None:
    """Say why atheris is not here; None where it has a wheel, so that it must be here."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = map(Requirement, settings["dependency-groups"]["dev"])
    marker = next(one.marker for one in wanted if one.name == "atheris")
    if marker is None or marker.evaluate(dict(machine or {})):
        return None
    return f"atheris has no wheel for this machine and Python ({marker}): NOTHING IS FUZZED WITH IT"


def run_for(name: str, folder: Path, seconds: int) -> Outcome:
    """Run a target for some seconds, each time from another seed; its corpus grows."""
    laps: list[Outcome] = []
    while seconds > 0 and all(one.is_whole for one in laps):
        laps += run([name], folder, [f"-max_total_time={min(seconds, LAP_S)}"])
        seconds -= LAP_S
    met = {what: sum(one.met.get(what, 0) for one in laps) for what in laps[-1].met}
    runs, edges = sum(one.runs for one in laps), max(one.edges for one in laps)
    return Outcome(name, runs, edges, met, laps[-1].found, laps[-1].log)


def run_shortly(names: Sequence[str], folder: Path) -> list[Outcome]:
    """Run targets for so many inputs as each says itself, the same ones every time."""
    return run(names, folder, ["--short", "-seed=1"])


def run(
    names: Sequence[str], folder: Path, options: Sequence[str], *, memory_mib: int = MEMORY_MIB
) -> list[Outcome]:
    """Run targets with further options of libFuzzer."""
    before = set(folder.glob("findings/*"))
    bounds = [f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={memory_mib}"]
    words = [",".join(names), f"--folder={folder}", *bounds, *options]
    done = subprocess.run(
        [sys.executable, str(ROOT / ONE), *words],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
    )
    new = sorted(set(folder.glob("findings/*")) - before)
    return [_outcome(name, folder, new, done.stderr) for name in names]


def environment() -> dict[str, str]:
    """Words are hashed alike in every process, so that a seed gives the same run again."""
    rooms = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    return {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": rooms}


def _outcome(name: str, folder: Path, new: Sequence[Path], said: bytes) -> Outcome:
    path = folder / f"{name}.log"
    log = path.read_text("utf-8", "replace") if path.exists() else said.decode("utf-8", "replace")
    status = [(int(count), int(cov)) for count, cov in _STATUS.findall(log)] or [(0, 0)]
    begins = tuple(f"{name}-{kind}-" for kind in KINDS)
    return Outcome(
        name=name,
        runs=status[-1][0],
        edges=max(edges for _, edges in status),
        met=read_ledger(folder / f"{name}.ledger"),
        found=tuple(one for one in new if one.name.startswith(begins)),
        log=log,
    )
