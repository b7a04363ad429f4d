"""A new user's first failure gets a sentence with the remedy."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

PREFLIGHT = Path(__file__).parents[2] / "deploy" / "preflight.py"
complaint = runpy.run_path(str(PREFLIGHT))["complaint"]


def test_here_nothing_stands_in_the_way(tmp_path: Path) -> None:
    assert complaint(tmp_path / ".venv") is None


def test_an_old_python_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))

    told = complaint(tmp_path / ".venv")

    assert "needs Python 3.11" in told
    assert "Remedy: install a newer Python" in told


def test_a_python_without_venv_is_named_with_the_remedy(tmp_path: Path) -> None:
    """Debian ships Python without `ensurepip`; a Python whose module is hidden behaves alike."""
    hidden = tmp_path / "ensurepip.py"
    hidden.write_text("raise ImportError('no', name='ensurepip')", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, str(PREFLIGHT), str(tmp_path / ".venv")],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "'ensurepip'" in done.stderr
    assert "python3-venv" in done.stderr


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    told = complaint(tmp_path / "nowhere" / ".venv")

    assert "can't be written to" in told
    assert "Remedy" in told
