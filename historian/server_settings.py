"""The configuration of the embedded PostgreSQL, as values and as the text of its file."""

import os
import tempfile
from collections.abc import Mapping

MIB = 1024 * 1024

# Durability is not for sale: fsync, full_page_writes and synchronous_commit stand here although
# they are the defaults, so that whoever reads the file sees that they are meant.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",  # No TCP: only the private socket.
    "max_connections": "100",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_buffers": "64MB",  # Measured with flushes of 10,000 readings.
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "10min",
    "jit": "off",  # Our statements are short; compiling them takes longer than running them.
    # A query from the page must not take the cores on which alarms are judged.
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",  # `historian.embedded` reads the log to say what went wrong.
    # A file per weekday, overwritten a week later: the log cannot fill the disk.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
}


def settings_text(memory_bytes: int, overrides: Mapping[str, str]) -> str:
    """Write the configuration file; overrides win."""
    settings = {"shared_buffers": f"{shared_buffers_mib(memory_bytes)}MB", **SETTINGS, **overrides}
    lines = [f"{name} = {_quoted(value)}" for name, value in settings.items()]
    head = [
        "# Written by Groundwatch at every start; changes here are lost.",
        "# Settings of your own go below the include line in postgresql.conf, where they win.",
    ]
    return "\n".join([*head, *lines, ""])


def shared_buffers_mib(memory_bytes: int) -> int:
    """Take an eighth of the machine's memory, at least 32 MiB and at most 256 MiB.

    >>> shared_buffers_mib(1024 * MIB), shared_buffers_mib(16 * 1024 * MIB)
    (128, 256)
    """
    return max(32, min(256, memory_bytes // 8 // MIB))


def machine_memory_bytes() -> int:
    """How much memory this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def socket_parents() -> list[str]:
    """Where the directory of the server's socket may stand, best first."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    return [*([given] if given else []), tempfile.gettempdir(), "/tmp"]  # noqa: S108


def _quoted(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"
