"""STA/LTA beside another library's, on a trace with two events in noise."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from peer_venv import peer_python

from alarms.seismic.sta_lta import classic_ratio, recursive_ratio, triggers

LIBRARY = "obspy==1.5.1"
SCRIPT = Path(__file__).parents[1] / "obspy_peer.py"
SHORT, LONG, ON, OFF = 10, 100, 4.0, 1.5


def test_ratios_and_triggers_equal_those_of_obspy(pytestconfig: pytest.Config) -> None:
    cache = pytestconfig.cache
    assert cache is not None
    python = peer_python(cache, LIBRARY)
    chance = np.random.default_rng(8)
    trace = chance.standard_normal(2_000)
    for begin in (600, 1_400):
        trace[begin : begin + 150] += (
            8.0 * chance.standard_normal(150) * np.exp(-np.arange(150) / 40.0)
        )
    answer = subprocess.run(
        [python, SCRIPT, *map(str, (SHORT, LONG, ON, OFF))],
        input=json.dumps(trace.tolist()),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    theirs = json.loads(answer.stdout)
    recursive = recursive_ratio(trace, short=SHORT, long=LONG)
    np.testing.assert_allclose(
        classic_ratio(trace, short=SHORT, long=LONG), theirs["classic"], rtol=1e-7
    )
    np.testing.assert_allclose(recursive, theirs["recursive"], rtol=1e-12)
    found = triggers(recursive, on=ON, off=OFF)
    assert len(found) >= 2
    assert found.tolist() == theirs["triggers"]
