"""Failpoints and planted bugs in one process: armed they work, unarmed they are not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.failpoints import EXIT_CODE, NAMES
from telemetry.fault_settings import FAILPOINT_FILE, HARNESS, PLANTED_BUG

ROOT = Path(__file__).parents[2]


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **variables},
        timeout=60,
    )


PASSES = "from telemetry.failpoints import passing\nfor n in range(5):\n    {}print(n, flush=True)"


def test_a_process_ends_at_the_passing_it_is_armed_for_and_only_once(tmp_path: Path) -> None:
    file = tmp_path / "failpoint"
    file.write_text("ingest_copied:3")
    code = PASSES.format("passing('ingest_copied'); ")

    first = run(code, **{FAILPOINT_FILE: str(file)})
    again = run(code, **{FAILPOINT_FILE: str(file)})

    assert (first.returncode, first.stdout.split()) == (EXIT_CODE, ["0", "1"])
    assert not file.exists()
    assert (again.returncode, again.stdout.split()) == (0, ["0", "1", "2", "3", "4"])


def test_other_places_are_passed(tmp_path: Path) -> None:
    file = tmp_path / "failpoint"
    file.write_text("ingest_copied")
    ended = run(PASSES.format("passing('edge_after_send'); "), **{FAILPOINT_FILE: str(file)})

    assert ended.returncode == 0
    assert file.exists()


def test_an_unknown_failpoint_is_told(tmp_path: Path) -> None:
    file = tmp_path / "failpoint"
    file.write_text("ingest_copyed")
    ended = run("import telemetry.failpoints", **{FAILPOINT_FILE: str(file)})

    assert ended.returncode != 0
    assert "ingest_copied" in ended.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_failpoint_stands_in_the_code_once(name: str) -> None:
    rooms = ("edge_agent", "ingest", "alarms")
    texts = [path.read_text("utf-8") for room in rooms for path in (ROOT / room).rglob("*.py")]

    assert sum(text.count(f'passing("{name}")') for text in texts) == 1


@pytest.mark.parametrize("command", ["serve", "ingest", "edge", "notify"])
def test_no_bug_is_on_by_accident(command: str) -> None:
    code = f"import sys, groundwatch\nsys.argv = ['groundwatch', {command!r}]\ngroundwatch.main()"
    ended = run(code, **{PLANTED_BUG: "value_altered"})

    assert ended.returncode == 1
    assert "unset it" in ended.stderr


def test_an_unknown_bug_is_told() -> None:
    code = "from telemetry.planted import check_none_by_accident as check\ncheck()"
    ended = run(code, **{PLANTED_BUG: "typo", HARNESS: "1"})

    assert ended.returncode == 1
    assert "value_altered" in ended.stderr
