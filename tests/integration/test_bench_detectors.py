"""The bench of the detectors runs and says what it promises; how fast is for a quiet machine."""

import json

import pytest

from simulators.proving.bench_detectors import run_bench_detectors


def test_the_bench_of_the_detectors_reports(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bench_detectors(200, as_json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["channels"] == 200
    assert report["dense_readings_per_s"] > 0
    assert report["mixed_readings_per_s"] > 0
    assert min(report["windowed_channels_per_s"].values()) > 0
    # What a channel with a limit, a rate limit, two charts and its quality needs: a promise.
    assert report["bytes_per_channel"] <= 256
