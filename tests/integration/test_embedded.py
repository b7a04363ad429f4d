"""The embedded PostgreSQL: it starts, is found again after any kill, and keeps what it promised."""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from historian import embedded, server_places, server_user
from historian.embedded import EmbeddedError, EmbeddedPostgres, StartGivenUpError
from historian.server_places import find_programs

ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
ONLY_USER = pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that has been used and stopped; making one takes longer than a test."""
    directory = tmp_path_factory.mktemp("made") / "data"
    server = EmbeddedPostgres(directory)
    server.start()
    server.stop()
    return directory


@pytest.fixture
def new_data(tmp_path: Path) -> Iterator[Path]:
    """A data directory that does not exist yet; whatever runs in it is stopped in the end."""
    directory = tmp_path / "data"
    yield directory
    if (directory / "postgres" / "postmaster.pid").exists():
        EmbeddedPostgres(directory).stop()


@pytest.fixture
def data(new_data: Path, made: Path) -> Path:
    """A data directory that has been used before."""
    shutil.copytree(made, new_data)
    return new_data


def ask(dsn: str, question: str) -> str:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return str(row[0])


def remember(dsn: str, word: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("create table if not exists remembered (word text)")
        connection.execute("insert into remembered values (%s)", [word])


def test_first_start_stop_and_start_again(new_data: Path) -> None:
    server = EmbeddedPostgres(new_data)
    dsn = server.start()
    remember(dsn, "kept")

    assert (new_data / "dsn").read_text().strip() == dsn
    expected = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "jit": "off",
        "TimeZone": "UTC",
        "server_encoding": "UTF8",
    }
    assert {name: ask(dsn, f"show {name}") for name in expected} == expected
    assert ask(dsn, "select datlocprovider from pg_database where datname = 'groundwatch'") == "b"

    server.stop()
    assert server.pid is None
    assert not Path(str(conninfo_to_dict(dsn)["host"])).exists()
    with pytest.raises(psycopg.OperationalError):
        ask(dsn, "select 1")

    assert server.start() == dsn
    assert ask(dsn, "select word from remembered") == "kept"
    server.stop()


def test_only_we_can_reach_the_socket(data: Path) -> None:
    server = EmbeddedPostgres(data)
    sockets = Path(str(conninfo_to_dict(server.start())["host"]))

    assert sockets.stat().st_mode & 0o777 == 0o700
    assert sockets.stat().st_uid == os.geteuid()
    assert (data / "postgres").stat().st_mode & 0o077 == 0
    server.stop()


def test_a_running_server_is_found(data: Path) -> None:
    first, second = EmbeddedPostgres(data), EmbeddedPostgres(data)
    dsn = first.start()

    assert second.start() == dsn
    assert second.pid == first.pid is not None

    second.stop()
    assert first.pid is None


def test_the_lock_lives_as_long_as_the_server(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    with (data / "postgres.lock").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        server.stop()
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_many_starts_at_once_make_one_server(new_data: Path) -> None:
    servers = [EmbeddedPostgres(new_data) for _ in range(4)]
    with ThreadPoolExecutor(len(servers)) as pool:
        addresses = set(pool.map(EmbeddedPostgres.start, servers))

    assert len(addresses) == 1
    assert len({server.pid for server in servers}) == 1
    for server in servers:  # Whichever of them is the parent hears of the end.
        server.stop()


STARTS_AND_WAITS = """
import sys
from pathlib import Path
from historian.embedded import EmbeddedPostgres
print(EmbeddedPostgres(Path(sys.argv[1])).start(), flush=True)
sys.stdin.read()
"""


def test_the_server_survives_whoever_started_it(data: Path) -> None:
    command = [sys.executable, "-c", STARTS_AND_WAITS, str(data)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        dsn = starter.stdout.readline().strip()
        remember(dsn, "before the kill")
        started = ask(dsn, "select pg_postmaster_start_time()")
        starter.kill()

    server = EmbeddedPostgres(data)
    assert server.start() == dsn
    assert ask(dsn, "select pg_postmaster_start_time()") == started
    assert ask(dsn, "select word from remembered") == "before the kill"
    server.stop()


def test_committed_rows_survive_a_killed_server(data: Path) -> None:
    server = EmbeddedPostgres(data)
    dsn = server.start()
    remember(dsn, "committed")
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    again = EmbeddedPostgres(data)

    assert again.start() == dsn
    assert server.pid == again.pid != pid
    assert ask(dsn, "select word from remembered") == "committed"
    again.stop()


def test_a_killed_server_is_started_again_by_whoever_started_it(data: Path) -> None:
    server = EmbeddedPostgres(data)
    dsn = server.start()
    remember(dsn, "committed")
    pid = server.pid
    assert pid is not None
    with closing(psycopg.connect(dsn)) as busy:
        busy.execute("select 1")  # The process that serves it outlives the first one a little.
        os.kill(pid, signal.SIGKILL)
        while server.pid is not None:
            pass

        assert server.start() == dsn

    assert server.pid not in (None, pid)
    assert ask(dsn, "select word from remembered") == "committed"
    server.stop()


def test_a_start_that_nobody_wants_any_more_ends_and_leaves_nothing(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.give_up()

    with pytest.raises(StartGivenUpError):
        server.start()
    server.stop()

    assert not (data / "postgres" / "postmaster.pid").exists()


def test_a_pid_that_has_been_given_to_another_program_misleads_nobody(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    pid_file = data / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    server.stop()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:], ""]))

    assert ask(server.start(), "select 1") == "1"
    server.stop()


def test_half_made_clusters_are_made_again(new_data: Path) -> None:
    draft = new_data / "postgres.draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")

    server = EmbeddedPostgres(new_data)
    assert ask(server.start(), "select 1") == "1"
    assert not draft.exists()
    server.stop()


def test_settings_of_ones_own_win(data: Path) -> None:
    server = EmbeddedPostgres(data, settings={"work_mem": "5MB"})
    dsn = server.start()
    assert ask(dsn, "show work_mem") == "5MB"
    server.stop()
    with (data / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("work_mem = 7MB\n")

    assert ask(server.start(), "show work_mem") == "7MB"
    server.stop()


def test_another_major_version_is_refused(new_data: Path) -> None:
    (new_data / "postgres").mkdir(parents=True)
    (new_data / "postgres" / "PG_VERSION").write_text("16\n")

    with pytest.raises(EmbeddedError, match=r"written by PostgreSQL 16.*Dump it") as refused:
        EmbeddedPostgres(new_data).start()
    assert str(new_data) in str(refused.value)


def test_a_directory_with_something_else_is_left_alone(new_data: Path) -> None:
    (new_data / "postgres").mkdir(parents=True)
    (new_data / "postgres" / "thesis.odt").write_text("years of work")

    with pytest.raises(EmbeddedError, match="holds no database"):
        EmbeddedPostgres(new_data).start()
    assert (new_data / "postgres" / "thesis.odt").read_text() == "years of work"


def test_a_mistake_in_the_configuration_is_named(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    server.stop()
    with (data / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("max_conections = 5\n")

    with pytest.raises(EmbeddedError, match=r"(?s)has a mistake.*max_conections"):
        server.start()


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedError, match="is a file"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_a_full_disk_is_named(new_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "FREE_BYTES_MIN", 1 << 62)
    with pytest.raises(EmbeddedError, match=r"MB are free .* Free some space"):
        EmbeddedPostgres(new_data).start()


def test_without_the_wheel_there_is_a_remedy(
    new_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (find_programs() / "initdb").exists()
    monkeypatch.setattr(server_places, "WHEEL", "no_such_wheel")
    with pytest.raises(EmbeddedError, match="--dsn"):
        EmbeddedPostgres(new_data).start()


def test_a_long_temporary_directory_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    server = EmbeddedPostgres(deep / "data")

    assert ask(server.start(), "select 1") == "1"
    server.stop()


@ONLY_USER
def test_a_directory_that_is_not_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o500)
    with pytest.raises(EmbeddedError, match="may not use"):
        EmbeddedPostgres(tmp_path / "theirs" / "data").start()


@pytest.fixture
def open_data() -> Iterator[Path]:
    """A data directory that every user may reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        yield Path(parent) / "data"


@ONLY_ROOT
def test_without_user_namespaces_an_unprivileged_user_runs_the_server(
    open_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = open_data.parent / "private"  # The wheel in a place that only root may enter.
    private.mkdir(mode=0o700)
    (private / "install").symlink_to(find_programs().parent)
    monkeypatch.setattr(embedded, "find_programs", lambda: private / "install" / "bin")
    monkeypatch.setattr(server_user, "NAMESPACE", ("false",))
    server = EmbeddedPostgres(open_data)

    dsn = server.start()
    remember(dsn, "kept")
    assert server.pid is not None
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    assert Path(f"/proc/{server.pid}/exe").resolve().is_relative_to(open_data)
    assert EmbeddedPostgres(open_data).start() == dsn
    server.stop()

    # The cluster belongs to that user now, and stays with it where namespaces work again.
    monkeypatch.undo()
    again = EmbeddedPostgres(open_data)
    assert ask(again.start(), "select word from remembered") == "kept"
    again.stop()


@ONLY_ROOT
def test_a_cluster_made_in_a_namespace_goes_on_without_one(
    open_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(open_data)
    remember(server.start(), "kept")
    server.stop()
    monkeypatch.setattr(server_user, "NAMESPACE", ("false",))

    assert ask(server.start(), "select word from remembered") == "kept"
    server.stop()


@ONLY_ROOT
def test_root_without_any_way_is_told_what_to_do(
    new_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_user, "NAMESPACE", ("false",))
    new_data.mkdir()
    new_data.parent.chmod(0o700)
    with pytest.raises(EmbeddedError, match=r"whose parents every user may enter"):
        EmbeddedPostgres(new_data).start()


@ONLY_ROOT
def test_below_a_home_that_root_without_its_powers_may_not_enter(open_data: Path) -> None:
    home = open_data.parent / "home"
    home.mkdir(mode=0o700)
    account = next(one for one in pwd.getpwall() if one.pw_uid != 0)
    os.chown(home, account.pw_uid, account.pw_gid)
    server = EmbeddedPostgres(home / "data")

    assert ask(server.start(), "select 1") == "1"
    assert (home / "data" / "postgres").stat().st_uid == account.pw_uid
    server.stop()
