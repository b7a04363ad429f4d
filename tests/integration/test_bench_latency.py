"""The bench of latencies hears alarms of every site; how soon is for a quiet machine."""

import json

import pytest

from simulators.proving import bench_latency
from simulators.proving.bench_latency import LatencyBench, run_bench_latency


def test_the_bench_of_latencies_reports(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_latency, "SCANS_APART", 3)
    monkeypatch.setattr(bench_latency, "WARM_UP_S", 1.0)
    bench = LatencyBench(edges=22, channels=4, for_s=5.0, as_json=True)  # Two sites.
    assert run_bench_latency(bench) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["channels"] == 88
    assert report["readings_per_s"] > 0
    assert report["alarms"] > 0
    assert 0 < report["p50_ms"] <= report["p99_ms"] <= report["worst_ms"]
