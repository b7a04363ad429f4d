"""The guides' shell blocks are run as a reader would run them, one guide after the other.

Blocks that begin with ```sh run are run in order, in one shell, in an empty folder. Ports are
replaced by free ones, so that whatever runs on the machine is left alone.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from peers import peer

from simulators.proving.demonstration import free_ports

pytestmark = pytest.mark.real_processes

GUIDES = Path(__file__).parents[2] / "docs" / "guide"
BLOCK = re.compile(r"^```sh run\n(.*?)^```", re.DOTALL | re.MULTILINE)
PORTS = ("5020", "8380", "8381", "1883")
WITHIN_S = 180.0
STOP_WITHIN_S = 60.0
# Whatever a guide has started is asked to stop when it fails on the way, and waited for.
CLEAN_UP = "trap 'kill $(jobs -p) 2>/dev/null || true; wait || true' EXIT; trap 'exit 1' TERM\n"
PEERS = ("mosquitto", "mosquitto_rr")  # Of other people; the guide says where they come from.
OURS = (
    "connect-a-logger",
    "import-old-data",
    "back-test",
    "enrol-an-edge",
    "gateways-and-brokers",
)


def blocks_of(path: Path) -> list[str]:
    return BLOCK.findall(path.read_text(encoding="utf-8"))


def on_free_ports(script: str) -> str:
    """Let services listen where nobody does."""
    free = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    moved = re.sub(r"\b(5020|8380|8381|1883)\b", lambda found: free[found[0]], script)
    listen = f"--data data --port {free['8380']} --line-port {free['8381']}"
    return moved.replace("--data data", listen)


@pytest.mark.parametrize("name", OURS)
def test_a_guide_works_from_its_first_block_to_its_last(name: str, tmp_path: Path) -> None:
    blocks = blocks_of(GUIDES / f"{name}.md")
    for program in PEERS:
        if any(program in block for block in blocks):
            peer(program)
    assert len(blocks) >= 5
    log = tmp_path / "guide.log"
    home = tmp_path / "home"
    home.mkdir()
    programs = Path(sys.executable).parent
    with log.open("w", encoding="utf-8") as sink:
        shell = subprocess.Popen(
            ["bash", "-euxo", "pipefail", "-c", CLEAN_UP + on_free_ports("\n".join(blocks))],
            cwd=home,
            env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
        try:
            code = shell.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            shell.send_signal(signal.SIGTERM)
            code = shell.wait(STOP_WITHIN_S)
    assert code == 0, log.read_text(encoding="utf-8")[-3000:]


@pytest.mark.parametrize("path", sorted(GUIDES.glob("*.zh-CN.md")), ids=lambda path: path.name)
def test_a_translated_guide_has_the_same_blocks(path: Path) -> None:
    assert blocks_of(path) == blocks_of(path.with_name(path.name.replace(".zh-CN", "")))


@pytest.mark.parametrize("name", OURS)
def test_a_guide_is_there_in_chinese(name: str) -> None:
    assert (GUIDES / f"{name}.zh-CN.md").exists()
