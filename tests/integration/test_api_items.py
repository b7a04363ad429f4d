"""Votes over a real database and a real server: two levels side by side, and what is unknown."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api_centre import SITE, SITE_FILE, Centre, running_centre
from ground import START_US

from alarms.transition import TakenVote
from historian.votes import write_votes

VOTING = """\
  - id: east-slope
    voting:
      every_s: 600
      max_age_s: 1800
      items:
        - id: opening
          slot: 1
          name: {en: Opening, zh: 张开度}
          points: [crack-1-opening]
"""
DOCUMENT = {
    "voted": 2,
    "highest": 1,
    "points": 5,
    "unknown": 1,
    "items": [
        {
            "item": "opening",
            "voted": 2,
            "highest": 1,
            "confirmed": 1,
            "unknown": 1,
            "points": 2,
            "telling": [
                {
                    "channel": "crack-1-opening",
                    "level": 1,
                    "doubt": "silent",
                    "neighbours": {"verdict": "confirmed", "reached_by": 2, "of": 3},
                },
                {"channel": "gone", "level": 0, "doubt": "bad", "neighbours": None},
            ],
        }
    ],
}


@pytest.fixture
async def centre(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Centre]:
    text = SITE_FILE.read_text(encoding="utf-8").replace("  - id: east-slope\n", VOTING)
    async with running_centre(postgres_dsn, tmp_path, site_text=text) as running:
        yield running


@pytest.fixture
async def client(centre: Centre) -> AsyncIterator[httpx.AsyncClient]:
    async with centre.client(centre.viewer) as opened:
        yield opened


async def test_before_anybody_has_voted_nothing_is_known(client: httpx.AsyncClient) -> None:
    (slope,) = (await client.get(f"/api/v1/sites/{SITE}/items")).json()
    assert (slope["structure"], slope["freshness"]) == ("east-slope", "unknown")
    assert (slope["voted_level"], slope["highest_level"], slope["voted_at"]) == (None, None, None)
    assert slope["ladder"] == {
        "blue_to_yellow": 4,
        "yellow_to_orange": 3,
        "orange_to_red": 2,
        "source": "GB 39496-2020, 5.5",
    }
    (item,) = slope["items"]
    assert (item["item"], item["voted_level"], item["telling"]) == ("opening", None, [])


async def test_the_newest_vote_is_shown_point_by_point(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    vote = TakenVote("east-slope", START_US, DOCUMENT)
    await write_votes(centre.connection, centre.ids.site_id, 1, [vote])
    older = TakenVote("east-slope", START_US - 1, {**DOCUMENT, "voted": 4})
    await write_votes(centre.connection, centre.ids.site_id, 1, [older])
    await centre.flush(scans=[centre.scan("east-slope", [2.0, 2.0])])

    (slope,) = (await client.get(f"/api/v1/sites/{SITE}/items?structure=east-slope")).json()
    assert (slope["voted_level"], slope["highest_level"]) == ("yellow", "blue")
    assert (slope["voted_at"], slope["freshness"]) == ("2025-07-01T00:00:00Z", "fresh")
    (item,) = slope["items"]
    assert (item["voted_level"], item["confirmed_level"], item["unknown"]) == ("yellow", "blue", 1)
    assert item["points"] == 2
    assert item["telling"][0] == {
        "channel": "crack-1-opening",
        "level": "blue",
        "doubt": "silent",
        "neighbours": {"verdict": "confirmed", "reached_by": 2, "of": 3},
    }
    assert item["telling"][1]["neighbours"] is None


async def test_none_of_points_that_nobody_knows_is_not_called_normal(
    centre: Centre, client: httpx.AsyncClient
) -> None:
    item = {**DOCUMENT["items"][0], "voted": 0, "highest": 0, "unknown": 2, "confirmed": None}
    vote = {**DOCUMENT, "voted": 0, "highest": 0, "unknown": 5, "items": [item]}
    await write_votes(
        centre.connection, centre.ids.site_id, 1, [TakenVote("east-slope", START_US, vote)]
    )
    (slope,) = (await client.get(f"/api/v1/sites/{SITE}/items")).json()
    assert (slope["voted_level"], slope["items"][0]["voted_level"]) == (None, None)


async def test_a_structure_that_does_not_vote_has_no_items(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/api/v1/sites/{SITE}/items?structure=north-dam")).json() == []
    assert (await client.get(f"/api/v1/sites/{SITE}/items?structure=no")).status_code == 404


async def test_votes_are_channels_with_names_for_their_levels(client: httpx.AsyncClient) -> None:
    rows = (await client.get(f"/api/v1/sites/{SITE}/channels?structure=east-slope")).json()
    voted = {one["channel"]: one for one in rows if one["quantity"] == "voted_level"}
    assert voted.keys() == {"east-slope", "opening"}
    assert voted["opening"]["states"]["2"]["name"] == {"en": "Yellow", "zh": "黄色"}
    assert voted["opening"]["name"] == {"en": "Opening", "zh": "张开度"}
