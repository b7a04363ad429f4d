"""The systemd units: they call a command line that exists, and systemd itself finds no fault."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_lines import calls_in, complaints_about
from peers import peer

from edge_agent.settings import EdgeSettings
from historian.embedded import STOP_TIMEOUT_S
from ingest.supervisor import STOP_WITHIN_S

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
CENTRE, EDGE = UNITS
INSTALLED = "/opt/groundwatch/.venv/bin/groundwatch"
EXPOSURE_MAX = 20  # In tenths: 2.0 of 10. A service without any hardening has 9.6.
TIMEOUT_S = 60.0


def settings_of(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def only(unit: Path, name: str) -> str:
    [value] = settings_of(unit, name)
    return value


@pytest.fixture
def installed(tmp_path: Path) -> list[Path]:
    """The units as they would be installed, with the program that runs this test."""
    program = Path(sys.executable).with_name("groundwatch")
    paths = []
    for unit in UNITS:
        path = tmp_path / unit.name.replace("@", "@dam-box")
        text = unit.read_text(encoding="utf-8").replace(INSTALLED, str(program))
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_calls_what_the_command_line_has(unit: Path) -> None:
    [call] = calls_in(only(unit, "ExecStart"))
    assert complaints_about(call) == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_help_says_the_same(unit: Path) -> None:
    [call] = calls_in(only(unit, "ExecStart"))
    said = subprocess.run(
        [sys.executable, "-m", "groundwatch", call[0], "--help"],
        env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    ).stdout
    assert [word for word in call if word.startswith("--") and f" {word} " not in said] == []


def test_systemd_waits_as_long_as_we_take_to_stop() -> None:
    bounds = EdgeSettings.model_fields["drain_s"].metadata
    longest_drain_s = max(one.le for one in bounds if hasattr(one, "le"))

    assert float(only(CENTRE, "TimeoutStopSec")) > STOP_WITHIN_S + STOP_TIMEOUT_S
    assert float(only(EDGE, "TimeoutStopSec")) > longest_drain_s


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_only_the_main_process_is_asked_to_stop_and_none_gives_up(unit: Path) -> None:
    assert only(unit, "KillMode") == "mixed"
    assert only(unit, "Restart") == "always"
    assert only(unit, "StartLimitIntervalSec") == "0"
    assert settings_of(unit, "WatchdogSec") == []  # Nobody pings it.


def test_what_the_services_write_is_in_folders_of_their_own() -> None:
    """Everything else is read-only, so a path elsewhere would fail at the first start."""
    assert only(CENTRE, "StateDirectory") == "groundwatch"
    assert "--data /var/lib/groundwatch " in only(CENTRE, "ExecStart")
    assert "XDG_RUNTIME_DIR=/run/groundwatch" in settings_of(CENTRE, "Environment")
    assert only(CENTRE, "RuntimeDirectory") == "groundwatch"
    assert only(EDGE, "StateDirectory") == "groundwatch-edge/%i"
    assert "--config /var/lib/groundwatch-edge/%i/edge.toml" in only(EDGE, "ExecStart")


def test_the_accounts_of_the_units_are_made() -> None:
    accounts = (ROOT / "deploy/systemd/groundwatch.sysusers.conf").read_text(encoding="utf-8")
    for unit in UNITS:
        assert f"\nu {only(unit, 'User')} " in accounts


def test_systemd_finds_no_fault(installed: list[Path]) -> None:
    done = subprocess.run(
        [peer("systemd-analyze"), "verify", "--man=no", *map(str, installed)],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    about_ours = [line for line in done.stderr.splitlines() if "groundwatch" in line]
    assert (done.returncode, about_ours) == (0, [])


def test_little_is_open_to_the_services(installed: list[Path]) -> None:
    """The score of `systemd-analyze security`, 0 (shut) to 10 (open)."""
    program = peer("systemd-analyze")
    for unit in installed:
        done = subprocess.run(
            [program, "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", str(unit)],
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout[-200:]
        assert "Overall exposure level" in done.stdout
