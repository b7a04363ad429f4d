"""New files with secrets and settings: whole or not at all, and for whom they are meant."""

import os
from collections.abc import Mapping
from pathlib import Path

OWNER_ONLY = 0o600
EVERYBODY = 0o644


class NewFileError(Exception):
    """A file can't be written; the message says which, why, and the remedy."""


def refuse_existing(paths: list[Path]) -> None:
    """Complain about the first of these files that exists."""
    for path in paths:
        if path.exists():
            raise NewFileError(f"{path} exists already and is not overwritten: move it away.")


def write_new(files: Mapping[Path, tuple[bytes, int]]) -> None:
    """Write files, each with its mode; all of them are new, or none is written."""
    refuse_existing(list(files))
    written: list[Path] = []
    path = Path()
    try:
        for path, (content, mode) in files.items():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(path, content, mode)
            written.append(path)
    except OSError as error:
        for begun in written:
            begun.unlink()
        raise NewFileError(f"{path} can't be written: {error.strerror}.") from error


def replace(files: Mapping[Path, tuple[bytes, int]]) -> None:
    """Write files in place of older ones: whoever reads sees the old content or the new."""
    drafts = {path: path.with_name(f"{path.name}.draft") for path in files}
    for draft in drafts.values():
        draft.unlink(missing_ok=True)
    write_new({drafts[path]: what for path, what in files.items()})
    for path, draft in drafts.items():
        draft.replace(path)


def _write(path: Path, content: bytes, mode: int) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(opened, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
