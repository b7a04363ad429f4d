"""A backup that is not whole is noticed, before anything is replaced by it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from historian.embedded import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
VERIFY = ROOT / "deploy" / "verify_backup.py"
RESTORE = ROOT / "deploy" / "restore-embedded.sh"
TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup by the script, of a database that runs."""
    folder = tmp_path_factory.mktemp("backup")
    server = EmbeddedPostgres(folder / "data")
    server.start()
    try:
        subprocess.run(
            [ROOT / "deploy" / "backup-embedded.sh", folder / "data", folder / "backup"],
            check=True,
            timeout=TIMEOUT_S,
        )
    finally:
        server.stop()
    return folder / "backup"


@pytest.fixture
def backup(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "backup"))


def verify(backup: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, VERIFY, backup],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return done.returncode, done.stderr


def test_a_whole_backup_has_no_faults(backup: Path) -> None:
    assert verify(backup) == (0, "")


def test_a_changed_byte_is_found(backup: Path) -> None:
    path = backup / "global" / "pg_control"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)

    assert verify(backup) == (1, f"{path} is not what was backed up.\n")


def test_a_file_that_is_cut_short_or_missing_is_found(backup: Path) -> None:
    version, control = backup / "PG_VERSION", backup / "global" / "pg_control"
    version.write_bytes(b"")
    control.unlink()

    code, said = verify(backup)

    assert code == 1
    assert f"{version} holds 0 bytes and should hold 3." in said
    assert f"{control} can't be read" in said


def test_a_backup_without_log_is_none(backup: Path) -> None:
    shutil.rmtree(backup / "pg_wal")

    code, said = verify(backup)

    assert code == 1
    assert "holds no log" in said


@pytest.mark.parametrize("text", ["", "{}", "[]", json.dumps({"Files": 3})])
def test_a_manifest_that_is_none_is_a_sentence(backup: Path, text: str) -> None:
    (backup / "backup_manifest").write_text(text, encoding="utf-8")

    code, said = verify(backup)

    assert code == 1
    assert "can't be read" in said
    assert "Traceback" not in said


def test_a_damaged_backup_replaces_nothing(backup: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "postgres").mkdir(parents=True)
    (backup / "PG_VERSION").unlink()

    done = subprocess.run(
        [RESTORE, data, backup], check=False, capture_output=True, text=True, timeout=TIMEOUT_S
    )

    assert done.returncode != 0
    left = sorted(path.name for path in data.glob("postgres*"))
    assert left == ["postgres", "postgres.lock"]
