"""The route of events over a real database and a real server: spans, pages, newest revisions."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_centre import SITE, Centre, running_centre
from event_plans import events
from ground import START_US

from historian.event_reading import recorded_events
from historian.events import EventWrite, write_events
from telemetry.clock import instant_at
from telemetry.event import EventBlock

MINUTE_US = 60_000_000
PATH = f"/api/v1/sites/{SITE}/events"


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    async with running_centre(postgres_dsn, tmp_path) as running:
        yield running


@pytest.fixture
async def client(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.client(centre.viewer) as opened:
        yield opened


async def keep(centre: Centre, *blocks: EventBlock) -> None:
    """Store events as a flush does."""
    writes = [
        EventWrite(1, seq, START_US, block, range(len(block)))
        for seq, block in enumerate(blocks, start=1)
    ]
    async with centre.connection.transaction():
        await write_events(centre.connection, centre.ids.site_id, 1, writes)


def minutes(count: int, first: int = -10) -> list[int]:
    return [START_US + (first + n) * MINUTE_US for n in range(count)]


async def test_the_newest_come_first_and_as_corrected(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    await keep(
        centre,
        events(["a", "b"], [0.5, 1.0], at_us=minutes(2)),
        events(["a"], [0.7], at_us=minutes(1, -5)),  # Larger than was thought, and later.
        events(["shot"], at_us=minutes(1, -20), source="blasting", kind="blast"),
    )

    answer = (await client.get(PATH)).json()

    told = [(one["event"], one["revision"], one["kind"]) for one in answer["events"]]
    assert told == [
        ("network/a", 1, "seismic"),
        ("network/b", 0, "seismic"),
        ("blasting/shot", 0, "blast"),
    ]
    newest: dict[str, Any] = answer["events"][0]
    assert newest["attributes"] == {"magnitude": 0.7, "quality": "A"}
    assert newest["place"] == {"east_m": 100.0, "north_m": 200.0, "elevation_m": None}
    assert newest["at"] == "2025-06-30T23:55:00Z"
    assert answer["cursor"] is None
    blasts = (await client.get(PATH, params={"kind": "blast"})).json()["events"]
    assert [one["event"] for one in blasts] == ["blasting/shot"]
    source = (await client.get(PATH, params={"source": "network"})).json()["events"]
    assert len(source) == 2


async def test_pages_hold_each_event_once(centre: Centre, client: httpx.AsyncClient) -> None:
    ids = [f"é{n}" for n in range(23)]
    await keep(centre, events(ids, at_us=[START_US - MINUTE_US] * 20 + minutes(3)))

    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "5", **({} if cursor is None else {"cursor": cursor})}
        page = (await client.get(PATH, params=query)).json()
        assert len(page["events"]) <= 5
        seen += [one["event"] for one in page["events"]]
        cursor = page["cursor"]
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 23


async def test_spans_hold_their_beginning_and_not_their_end(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    await keep(centre, events(["a", "b", "c"], at_us=minutes(3)))
    span = {
        "from": instant_at(minutes(1)[0]).isoformat(),
        "to": instant_at(minutes(3)[2]).isoformat(),
    }
    found = (await client.get(PATH, params=span)).json()["events"]
    assert [one["event"] for one in found] == ["network/b", "network/a"]


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "!"},
        {"cursor": "bm8="},
        {"kind": "quake"},
        {"limit": "0"},
        {"from": "2025-07-02T00:00:00Z", "to": "2025-07-01T00:00:00Z"},
        {"colour": "red"},
    ],
)
async def test_what_nobody_can_mean_is_refused(
    client: httpx.AsyncClient, query: dict[str, str]
) -> None:
    answer = await client.get(PATH, params=query)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"]


async def test_what_a_flush_brought_is_read_in_its_order(centre: Centre) -> None:
    await keep(centre, events(["b", "a"], at_us=minutes(2)), events(["a"], [2.0]))
    found = await recorded_events(centre.connection, centre.ids.site_id, 0, 9)
    assert [(flush_id, one.event_id, one.revision) for flush_id, one in found] == [
        (1, "network/b", 0),
        (1, "network/a", 0),
        (1, "network/a", 1),
    ]
