"""The export over the API: for viewers, in pieces, and only so many at once."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from api_centre import SITE, Centre, running_centre
from ground import START_US

from api.routes import export
from historian.partition import ensure_partitions
from historian.writer import ScanWrite, write_scans

PATH = f"/api/v1/sites/{SITE}/export"
SPAN = {"from": "2025-06-30T00:00:00Z", "to": "2025-07-02T00:00:00Z"}


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


@pytest.fixture
async def client(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.client(centre.viewer) as opened:
        yield opened


async def test_a_viewer_gets_a_file(centre: Centre, client: httpx.AsyncClient) -> None:
    await ensure_partitions(centre.connection, range(START_US, START_US + 1))
    group = centre.plan.group_by_key["cracks"]
    one = np.array([START_US])
    write = ScanWrite(
        centre.ids.group_ids[group.index],
        None,
        None,
        one,
        one,
        np.zeros(1, np.int16),
        None,
        np.full((1, group.slot_count), 12.5),
        np.zeros((1, group.slot_count), np.int16),
    )
    async with centre.connection.transaction():
        await write_scans(centre.connection, centre.ids.site_id, 1, [write])

    for _ in range(export.EXPORTS_AT_ONCE_MAX):
        await client.get(PATH, params=SPAN)
    answer = await client.get(PATH, params=SPAN | {"group": "cracks", "form": "long"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{SITE}.csv"'
    _, row, *_ = csv.reader(io.StringIO(answer.text), strict=True)
    assert row[2] == "crack-1-opening"
    assert row[4:] == ["12.5", "mm", "good"]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"channel": "moon"}, 422, "has no channel 'moon'"),
        ({"time_zone": "Mars"}, 422, "is no time zone"),
        ({"to": "2025-06-30T00:00:00Z"}, 422, "The span is empty"),
        ({"from": "yesterday"}, 422, "from"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
async def test_what_cannot_be_exported_is_refused(
    client: httpx.AsyncClient, change: dict[str, str], status: int, said: str
) -> None:
    answer = await client.get(PATH, params=SPAN | change)

    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


async def test_only_so_many_run_at_once(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "EXPORTS_AT_ONCE_MAX", 0)

    answer = await client.get(PATH, params=SPAN)

    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "busy")
