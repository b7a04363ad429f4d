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
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from historian import server_settings
from historian.server_failure import explain
from historian.server_places import (
    MAJOR_VERSION,
    PORT,
    NoPlaceError,
    command_of,
    find_programs,
    lines_of,
    pid_in,
    remove_socket_directory,
    socket_directory,
    text_of,
    write_whole,
)
from historian.server_user import (
    NoUserError,
    RunAs,
    choose_user,
    hand_over,
    reachable_programs,
)
from telemetry.clock import real_monotonic_s

DATABASE = "groundwatch"
ACCOUNT = "groundwatch"  # Of the database, not of the machine.
FREE_BYTES_MIN = 256 * 1024 * 1024
# After a crash the log is read through before anyone may connect: minutes on a slow disk.
START_TIMEOUT_S = 900.0
STOP_TIMEOUT_S = 120.0
LOGGER_TIMEOUT_S = 2.0
POLL_S = 0.02


class EmbeddedError(Exception):
    """The embedded database cannot run; the message says what to do about it."""


class StartGivenUpError(EmbeddedError):
    """Whoever wanted the server does not want it any more."""


class EmbeddedPostgres:
    """The PostgreSQL that lives in a data directory."""

    def __init__(self, data: Path, settings: Mapping[str, str] | None = None) -> None:
        self._data = data.absolute()
        self._cluster = self._data / "postgres"
        self._lock_path = self._data / "postgres.lock"
        self._first_words = self._data / "postgres.log"
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None  # None also when found running.
        self._sockets: Path | None = None  # Of the server that we have started.
        self._log_sizes: dict[Path, int] = {}  # When the server was started.
        self._given_up = threading.Event()

    def start(self, timeout_s: float = START_TIMEOUT_S) -> str:
        """Start the server, or find it running; return how to connect to it."""
        deadline_s = real_monotonic_s() + timeout_s
        if self._process is not None and self._process.poll() is not None:
            self._process = (
                None  # It has died since; what is left of it is treated as a stranger's.
            )
        try:
            self._prepare_directory()
            dsn = None
            while dsn is None:
                with self._lock_path.open("a") as lock:
                    if _taken(lock.fileno()) and not self._runs_without_lock():
                        self._start_server(lock.fileno())
                dsn = self._wait_until_ready(deadline_s)
            _make_database(dsn)
            dsn = make_conninfo(dsn, dbname=DATABASE)
            write_whole(self._data / "dsn", dsn + "\n")
        except (NoUserError, NoPlaceError) as error:
            raise EmbeddedError(str(error)) from error
        except OSError as error:
            raise EmbeddedError(explain(str(error), self._data)) from error
        return dsn

    def give_up(self) -> None:
        """Let a start under way in another thread end soon, with StartGivenUpError.

        It may leave a server behind that is still starting, which `stop` stops.
        """
        self._given_up.set()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop the server: open transactions are rolled back, committed ones are safe."""
        if (pid := self.pid) is None:
            return
        sockets = {Path(line) for line in lines_of(self._cluster / "postmaster.pid")[4:5]}
        if self._sockets is not None:  # Which a server that is just starting has not noted yet.
            sockets.add(self._sockets)
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
        for directory in sockets:
            remove_socket_directory(directory)

    @property
    def pid(self) -> int | None:
        """The server's process number while it lives."""
        pid = pid_in(self._cluster / "postmaster.pid")
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

    def _start_server(self, lock: int) -> None:
        run_as = choose_user(self._cluster)
        if run_as.uid is not None:
            self._data.chmod(0o711)  # The account passes through to its cluster, no more.
        programs = reachable_programs(
            find_programs(), self._data / f"postgres-{MAJOR_VERSION}-programs", run_as
        )
        if not self._cluster.exists():
            self._initialise(programs, run_as)
        if run_as.uid is not None and self._cluster.stat().st_uid != run_as.uid:
            hand_over(self._cluster, run_as)
        settings = server_settings.settings_text(
            server_settings.machine_memory_bytes(), self._settings
        )
        write_whole(self._cluster / "groundwatch.conf", settings)
        hand_over(self._cluster / "groundwatch.conf", run_as)
        self._raise_if_given_up()
        sockets = self._sockets = socket_directory(self._data, run_as)
        self._put_aside_stale_files(sockets)
        self._log_sizes = {log: log.stat().st_size for log in self._logs()}
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

    def _wait_until_ready(self, deadline_s: float) -> str | None:
        """Wait until the server lets us in; None when it was just stopping when we found it."""
        while True:
            lines = lines_of(self._cluster / "postmaster.pid")
            if len(lines) >= 8 and lines[7].strip() == "ready" and self._is_of_this_start(lines):
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
            self._raise_if_given_up()
            self._raise_if_dead_or_late(deadline_s)
            self._pause()

    def _raise_if_given_up(self) -> None:
        if self._given_up.is_set():
            raise StartGivenUpError("PostgreSQL is not wanted any more while it starts.")

    def _raise_if_dead_or_late(self, deadline_s: float) -> None:
        if self._process is not None and self._process.poll() is not None:
            raise EmbeddedError(explain(self._last_words(), self._data))
        if real_monotonic_s() > deadline_s:
            raise EmbeddedError(
                f"PostgreSQL in {self._cluster} is not ready in time; after a crash it first reads "
                f"its log through, and goes on doing so. Try again later. " + self._last_words()
            )

    def _is_of_this_start(self, lines: list[str]) -> bool:
        """Tell whether a pid file was written by the server that we have just started, if any."""
        return self._process is None or lines[0].strip() == str(self._process.pid)

    def _last_words(self) -> str:
        """What the server has said since it was started."""
        with contextlib.suppress(TimeoutError):
            self._wait_for_logger()
        words = text_of(self._first_words)
        words += "".join(text_of(log)[self._log_sizes.get(log, 0) :] for log in self._logs())
        return words

    def _wait_for_logger(self) -> None:
        """Wait until the logger of a dead server has written what it still held."""
        deadline_s = real_monotonic_s() + LOGGER_TIMEOUT_S
        while self.pid is None and not self._nobody_lives():
            if real_monotonic_s() > deadline_s:
                raise TimeoutError
            threading.Event().wait(POLL_S)

    def _logs(self) -> list[Path]:
        logs = (self._cluster / "log").glob("*.log")
        return sorted(logs, key=lambda log: log.stat().st_mtime)

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
        pid = pid_in(self._cluster / "postmaster.pid")
        return pid is not None and self._serves_here(pid)

    def _serves_here(self, pid: int) -> bool:
        return str(self._cluster) in command_of(pid)

    def _put_aside_stale_files(self, sockets: Path) -> None:
        """Put aside what a server that has died left behind, though its number may live again.

        We hold the lock and no server runs here, so a number in these files now belongs to
        another program, or to a dead process nobody has asked for; PostgreSQL would believe it
        and refuse to start.
        """
        for stale in (self._cluster / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock"):
            if stale.exists():
                stale.replace(stale.with_name(stale.name + ".stale"))
        (sockets / f".s.PGSQL.{PORT}").unlink(missing_ok=True)


def _make_database(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        known = connection.execute("select 1 from pg_database where datname = %s", [DATABASE])
        if known.fetchone() is None:
            # Someone who starts at the same time may have been quicker, by a little or by less.
            quicker = (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)
            with contextlib.suppress(*quicker):
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))


def _taken(descriptor: int) -> bool:
    """Try to take a lock; False when someone else holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
