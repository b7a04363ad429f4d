"""Other PostgreSQL servers than the one we bring, for the tests of the store.

The wheel of our server holds two majors, and Debian packages a third. A server here is a temporary
one, on a socket of its own, whose data nobody needs after a crash of the machine.
"""

import importlib.util
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo

from historian.server_places import PORT, WHEEL, remove_socket_directory, socket_directory
from historian.server_user import choose_user, hand_over, reachable_programs

ACCOUNT: Final = "groundwatch"
READY_WITHIN_S: Final = 60.0
# The files of tests/integration that a server of another major runs, too: all that is said to the
# store in SQL, and flushes, faults and recoveries on it. The rest would say the same again.
STORE_SUITE: Final = frozenset(
    {
        "test_actions",
        "test_api_latest",
        "test_back_test_recorded",
        "test_connection",
        "test_event_tier",
        "test_export",
        "test_ingest_delivery",
        "test_ingest_faults",
        "test_ingest_isolation",
        "test_ingest_recovery",
        "test_journal",
        "test_migration",
        "test_old_streams",
        "test_outbox",
        "test_reader",
        "test_readings_route",
        "test_recorded_flushes",
        "test_registry",
        "test_releases",
        "test_replay",
        "test_slow_tier",
        "test_streams",
        "test_writer",
    }
)


class NoServerError(Exception):
    """The machine has no PostgreSQL of this major; the message says where one comes from."""


def programs_of(major: str) -> Path:
    """Find the programs of a major: beside our own in the wheel, or from Debian's package."""
    package = importlib.util.find_spec(WHEEL)
    wheel = [Path(one) for one in (package.submodule_search_locations or [])] if package else []
    places = [
        place / name / "bin" for place in wheel for name in (f"pginstall{major}", "pginstall")
    ]
    for programs in [*places, Path("/usr/lib/postgresql") / major / "bin"]:
        if (programs / "postgres").exists() and _major_of(programs) == major:
            return programs
    raise NoServerError(
        f"No PostgreSQL {major} is installed: 16 and 18 come with the extra `server`, others with "
        f"Debian's package postgresql-{major}."
    )


@contextmanager
def running(major: str, folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run a server in a folder; the value connects to its maintenance database."""
    cluster = folder / "cluster"
    run_as = choose_user(cluster)
    if run_as.uid is not None:
        folder.chmod(0o711)
    programs = reachable_programs(programs_of(major), folder / "programs", run_as)
    cluster.mkdir(mode=0o700)
    hand_over(cluster, run_as)
    initdb = ("-D", str(cluster), "--username", ACCOUNT, "--encoding", "UTF8", "--locale", "C")
    trust = ("--auth-local", "trust", "--auth-host", "reject", "--no-sync")
    subprocess.run(
        [*run_as.prefix, str(programs / "initdb"), *initdb, *trust],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
        **run_as.popen_arguments(),  # type: ignore[call-overload]
    )
    sockets = socket_directory(folder, run_as)
    words = ["-D", str(cluster), "-k", str(sockets), "-p", str(PORT), "-clisten_addresses="]
    words += [f"-c{name}={value}" for name, value in settings.items()]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*run_as.prefix, str(programs / "postgres"), *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            **run_as.popen_arguments(),  # type: ignore[call-overload]
        )
    try:
        dsn = make_conninfo(host=str(sockets), port=PORT, user=ACCOUNT, dbname="postgres")
        _wait_until_ready(dsn, server, folder / "server.log")
        yield dsn
    finally:
        server.terminate()
        server.wait()
        remove_socket_directory(sockets)


def _major_of(programs: Path) -> str:
    told = subprocess.run([programs / "postgres", "--version"], capture_output=True, check=True)
    return told.stdout.decode().split()[2].split(".")[0]


def _wait_until_ready(dsn: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until_s = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            with psycopg.connect(dsn):
                return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until_s:
                raise RuntimeError(log.read_text(errors="replace")) from None
        try:
            server.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
