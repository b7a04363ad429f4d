"""Who PostgreSQL runs as: itself where that is allowed, never root.

PostgreSQL refuses to run as root. For a normal user there is nothing to do. For root, the
server is put into a user namespace, where the same files belong to a number that is not 0;
nothing is created and no permission changes. Where the kernel or a container forbids that,
it runs as an unprivileged account, from a copy of the programs that this account can reach.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Accounts that own nothing of value, most fitting first; any other account will do too.
ACCOUNTS = ("postgres", "groundwatch", "nobody", "daemon")
NAMESPACE = ("unshare", "--user")
PROBE_TIMEOUT_S = 20.0


class NoUserError(Exception):
    """PostgreSQL cannot run as root, and there is no way to run it as anyone else."""


@dataclass(frozen=True, slots=True)
class RunAs:
    """How to start one of PostgreSQL's programs."""

    prefix: tuple[str, ...] = ()  # Words before the program's own.
    uid: int | None = None  # The account to change to; None: stay as we are.
    gid: int | None = None

    def popen_arguments(self) -> dict[str, int | list[int]]:
        """Keyword arguments for `subprocess` that change the account."""
        if self.uid is None or self.gid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def choose_user(cluster: Path) -> RunAs:
    """Decide how PostgreSQL is to run on a cluster's directory, which need not exist yet.

    The directory above it, that of our data, exists.
    """
    owner = cluster.stat() if cluster.exists() else cluster.parent.stat()
    if os.geteuid() != 0:
        if cluster.exists() and owner.st_uid != os.geteuid():
            raise NoUserError(
                f"The database in {cluster} belongs to the user {_name_of(owner.st_uid)}; "
                f"start Groundwatch as that user, or give another --data directory."
            )
        return RunAs()
    if owner.st_uid != 0:  # Made by a normal user, or in one of the other ways below.
        return RunAs(uid=owner.st_uid, gid=owner.st_gid)
    above = cluster.parent.parent
    for run_as in _ways_for_root(above):
        if _works(("test", "-x", str(above)), run_as):
            return run_as
    raise NoUserError(
        f"PostgreSQL may not run as root, and no other user may enter {above}. Give a --data "
        f"directory whose parents every user may enter, such as /var/lib/groundwatch; or start "
        f"Groundwatch as a normal user; or allow user namespaces (in a container: the unshare "
        f"system call)."
    )


def hand_over(directory: Path, run_as: RunAs) -> None:
    """Give a directory and all in it to the account that PostgreSQL runs as."""
    if run_as.uid is None or run_as.gid is None:
        return
    for path in (directory, *directory.rglob("*")):
        os.chown(path, run_as.uid, run_as.gid, follow_symlinks=False)


def reachable_programs(programs: Path, copies: Path, run_as: RunAs) -> Path:
    """Return a directory of programs that the account can run, copying them if it must.

    The wheel may lie below a directory that only root may enter, such as /root. Programs find
    their libraries and tables by their way through the wheel, so the copy keeps that way.
    """
    if run_as == RunAs() or _runs(programs, run_as):
        return programs
    programs = programs.resolve()
    package = programs.parent.parent
    copied = copies / package.name / programs.parent.name / programs.name
    if not _is_copy(copied / "postgres", programs / "postgres"):
        _copy_programs(programs, copies)
    if not _runs(copied, run_as):
        raise NoUserError(
            f"PostgreSQL's programs do not run from {copied} as an unprivileged user. Remove "
            f"{copies} and start again; they are copied there from the wheel."
        )
    return copied


def _copy_programs(programs: Path, copies: Path) -> None:
    """Copy what programs need: from the wheel, and what stands beside it for all its programs."""
    package = programs.parent.parent
    draft = copies.with_name(copies.name + ".draft")
    for old in (draft, copies):  # Our own copies, which may be of an older wheel.
        shutil.rmtree(old, ignore_errors=True)
    for part in ("bin", "lib", "share"):
        place = draft / package.name / programs.parent.name / part
        shutil.copytree(programs.parent / part, place, symlinks=True)
    for libraries in (package.with_name(package.name + ".libs"), package / ".dylibs"):
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.relative_to(package.parent))
    for directory in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
    draft.rename(copies)


def _is_copy(copied: Path, original: Path) -> bool:
    """Tell whether a file was copied from this one and not from an older version of it."""
    if not copied.exists():
        return False
    one, other = copied.stat(), original.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _ways_for_root(above: Path) -> Iterator[RunAs]:
    """Say how root can run PostgreSQL, best first."""
    account = _unprivileged_account()
    numbers = (f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}")
    yield RunAs(prefix=(*NAMESPACE, *numbers))
    # Below somebody's home (sudo), that user gets further than root without its powers.
    found = above.stat()
    if found.st_uid != 0:
        yield RunAs(uid=found.st_uid, gid=found.st_gid)
    yield RunAs(uid=account.pw_uid, gid=account.pw_gid)


def _unprivileged_account() -> pwd.struct_passwd:
    """Find an account that is not root; initdb insists on a name for the number it runs as."""
    accounts = {account.pw_name: account for account in pwd.getpwall() if account.pw_uid != 0}
    for name in (*ACCOUNTS, *accounts):
        if name in accounts:
            return accounts[name]
    raise NoUserError(
        "PostgreSQL may not run as root, and this machine has no other user account. "
        "Add one (useradd --system groundwatch), or give the address of a database with --dsn."
    )


def _runs(programs: Path, run_as: RunAs) -> bool:
    return _works((str(programs / "initdb"), "--version"), run_as)


def _works(command: tuple[str, ...], run_as: RunAs) -> bool:
    """Tell whether a command succeeds when it is run in this way."""
    try:
        done = subprocess.run(
            [*run_as.prefix, *command],
            check=False,
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            cwd="/",
            **run_as.popen_arguments(),  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return bool(done.returncode == 0)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
