"""The log: what others have named cannot write lines of its own, or command a terminal."""

import pytest
import structlog

from groundwatch import configure_log


def test_control_characters_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    configure_log()
    structlog.get_logger().warning(
        "message cannot be read", topic="dam\x1b[2J", file="a\nb\u202e.dat", bus="矿山-1"
    )

    (line,) = capsys.readouterr().out.splitlines()
    assert line.isprintable()
    assert r"topic=dam\x1b[2J" in line
    assert r"a\nb\u202e.dat" in line
    assert "bus=矿山-1" in line
