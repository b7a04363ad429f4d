"""Tell a new user, in a sentence, why Groundwatch can't be installed here, and the remedy.

Runs with any Python 3 that is found, so it uses nothing newer than Python 3.6.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

NEEDED = (3, 11)
SPACE_MB = 1500


def complaint(venv: Path) -> "str | None":
    """Return the first thing that stands in the way, or None."""
    if sys.version_info < NEEDED:
        return (
            f"Groundwatch needs Python {NEEDED[0]}.{NEEDED[1]} or newer; the newest one found is "
            f"{sys.version.split()[0]} ({sys.executable}).\n"
            "Remedy: install a newer Python, or name one: make PYTHON=/path/to/python3.12 demo"
        )
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv as _venv  # noqa: F401, PLC0415
    except ImportError as error:
        return (
            f"This Python has no module '{error.name}', so no virtual environment can be made.\n"
            "Remedy: on Debian or Ubuntu 'apt install python3-venv', elsewhere the full Python."
        )
    folder = venv.resolve().parent
    try:
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError as error:
        return (
            f"The folder {folder} can't be written to ({error.strerror}).\n"
            "Remedy: clone Groundwatch into a folder of your own, or make this one yours."
        )
    if venv.is_dir() and not os.access(str(venv), os.W_OK):
        return (
            f"{venv} belongs to another user.\n"
            "Remedy: remove it, or clone Groundwatch into a folder of your own."
        )
    free_mb = shutil.disk_usage(str(folder)).free // 1_000_000
    if free_mb < SPACE_MB:
        return (
            f"Only {free_mb} MB are free in {folder}, and about {SPACE_MB} MB are needed.\n"
            "Remedy: make room, or clone Groundwatch onto another disk."
        )
    return None


if __name__ == "__main__":
    told = complaint(Path(sys.argv[1] if len(sys.argv) > 1 else ".venv"))
    if told:
        print(told, file=sys.stderr)
        sys.exit(1)
