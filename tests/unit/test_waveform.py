"""Waveforms as files: what is found in them, and what is said of files that are none."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import groundwatch
from alarms.seismic.waveform import TriggerSettings, WaveformError, samples_of, triggers_of

RATE_HZ = 2_000.0


def waveform() -> np.ndarray:
    """Two seconds of noise, with two events that ring down."""
    chance = np.random.default_rng(8)
    trace = chance.normal(0.0, 1.0, 4_000) + 50.0
    for begin, size in ((1_000, 30.0), (2_600, 60.0)):
        after = np.arange(600)
        trace[begin : begin + 600] += size * np.exp(-after / 150.0) * np.sin(after * 0.9)
    return trace


@pytest.mark.parametrize("method", ["recursive", "classic"])
def test_two_events_are_found_where_they_begin(method: str) -> None:
    found = triggers_of(waveform(), TriggerSettings(RATE_HZ, method=method))

    assert [one.begins_us / 1e6 for one in found] == pytest.approx([0.5, 1.3], abs=0.01)
    assert found[1].peak_amplitude > found[0].peak_amplitude > 20.0
    assert all(one.ends_us > one.begins_us for one in found)


def test_what_is_no_waveform_is_said_with_its_line() -> None:
    with pytest.raises(WaveformError, match=r"trace\.txt:3: 'abc' is no number"):
        samples_of(["1.5", "# a comment", "abc"], "trace.txt")
    with pytest.raises(WaveformError, match=r"trace\.txt:2: a sample is missing"):
        samples_of(["1.5", "nan"], "trace.txt")
    with pytest.raises(WaveformError, match="the long window alone 160"):
        triggers_of(np.zeros(100), TriggerSettings(RATE_HZ))
    with pytest.raises(WaveformError, match="fewer than the long one"):
        triggers_of(np.zeros(1_000), TriggerSettings(RATE_HZ, short_ms=100.0))
    with pytest.raises(WaveformError, match="higher ratio"):
        triggers_of(np.zeros(1_000), TriggerSettings(RATE_HZ, on=1.0, off=2.0))


def test_the_command_tells_instants_and_seconds(tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    np.savetxt(file, waveform())
    words = ["triggers", str(file), "--rate-hz", "2000"]
    runner = CliRunner()

    plain = runner.invoke(groundwatch.app, words)
    stamped = runner.invoke(
        groundwatch.app, [*words, "--json", "--begins-at", "2025-07-01T00:00:00Z"]
    )
    (tmp_path / "bad.txt").write_text("one")
    bad = runner.invoke(
        groundwatch.app, ["triggers", str(tmp_path / "bad.txt"), "--rate-hz", "2000"]
    )

    assert "2 triggers in 4000 samples" in plain.output
    found = json.loads(stamped.output)["triggers"]
    assert [one["begins"][:21] for one in found] == [
        "2025-07-01T00:00:00.5",
        "2025-07-01T00:00:01.3",
    ]
    assert bad.exit_code == 2
    assert "bad.txt:1" in bad.output
