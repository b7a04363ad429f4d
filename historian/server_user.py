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
    namespace = (
        "unshare",
        "--user",
        f"--map-user={account.pw_uid}",
        f"--map-group={account.pw_gid}",
    )
    if _works(namespace):
        return RunAs(prefix=namespace)
    return RunAs(uid=account.pw_uid, gid=account.pw_gid)


def hand_over(directory: Path, run_as: RunAs) -> None:
    """Give a directory and all in it to the account that PostgreSQL runs as."""
    if run_as.uid is None or run_as.gid is None:
        return
    for path in (directory, *directory.rglob("*")):
        os.chown(path, run_as.uid, run_as.gid, follow_symlinks=False)


def reachable_programs(programs: Path, copies: Path, run_as: RunAs) -> Path:
    """Return a directory of programs that the account can run, copying them if it must.

    The wheel may lie below a directory that only root may enter, such as /root. Its directories
    `lib` and `share` stand beside `bin` and are found by PostgreSQL relative to it.
    """
    if run_as.uid is None or _runs(programs, run_as):
        return programs
    copied = copies / "bin"
    if not (copied / "postgres").exists():
        draft = copies.with_name(copies.name + ".draft")
        shutil.rmtree(draft, ignore_errors=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(programs.parent / part, draft / part, symlinks=True)
        draft.chmod(0o755)
        draft.rename(copies)
    if not _runs(copied, run_as):
        raise NoUserError(
            f"PostgreSQL may not run as root, and the user {_name_of(run_as.uid)} cannot enter "
            f"{copies}. Give a --data directory whose parents every user may enter, such as "
            f"/var/lib/groundwatch; or start Groundwatch as a normal user; or allow user "
            f"namespaces (in a container: the unshare system call)."
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
