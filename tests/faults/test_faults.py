"""A short selection of what `groundwatch faults` does: real processes, faults, planted bugs."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.real_processes


def faults(*arguments: str) -> tuple[dict[str, object], str]:
    ended = subprocess.run(
        [sys.executable, "-m", "groundwatch", "faults", "--json", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert ended.stdout, ended.stderr
    return json.loads(ended.stdout), ended.stderr


def test_nothing_is_lost_and_nothing_invented() -> None:
    report, said = faults("--trials", "5", "--seed", "5", "--bug", "none")

    assert report["examples"] == [], said
    names = ("trials", "lost", "duplicated", "alarms_missing", "alarms_extra")
    assert [report[name] for name in names] == [5, 0, 0, 0, 0]
    assert report["alarms"], "a run without alarms proves nothing about them"


def test_planted_bugs_are_found() -> None:
    bugs = ("value_altered", "acknowledge_before_commit")
    report, said = faults("--trials", "0", *(word for bug in bugs for word in ("--bug", bug)))

    assert (report["planted"], report["caught"]) == (2, 2), said
