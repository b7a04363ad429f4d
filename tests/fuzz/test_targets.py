"""Every reader under atheris, shortly and from a fixed seed; `make fuzz` goes on from there."""

import shlex
import subprocess
from pathlib import Path

import pytest
from fuzz.running import environment, run, run_shortly, why_not
from fuzz.target import NAMES

NOT_HERE = why_not()
with_atheris = pytest.mark.skipif(NOT_HERE is not None, reason=NOT_HERE or "")

READERS = {
    "site_file", "mapping_file", "device_profile", "json_message", "submission", "sparkplug",
    "logger_file", "wire_block", "frames", "sealed", "modbus_reply", "registers", "formula",
    "api_inputs", "enrolment", "broker_topics", "judged_block", "event_block", "event_message",
}  # fmt: skip


@with_atheris
def test_every_reader_keeps_its_contract(tmp_path: Path) -> None:
    assert set(NAMES) == READERS

    outcomes = run_shortly(NAMES, tmp_path)

    assert [one.again() for one in outcomes if not one.is_whole] == []
    assert {one.name: one.unmet for one in outcomes if one.unmet} == {}


@with_atheris
def test_a_crash_is_found_kept_and_found_again(tmp_path: Path) -> None:
    (outcome,) = run(["planted"], tmp_path, ["-runs=200000", "-seed=1"])

    assert not outcome.is_whole
    (kept,) = outcome.found
    assert kept.read_bytes().startswith(b"GWB!")
    assert "a planted crash" in outcome.again()
    (told,) = [line for line in outcome.again().splitlines() if line.startswith("Again: ")]
    words = shlex.split(told.removeprefix("Again: PYTHONPATH=.:tests "))
    again = subprocess.run(words, env=environment(), capture_output=True, check=False)
    assert again.returncode != 0
    assert b"a planted crash" in again.stdout + again.stderr


@with_atheris
@pytest.mark.parametrize(("content", "kind"), [(b"hang", "timeout"), (b"much", "oom")])
def test_what_takes_too_long_or_too_much_is_found(
    content: bytes, kind: str, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus" / "planted"
    corpus.mkdir(parents=True)
    (corpus / "it").write_bytes(content)
    options = ["-runs=10", "-timeout=1"] if kind == "timeout" else ["-runs=10"]

    # Python itself takes 200 MiB and more: what hangs must not be stopped for that.
    memory_mib = 1024 if kind == "timeout" else 400
    (outcome,) = run(["planted"], tmp_path, options, memory_mib=memory_mib)

    assert [path.name.split("-")[1] for path in outcome.found] == [kind]
    assert not outcome.is_whole


@with_atheris
def test_one_that_dies_does_not_hide_the_others(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus" / "planted"
    corpus.mkdir(parents=True)
    (corpus / "it").write_bytes(b"GWB!")

    planted, frames = run(["planted", "frames"], tmp_path, ["-runs=50", "-seed=1"])

    assert (planted.is_whole, frames.is_whole) == (False, True)
    assert frames.runs >= 50


@pytest.mark.parametrize(
    ("machine", "python", "is_here"),
    [("x86_64", "3.11", True), ("x86_64", "3.14", False), ("aarch64", "3.12", False)],
)
def test_it_is_left_out_only_where_it_has_no_wheel(
    machine: str, python: str, is_here: bool
) -> None:
    there = {"platform_machine": machine, "sys_platform": "linux", "python_version": python}

    told = why_not(there)

    assert (told is None) == is_here
    assert told is None or "NOTHING IS FUZZED" in told
