"""Is a backup of the embedded database whole? Every file is held against the backup's own manifest.

The wheel that brings PostgreSQL brings a pg_verifybackup that crashes as it starts, so the scripts
beside this file ask here. The manifest is what pg_basebackup --manifest-checksums=SHA256 writes.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

MANIFEST = "backup_manifest"
# The manifest does not name it: its pages are made while the others are copied.
WAL = "pg_wal"


def faults_of(backup: Path) -> Iterator[str]:
    """Name what is missing, cut short or changed, a sentence each."""
    try:
        manifest = json.loads((backup / MANIFEST).read_text(encoding="utf-8"))
        files = list(manifest["Files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"{backup / MANIFEST} can't be read: {error}."
        return
    for entry in files:
        path = backup / _path_in(entry)
        try:
            size, digest = _digest(path)
        except OSError as error:
            yield f"{path} can't be read: {error.strerror}."
            continue
        if size != entry["Size"]:
            yield f"{path} holds {size} bytes and should hold {entry['Size']}."
        elif entry["Checksum-Algorithm"] != "SHA256" or digest != entry["Checksum"]:
            yield f"{path} is not what was backed up."
    if not any((backup / WAL).glob("?" * 24)):
        yield f"{backup / WAL} holds no log: without it the backup can't be used."


def _path_in(entry: dict[str, str]) -> str:
    """Read a file's name; one that is no UTF-8 is encoded."""
    if "Path" in entry:
        return entry["Path"]
    return bytes.fromhex(entry["Encoded-Path"]).decode(errors="surrogateescape")


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def main(arguments: list[str]) -> int:
    """Print what is wrong with the backup that is named; 0 if nothing is."""
    faults = list(faults_of(Path(arguments[0])))
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
