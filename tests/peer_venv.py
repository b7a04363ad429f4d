"""Other people's Python libraries that cannot live beside ours: each in an environment of its own.

It is made once and kept in pytest's cache. Where the registry cannot be reached the test is
skipped, but on CI it fails: see `peers`.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from peers import absent

INSTALLS_WITHIN_S = 240


def peer_python(cache: pytest.Cache, requirement: str) -> Path:
    """Return the Python of an environment that holds one library, given as NAME==VERSION."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache.mkdir("peers") / f"{requirement.replace('==', '-')}-py{version}"
    python = folder / "bin" / "python"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Workers of one test run share it.
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder, python, requirement)
            (folder / "complete").touch()
    return python


def _install(folder: Path, python: Path, requirement: str) -> None:
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
    try:
        for command in ([sys.executable, "-m", "venv", folder], pip):
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=INSTALLS_WITHIN_S
            )
    except subprocess.CalledProcessError as error:
        absent(f"the peer {requirement} cannot be installed: {error.stderr.strip()[-300:]}")
    except subprocess.TimeoutExpired:
        absent(f"the peer {requirement} cannot be installed within {INSTALLS_WITHIN_S} s")
