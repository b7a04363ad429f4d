"""The compose file and its image, as far as they can be tried without a container engine."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command_lines import calls_in, complaints_about
from peers import peer
from ruamel.yaml import YAML

DEPLOY = Path(__file__).parents[2] / "deploy"
IMAGE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load(DEPLOY / "compose.yaml")
    return document


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    named = [
        compose["services"]["database"]["image"],
        *re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE),
    ]
    assert [one for one in named if not re.search(r":\d+\.\d+[\w.-]*$", one)] == []


def test_the_centre_calls_what_the_command_line_has(compose: dict[str, Any]) -> None:
    [script] = compose["services"]["centre"]["command"]
    [call] = calls_in(script)
    assert complaints_about(call) == []
    assert call[0] == "serve"


def test_what_may_be_added_exists() -> None:
    """Lines behind a #, for a certificate and for a broker."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    added = re.findall(r"^#   (--.*)$", text, re.MULTILINE)
    assert len(added) == 2
    for options in added:
        assert complaints_about(["serve", "--site", "site.yaml", *options.split()]) == []
    for line in re.findall(r"^#   (\w+: .*)$", text, re.MULTILINE):
        assert YAML(typ="safe").load(line)


def test_only_this_machine_reaches_what_is_not_encrypted(compose: dict[str, Any]) -> None:
    assert [one for one in compose["services"]["centre"]["ports"] if "127.0.0.1" not in one] == []
    assert "ports" not in compose["services"]["database"]


def test_no_password_stands_in_the_file(compose: dict[str, Any]) -> None:
    assert "POSTGRES_PASSWORD" not in compose["services"]["database"]["environment"]
    assert "password=" not in json.dumps(compose)


def test_the_image_is_no_roots_and_asks_whether_it_is_ready() -> None:
    last = IMAGE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER groundwatch$", last, re.MULTILINE)
    assert "/readyz" in last
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", IMAGE, re.MULTILINE):
        assert all((DEPLOY.parent / source).exists() for source in copied.split())


def test_no_file_claims_to_have_been_run() -> None:
    for name in ("compose.yaml", "RUNBOOK.md"):
        assert "not run" in re.sub(r"NOT RUN|not been run", "not run", (DEPLOY / name).read_text())


def test_compose_itself_finds_no_fault() -> None:
    done = subprocess.run(
        [peer("docker-compose"), "-f", DEPLOY / "compose.yaml", "config"],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
