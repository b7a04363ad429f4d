"""The bench of back-tests judges what it has stored; how fast is for a quiet machine."""

import json

import pytest

from simulators.proving.bench_backtest import run_bench_backtest


def test_the_bench_of_back_tests_reports(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_bench_backtest(200, 30, as_json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["channels"] == 200
    assert report["readings"] == 6_000
    assert report["readings_per_s"] > 0
    assert report["judged_readings_per_s"] > 0
