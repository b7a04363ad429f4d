"""What PostgreSQL's last words mean, as a sentence with a remedy."""

from pathlib import Path

# What the server or the system says, and what to do about it. The first that is found counts.
REMEDIES = (
    (
        ("no space left on device", "disk quota exceeded"),
        "The disk of {data} is full. Free some space and start again; nothing that was "
        "acknowledged is lost.",
    ),
    (
        ("read-only file system",),
        "{data} is on a file system that is mounted read-only. Mount it writable, or give another "
        "--data directory.",
    ),
    (
        ("not a directory", "file exists"),
        "{data}, or something above it, is a file. Give another --data directory.",
    ),
    (
        ("permission denied", "operation not permitted", "wrong ownership"),
        "The user that Groundwatch runs as may not use {data}. Give it to that user, or give "
        "another --data directory.",
    ),
    (
        ("too long", "at most 107 bytes", "at most 103 bytes"),
        "The path of {data} or of the directory for temporary files (TMPDIR) is too long. Use "
        "shorter ones.",
    ),
    (
        ("could not create shared memory", "could not map anonymous shared memory"),
        "The machine has too little memory left for the database of {data}. End other programs, "
        "or lower shared_buffers below the include line of postgres/postgresql.conf there.",
    ),
    (
        ("database files are incompatible", "not compatible with this version"),
        "The database in {data} was written by another version of PostgreSQL. Dump it with the "
        "version that wrote it, and restore it into a new --data directory.",
    ),
    (
        ("invalid checkpoint record", "could not locate a valid checkpoint", "invalid page"),
        "The database in {data} is damaged: the disk did not keep what it promised. Restore a "
        "backup; see postgres/log there.",
    ),
    (
        ("is another postmaster", "lock file"),
        "Another PostgreSQL works in {data}. Stop it, or give another --data directory.",
    ),
    (
        (
            "unrecognized configuration parameter",
            "invalid value for parameter",
            "syntax error in file",
        ),
        "The configuration of the database in {data} has a mistake; see postgres/postgresql.conf "
        "there, below the include line.",
    ),
)
LAST_WORDS_MAX = 1500


def explain(words: str, data: Path) -> str:
    """Say what a failure means and what helps, followed by PostgreSQL's own words."""
    lowered = words.lower()
    for signs, remedy in REMEDIES:
        if any(sign in lowered for sign in signs):
            sentence = remedy.format(data=data)
            break
    else:
        sentence = (
            f"The database in {data} does not start; see postgres.log and postgres/log there."
        )
    return f"{sentence} PostgreSQL says: {words.strip()[-LAST_WORDS_MAX:]}"
