"""Fuzz every reader: the million mutated Modbus replies, then each target for some seconds.

`python tests/fuzz/run_all.py [--seconds N] [--folder FOLDER] [NAME…]`, with `million` among the
names. Exit code 1 when something was found; what was found stays in FOLDER/findings.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from fuzz.running import ROOT, environment, run_for, why_not
from fuzz.target import NAMES

from telemetry.clock import real_monotonic_s

MILLION = "million"


def main() -> int:
    words = argparse.ArgumentParser(description="Fuzz every reader.")
    words.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    words.add_argument("--folder", type=Path, default=ROOT / ".fuzz", help="of corpus and findings")
    words.add_argument("names", nargs="*", metavar="NAME", help=", ".join((MILLION, *NAMES)))
    given = words.parse_args()
    chosen = given.names or [MILLION, *NAMES]
    unknown = sorted(set(chosen) - {MILLION, *NAMES})
    if unknown or given.seconds < 1:
        words.error(f"--seconds from 1; no target is called {', '.join(unknown) or 'otherwise'}")
    is_good = MILLION not in chosen or million()
    for name in NAMES:
        if name in chosen:
            is_good &= target(name, given.folder.resolve(), given.seconds)
    return 0 if is_good else 1


def million() -> bool:
    """A million mutated Modbus replies by plain chance."""
    script = ROOT / "tests" / "modbus_fuzz.py"
    done = subprocess.run([sys.executable, str(script)], cwd=ROOT, env=environment(), check=False)
    return done.returncode == 0


def target(name: str, folder: Path, seconds: int) -> bool:
    if (reason := why_not()) is not None:
        say(f"{name:14} skipped: {reason}")
        return True
    began_s = real_monotonic_s()
    outcome = run_for(name, folder, seconds)
    say(outcome.line(real_monotonic_s() - began_s))
    if outcome.unmet:
        say(f"{'':14} never came to: {', '.join(outcome.unmet)}")
    if not outcome.is_whole:
        say(outcome.again())
    return outcome.is_whole


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
