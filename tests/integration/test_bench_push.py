"""The bench of live lines counts what it promises; how soon is for a quiet machine."""

import json

import pytest

from simulators.proving.bench_push import PushBench, run_bench_push


def test_the_bench_of_live_lines_reports(capsys: pytest.CaptureFixture[str]) -> None:
    bench = PushBench(clients=10, frozen=2, scans_per_s=5.0, for_s=2.0, as_json=True)
    assert run_bench_push(bench) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["clients"] == 10
    assert report["messages_per_client_per_s"] > 0
    assert 0 < report["p50_ms"] <= report["p99_ms"]
    assert report["frozen_cut_after_s"] is not None  # The server asks for a sign of life.
    assert report["others_cut"] == 0
    assert report["resumed"] == 2
