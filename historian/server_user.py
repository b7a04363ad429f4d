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
    """Decide how PostgreSQL is to run on a cluster's directory, which need not exist yet."""
    owner = cluster.stat().st_uid if cluster.exists() else os.geteuid()
    if os.geteuid() != 0:
        if owner != os.geteuid():
            raise NoUserError(
                f"The database in {cluster} belongs to the user {_name_of(owner)}; "
                f"start Groundwatch as that user, or give another --data directory."
            )
        return RunAs()
    if owner != 0:  # It was made by a normal user, or by the second way below: stay with it.
        return RunAs(uid=owner, gid=cluster.stat().st_gid)
    account = _unprivileged_account()
    namespace = (*NAMESPACE, f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}")
    if _works(namespace):
        return RunAs(prefix=namespace)
    return RunAs(uid=account.pw_uid, gid=account.pw_gid)


def hand_over(directory: Path, run_as: RunAs) -> None:
    """Give a directory and all in it to the account that PostgreSQL runs as."""
    if run_as.uid is None or run_as.gid is None:
        return
    for path in (directory, *directory.rglob("*")):
        os.chown(path, run_as.uid, run_as.gid, follow_symlinks=False)


def refuse_unreachable(data: Path, run_as: RunAs) -> None:
    """Refuse a data directory that the account cannot reach from the root directory down."""
    if run_as.uid is None or _works(("test", "-x", str(data)), run_as):
        return
    raise NoUserError(
        f"PostgreSQL may not run as root, and the user {_name_of(run_as.uid)} cannot enter {data}. "
        f"Give a --data directory whose parents every user may enter, such as "
        f"/var/lib/groundwatch; or start Groundwatch as a normal user; or allow user namespaces "
        f"(in a container: the unshare system call)."
    )


def reachable_programs(programs: Path, copies: Path, run_as: RunAs) -> Path:
    """Return a directory of programs that the account can run, copying them if it must.

    The wheel may lie below a directory that only root may enter, such as /root. Programs find
    their libraries and tables by their way through the wheel, so the copy keeps that way.
    """
    if run_as.uid is None or _runs(programs, run_as):
        return programs
    programs = programs.resolve()
    package = programs.parent.parent
    copied = copies / package.name / programs.parent.name / programs.name
    if not copies.exists():
        draft = copies.with_name(copies.name + ".draft")
        shutil.rmtree(draft, ignore_errors=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(
                programs.parent / part,
                draft / package.name / programs.parent.name / part,
                symlinks=True,
            )
        for libraries in (package.with_name(package.name + ".libs"), package / ".dylibs"):
            if libraries.is_dir():
                shutil.copytree(libraries, draft / libraries.relative_to(package.parent))
        for directory in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
            directory.chmod(0o755)
        draft.rename(copies)
    if not _runs(copied, run_as):
        raise NoUserError(
            f"The user {_name_of(run_as.uid)} cannot run PostgreSQL's programs in {copied}. "
            f"Remove {copies} and start again; they are copied there from the wheel."
        )
    return copied


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
    return _works((str(programs / "postgres"), "--version"), run_as)


def _works(command: tuple[str, ...], run_as: RunAs | None = None) -> bool:
    """Tell whether a command succeeds; a bare prefix is tried with `true`."""
    words = command if run_as else (*command, "true")
    arguments = run_as.popen_arguments() if run_as else {}
    try:
        done = subprocess.run(
            words,
            check=False,
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            cwd="/",
            **arguments,  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return bool(done.returncode == 0)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
