"""New files with secrets and settings: whole or not at all, and for whom they are meant."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

OWNER_ONLY = 0o600
EVERYBODY = 0o644


class NewFileError(Exception):
    """A file can't be written; the message says which, why, and the remedy."""


def is_there(path: Path) -> bool:
    """Tell whether there is such a file; where that can't be seen, writing it will tell why."""
    try:
        path.lstat()
    except OSError:
        return False
    return True


def refuse_existing(paths: list[Path]) -> None:
    """Complain about the first of these files that exists."""
    for path in paths:
        if is_there(path):
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
        _make_durable(files)
    except OSError as error:
        for begun in written:
            begun.unlink(missing_ok=True)
        raise NewFileError(f"{path} can't be written: {error.strerror}.") from error


def replace(files: Mapping[Path, tuple[bytes, int]]) -> None:
    """Write files in place of older ones: whoever reads sees the old content or the new."""
    drafts = {path: path.with_name(f"{path.name}.draft") for path in files}
    path = Path()
    try:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
        write_new({drafts[path]: what for path, what in files.items()})
        for path, draft in drafts.items():
            draft.replace(path)
        _make_durable(files)
    except OSError as error:
        raise NewFileError(f"{path} can't be replaced: {error.strerror}.") from error


def _write(path: Path, content: bytes, mode: int) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()  # Half a file would be in the way of the next attempt.
        raise


def _make_durable(paths: Iterable[Path]) -> None:
    """Have files keep their names through a power cut."""
    for folder in {path.parent for path in paths}:
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
