"""The newest readings over a real database and a real server."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from api_centre import SITE, Centre, running_centre
from ground import transition

from alarms.transition import Change

RAISED = transition(
    Change.RAISE, "blue", at_s=0, of="crack-1-opening", evidence={"value": 12.0, "unit": "mm"}
)


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


@pytest.fixture
async def client(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.client(centre.operator) as opened:
        yield opened


async def test_latest_shows_bad_readings_as_bad(centre: Centre, client: httpx.AsyncClient) -> None:
    scan = centre.scan("piezometers", [50.0, 8.0, 1.0, float("nan")])
    scan.quality[:] = [0, 1, 0, 101]
    # Of the crack a rate (1) and a CUSUM (4) have seen too little to judge.
    crack = replace(centre.scan("cracks", [12.5]), warming=np.array([5], np.int16))
    await centre.flush(RAISED, scans=[scan, crack])

    rows = {
        one["channel"]: one for one in (await client.get(f"/api/v1/sites/{SITE}/latest")).json()
    }
    assert rows["crack-1-opening"] == {
        "channel": "crack-1-opening",
        "sampled_at": "2025-07-01T00:00:00Z",
        "value": 12.5,
        "raw": 125.0,
        "quality": 0,
        "quality_reason": "good",
        "freshness": "fresh",
        "level": 1,
        "warming_up": ["rate", "cusum"],
    }
    assert rows["barometer"]["warming_up"] == []
    assert rows["p-101-temperature"]["quality_reason"] == "clock_suspect"
    assert rows["p-101-temperature"]["value"] == 8.0
    assert (rows["barometer"]["value"], rows["barometer"]["quality_reason"]) == (None, "no_reply")
    assert (rows["p-101-level"]["value"], rows["p-101-level"]["freshness"]) == (None, "unknown")
